"""Pause: the execution waits for a user, or for a while; then come the task's own tasks, if it has some. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from flows.definition.durations import parse_duration
from flows.definition.input_types import AnyInput, Input
from flows.definition.states import State
from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Opening, Pausing, Task, View, in_order

# What the end of the duration makes of the task, when nobody has resumed it before.
_BEHAVIORS = {
    "RESUME": State.RUNNING,
    "WARN": State.WARNING,
    "CANCEL": State.CANCELLED,
    "FAIL": State.FAILED,
}


def _no_list(value: Any) -> Any:
    return () if value is None else value


class Pause(FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.Pause",)

    pause_duration: str | None = Field(default=None, validation_alias=AliasChoices("pauseDuration", "delay"))
    behavior: Literal["RESUME", "WARN", "CANCEL", "FAIL"] = "RESUME"
    on_resume: Annotated[tuple[AnyInput, ...], BeforeValidator(_no_list)] = ()
    tasks: Annotated[tuple[AnyTask, ...], BeforeValidator(_no_list)] = ()

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.tasks
        yield "errors", self.errors
        yield "finally", self.finally_

    def resume_inputs(self) -> Sequence[Input]:
        return self.on_resume

    def open(self, view: View) -> Opening:
        """A duration goes before a timeout, as in Kestra."""
        duration, timeout = _duration(view, self.pause_duration), _duration(view, self.timeout)
        if duration is not None:
            return Opening(pausing=Pausing(duration, _BEHAVIORS[self.behavior]))
        if timeout is not None:
            return Opening(pausing=Pausing(timeout, State.FAILED))
        return Opening(pausing=Pausing())

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self.tasks)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self.tasks, ended.position)


def _duration(view: View, template: str | None) -> timedelta | None:
    text = "" if template is None else view.text(template)
    return parse_duration(text) if text.strip() else None
