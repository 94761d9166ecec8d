"""Switch: the case that its value names, else `defaults`; with neither it fails. Pure."""

from collections.abc import Iterator, Sequence
from typing import Self

from pydantic import model_validator

from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Opening, Task, TaskFailure, View, in_order


class Switch(FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.Switch",)
    relation = "CHOICE"

    value: str
    cases: dict[str, tuple[AnyTask, ...]] | None = None
    defaults: tuple[AnyTask, ...] | None = None

    @model_validator(mode="after")
    def _has_tasks(self) -> Self:
        if not any((self.cases or {}).values()) and not self.defaults:
            raise ValueError("No task defined, neither cases or default have any tasks")
        return self

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        for name, tasks in (self.cases or {}).items():
            yield f"cases.{name}", tasks
        yield "defaults", self.defaults or ()
        yield "errors", self.errors
        yield "finally", self.finally_

    def open(self, view: View) -> Opening:
        value = view.text(self.value)
        found = value in (self.cases or {})
        if not found and not self.defaults:
            raise TaskFailure(f"Switch has no case for the value `{value}` and no defaults")
        return Opening(outputs={"value": value, "defaults": not found})

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self._chosen(view))

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self._chosen(view), ended.position)

    def _chosen(self, view: View) -> Sequence[Task]:
        case = (self.cases or {}).get(str(view.outputs.get("value")))
        return case if case is not None else self.defaults or ()
