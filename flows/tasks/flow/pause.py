"""Pause: the execution waits for a user, or for a while; then come the task's own tasks, if it has some. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from flows.definition.durations import parse_duration
from flows.definition.input_types import AnyInput, Input
from flows.definition.states import State
from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Opening, Pausing, Task, View, enabled, in_order

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
    on_pause: AnyTask | None = None
    on_resume: Annotated[tuple[AnyInput, ...], BeforeValidator(_no_list)] = ()
    tasks: Annotated[tuple[AnyTask, ...], BeforeValidator(_no_list)] = ()

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.tasks
        yield "onPause", self.side_tasks()
        yield "errors", self.errors
        yield "finally", self.finally_

    def side_tasks(self) -> Sequence[Task]:
        """What tells somebody of the pause neither holds it up nor fails it."""
        return () if self.on_pause is None else (self.on_pause,)

    def resume_inputs(self) -> Sequence[Input]:
        return self.on_resume

    def open(self, view: View) -> Opening:
        """A duration goes before a timeout, as in Kestra."""
        duration, timeout = _duration(view, self.pause_duration), _duration(view, self.timeout)
        if duration is not None:
            return self._paused(duration, _BEHAVIORS[self.behavior])
        if timeout is not None:
            return self._paused(timeout, State.FAILED)
        return self._paused()

    def _paused(self, wake_after: timedelta | None = None, wakes_as: State = State.RUNNING) -> Opening:
        meanwhile = next(iter(enabled(self.side_tasks())), None)
        return Opening(pausing=Pausing(wake_after, wakes_as, meanwhile))

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self.tasks)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self.tasks, ended.position) if ended.branch == "tasks" else ()


def _duration(view: View, template: str | None) -> timedelta | None:
    text = "" if template is None else view.text(template)
    return parse_duration(text) if text.strip() else None
