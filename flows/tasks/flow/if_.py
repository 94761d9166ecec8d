"""If: `then` when its condition is true, else `else`. The condition is decided once. Pure."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from flows.expressions.render import is_truthy
from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Opening, Task, View, in_order


class If(FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.If",)
    relation = "CHOICE"

    condition: str
    then: tuple[AnyTask, ...] = Field(min_length=1)
    else_: tuple[AnyTask, ...] | None = Field(default=None, alias="else")

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "then", self.then
        yield "else", self.else_ or ()
        yield "errors", self.errors
        yield "finally", self.finally_

    def open(self, view: View) -> Opening:
        return Opening(outputs={"evaluationResult": is_truthy(view.text(self.condition))})

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self._chosen(view))

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self._chosen(view), ended.position)

    def _chosen(self, view: View) -> Sequence[Task]:
        return self.then if view.outputs.get("evaluationResult") else self.else_ or ()
