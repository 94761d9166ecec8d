"""Sequential: its tasks one after the other. Also the shape of what other flowables do with a list. Pure."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Task, View, in_order


class TaskList(FlowableTask):
    """A flowable with one list of `tasks`, run one after the other unless it says otherwise."""

    tasks: tuple[AnyTask, ...] = Field(default=(), min_length=1)

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.tasks
        yield "errors", self.errors
        yield "finally", self.finally_

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self.tasks)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self.tasks, ended.position)


class Sequential(TaskList):
    aliases = ("io.kestra.core.tasks.flows.Sequential",)
