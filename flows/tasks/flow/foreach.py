"""ForEach: its tasks once per value, the values one after the other or some at a time. Pure."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from flows.tasks.base import Child, Next, Opening, View, in_order
from flows.tasks.flow.sequential import TaskList
from flows.tasks.flow.values import loop_values


class ValueLoop(TaskList):
    """Chains of tasks, one chain per value. The values are remembered once; how far it is, the runs tell."""

    relation = "DYNAMIC"

    def loop_values(self, view: View) -> list[str]:
        raise NotImplementedError

    def limit(self) -> int:
        """How many values at a time; 0: all."""
        return 1

    def open(self, view: View) -> Opening:
        return Opening(memory={"values": self.loop_values(view)})

    def first(self, view: View) -> Sequence[Next]:
        values = view.memory["values"]
        wanted = len(values) if self.limit() == 0 else min(self.limit(), len(values))
        return [item for index in range(wanted) for item in self._start(values, index)]

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        further = in_order(self.tasks, ended.position, ended.value, ended.iteration)
        if further or self.limit() == 0:
            return further
        values = view.memory["values"]
        if self.limit() == 1:
            return self._start(values, (ended.iteration or 0) + 1)
        return self._start(values, self._next_index(view, values))

    def comes_after(self, run: Child, other: Child) -> bool:
        if self.limit() == 1:
            return super().comes_after(run, other)
        return run.value == other.value and run.position > other.position

    def _start(self, values: Sequence[str], index: int) -> Sequence[Next]:
        return in_order(self.tasks, -1, values[index], index) if index < len(values) else ()

    def _next_index(self, view: View, values: Sequence[str]) -> int:
        """The first value that was not begun: begun ones form a prefix, but for a replay in their middle."""
        head = next((task.id for task in self.tasks if not task.disabled), None)
        if head is None:
            return len(values)
        begun = view.children.count_of(head)
        if begun >= len(values) or view.children.of(head, values[begun]) is None:
            return begun
        return next((i for i, value in enumerate(values) if view.children.of(head, value) is None), len(values))


class ForEach(ValueLoop):
    values: Any
    concurrency_limit: int = Field(default=1, ge=0)

    def loop_values(self, view: View) -> list[str]:
        return loop_values(self.values, view.render)

    def limit(self) -> int:
        return self.concurrency_limit
