"""Template: the tasks of a stored template, as if they stood here. Pure: whoever loads the flow hands in its tasks.

Deprecated in Kestra in favour of Subflow.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import PrivateAttr, ValidationInfo, model_validator

from flows.tasks.base import Child, FlowableTask, Next, Opening, Task, TaskFailure, View, in_order

MAX_DEPTH = 10  # templates inside templates


class Template(FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.Template",)
    takes_in_template: ClassVar[bool] = True

    namespace: str
    template_id: str
    tenant_id: str | None = None
    args: dict[str, Any] | None = None

    _tasks: tuple[Task, ...] | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _with_tasks(self, info: ValidationInfo) -> "Template":
        """`template_of` in the context answers with the template's tasks as plain data, None when there is none."""
        context: dict[str, Any] = info.context or {}
        find, depth = context.get("template_of"), context.get("template_depth", 0)
        if find is None:
            return self
        found = find(self.namespace, self.template_id)
        if found is not None:
            if depth >= MAX_DEPTH:
                raise ValueError(f"Templates are nested deeper than {MAX_DEPTH}: {self.template_id}")
            below = {**context, "template_depth": depth + 1}
            self._tasks = tuple(context["build_task"](task, below) for task in found)
        return self

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self._tasks or ()
        yield "errors", self.errors
        yield "finally", self.finally_

    def open(self, view: View) -> Opening:
        if self._tasks is None:
            raise TaskFailure(f"Can't find flow template '{self.namespace}.{self.template_id}'")
        args = view.render(self.args or {})
        return Opening(outputs={"args": dict(args) if isinstance(args, Mapping) else {}})

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self._tasks or ())

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self._tasks or (), ended.position)
