"""Dag: tasks that start when all they depend on have ended, at most `concurrent` at a time (0: no limit). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from flows.definition.strict import Strict
from flows.tasks.base import AnyTask, Child, FlowableTask, Next, Task, View, enabled


class DagTask(Strict):
    task: AnyTask
    depends_on: tuple[str, ...] | None = None


class Dag(FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.Dag",)
    relation = "DYNAMIC"

    tasks: tuple[DagTask, ...] = Field(min_length=1)
    concurrent: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_acyclic(self) -> Self:
        known = {item.task.id for item in self.tasks}
        missing = [name for item in self.tasks for name in item.depends_on or () if name not in known]
        if missing:
            raise ValueError(f"Not existing task id in dependency: {', '.join(dict.fromkeys(missing))}")
        cyclic = [item.task.id for item in self.tasks if item.task.id in self._needs(item.task.id)]
        if cyclic:
            raise ValueError(f"Cyclic dependency detected: {', '.join(cyclic)}")
        return self

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", tuple(item.task for item in self.tasks)
        yield "errors", self.errors
        yield "finally", self.finally_

    def dependencies(self) -> Mapping[str, Sequence[str]]:
        return {item.task.id: item.depends_on or () for item in self.tasks}

    def first(self, view: View) -> Sequence[Next]:
        return self._ready(view, self._enabled)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        # With a limit, any task may have waited for the place that became free.
        return self._ready(view, self._enabled if self.concurrent else self._dependents.get(ended.task_id, ()))

    def comes_after(self, run: Child, other: Child) -> bool:
        return other.task_id in self._needs(run.task_id)

    def _ready(self, view: View, candidates: Sequence[Task]) -> Sequence[Next]:
        """Those not begun whose dependencies have ended, in whatever state (Kestra's resolveDagNexts)."""
        ready = [task for task in candidates if view.children.of(task.id) is None and self._may_start(view, task)]
        if self.concurrent:
            ready = ready[: max(self.concurrent - view.children.open(), 0)]
        return [Next(task) for task in ready]

    def _may_start(self, view: View, task: Task) -> bool:
        runs = (view.children.of(name) for name in self._dependencies[task.id])
        return all(run is not None and run.state.is_terminal for run in runs)

    @cached_property
    def _enabled(self) -> tuple[Task, ...]:
        return enabled([item.task for item in self.tasks])

    @cached_property
    def _dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """Of each task; nobody waits for a disabled one."""
        running = {task.id for task in self._enabled}
        return {item.task.id: tuple(name for name in item.depends_on or () if name in running) for item in self.tasks}

    @cached_property
    def _dependents(self) -> Mapping[str, list[Task]]:
        found: dict[str, list[Task]] = {}
        for task in self._enabled:
            for name in self._dependencies[task.id]:
                found.setdefault(name, []).append(task)
        return found

    def _needs(self, task_id: str) -> set[str]:
        """All that a task depends on, directly or not."""
        direct = {item.task.id: item.depends_on or () for item in self.tasks}
        waiting, seen = list(direct.get(task_id, ())), set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(direct.get(name, ()))
        return seen
