"""Parallel: its tasks side by side, at most `concurrent` at a time (0: all at once). Pure."""

from collections.abc import Sequence

from pydantic import Field

from flows.tasks.base import Child, Next, View, enabled
from flows.tasks.flow.sequential import TaskList


class Parallel(TaskList):
    aliases = ("io.kestra.core.tasks.flows.Parallel",)
    relation = "PARALLEL"

    concurrent: int = Field(default=0, ge=0)

    def first(self, view: View) -> Sequence[Next]:
        tasks = enabled(self.tasks)
        return [Next(task) for task in (tasks[: self.concurrent] if self.concurrent else tasks)]

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        if not self.concurrent:
            return ()
        free = self.concurrent - view.children.open()
        missing = (task for task in self.tasks if not task.disabled and view.children.of(task.id) is None)
        return [Next(task) for task, _ in zip(missing, range(free), strict=False)]

    def comes_after(self, run: Child, other: Child) -> bool:
        return False
