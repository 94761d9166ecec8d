"""One call of `advance`: what it may read and the only ways by which it changes the execution. Decides nothing."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executions.state import Execution, TaskRun
from executions.transitions.effects import Effect, StateChanged, Step, WriteLog
from executions.transitions.outputs import VARIABLES, ExecutionScope, outputs_of_run, variables_above
from flows.definition.model import Flow, TaskPlace
from flows.definition.states import State
from flows.expressions.render import UNDEFINED, Services, render, render_value
from flows.expressions.taint import mask
from flows.tasks.base import Child, Next, Task, View

Json = Any


class UnknownTask(Exception):
    """A task run whose task the flow's revision does not have."""


@dataclass(slots=True)
class Turn:
    flow: Flow
    execution: Execution
    now: datetime
    new_id: Callable[[], str]
    services: Services
    step: Step = field(default_factory=Step)
    # Runs to start and ended runs to follow up, in order; `waiting` counts them by parent.
    todo: deque[TaskRun] = field(default_factory=deque)
    waiting: Counter[str | None] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    postponed: set[str] = field(default_factory=set)
    ended_under: list[str | None] = field(default_factory=list)  # parents of runs whose follow-up was dropped
    walking: bool = False  # the whole tree is walked through anew: open runs are looked at too

    def create(self, wanted: Next, parent_id: str | None) -> TaskRun:
        run = TaskRun(
            id=self.new_id(),
            task_id=wanted.task.id,
            state=State.CREATED,
            histories=[(State.CREATED, self.now)],
            parent_id=parent_id,
            value=wanted.value,
            iteration=wanted.iteration,
            memory={} if wanted.variables is None else {VARIABLES: dict(wanted.variables)},
        )
        self.push(self.execution.add(run))
        return run

    def drop_todo(self) -> None:
        """Nothing goes on for now: what has been joined is found again when the tree is walked through."""
        self.ended_under.extend(run.parent_id for run in self.todo)
        self.todo.clear()
        self.waiting.clear()

    def emit(self, effect: Effect) -> None:
        self.step.effects.append(effect)

    def push(self, run: TaskRun) -> None:
        """Have the run started, or its end followed up, later in this turn."""
        self.seen.add(run.id)
        self.waiting[run.parent_id] += 1
        self.todo.append(run)

    def postpone(self, run: TaskRun) -> bool:
        """Let all begin that is to begin at the same moment; False when there is nothing of the kind left."""
        self.postponed.add(run.id)
        if all(other.id in self.postponed for other in self.todo):
            return False
        self.push(run)
        return True

    def pop(self) -> TaskRun | None:
        if not self.todo:
            return None
        run = self.todo.popleft()
        self.waiting[run.parent_id] -= 1
        return run

    def move(self, state: State, at: datetime | None = None) -> None:
        """`at` is a moment told from elsewhere."""
        self.execution.move(state, self.now if at is None else at)

    def move_run(self, run: TaskRun, state: State, at: datetime | None = None) -> None:
        """`at` is a worker's clock."""
        self.execution.move_run(run, state, self.now if at is None else at)

    def announce(self) -> None:
        """Tell every state that the execution took since it was last told, by whomever it was set."""
        histories = self.execution.histories
        told = self.execution.memory.get("announced", 1)
        if told == len(histories):
            return
        for index in range(told, len(histories)):
            self.emit(StateChanged(before=histories[index - 1][0], after=histories[index][0]))
        self.remember("announced", len(histories))

    def remember(self, key: str, value: Json) -> None:
        self.execution.memory[key] = value
        self.execution.changed = True

    def log(self, level: str, message: str, run: TaskRun | None = None) -> None:
        attempt = 0 if run is None else max(len(run.attempts) - 1, 0)
        self.emit(
            WriteLog(
                level=level,
                message=mask(message),
                date=self.now,
                task_run_id=None if run is None else run.id,
                task_id=None if run is None else run.task_id,
                attempt=attempt,
            )
        )

    def place(self, run: TaskRun) -> TaskPlace | None:
        return self.flow.task_index.get(run.task_id)

    def task(self, run: TaskRun) -> Task:
        """Raises UnknownTask."""
        place = self.flow.task_index.get(run.task_id)
        if place is None:
            raise UnknownTask(f"revision {self.flow.revision} of the flow has no task `{run.task_id}`")
        return place.task

    def scope(self, run: TaskRun | None, extra: Mapping[str, Json] | None = None) -> ExecutionScope:
        outside: Mapping[str, Json] = getattr(self.services, "variables", {})
        return ExecutionScope(self.flow, self.execution, run, {**outside, **(extra or {})}, self.services.call)

    def render(self, value: Json, run: TaskRun | None, extra: Mapping[str, Json] | None = None) -> Json:
        """Deep; a template that is a single expression keeps its type. Raises ExpressionError, NeedsResolve."""
        return render_value(value, self.scope(run, extra), self.services, typed=True)

    def text(self, template: str, run: TaskRun | None, extra: Mapping[str, Json] | None = None) -> str:
        return render(template, self.scope(run, extra), self.services)

    def view(self, run: TaskRun) -> View:
        return View(
            children=RunsBelow(self, run.id),
            siblings=RunsBelow(self, run.parent_id),
            memory=run.memory,
            outputs=run.outputs or {},
            variables=variables_above(self.execution, run),
            elapsed=self.now - run.histories[0][1],
            render=lambda value, extra=None: self.render(value, run, extra),
            text=lambda template, extra=None: self.text(template, run, extra),
        )

    def child(self, run: TaskRun) -> Child:
        return child_of(self.flow, run)


@dataclass(frozen=True, slots=True)
class RunsBelow:
    """The runs of one level (flows.tasks.base.Children), answered from the execution's indexes."""

    turn: Turn
    parent_id: str | None

    def open(self) -> int:
        return self.turn.execution.open_children.get(self.parent_id, 0)

    def count_of(self, task_id: str) -> int:
        return self.turn.execution.task_counts.get((self.parent_id, task_id), 0)

    def of(self, task_id: str, value: str | None = None) -> Child | None:
        run = self.turn.execution.at(self.parent_id, task_id, value)
        return None if run is None else self.turn.child(run)

    def outputs_of(self, task_id: str) -> Mapping[str | None, Json]:
        runs = (run for run in self.turn.execution.children(self.parent_id) if run.task_id == task_id)
        found = {run.value: outputs_of_run(run, self.turn.services.call) for run in runs}
        return {value: outputs for value, outputs in found.items() if outputs is not UNDEFINED}


def child_of(flow: Flow, run: TaskRun) -> Child:
    """A run as the task above it sees it."""
    place = flow.task_index.get(run.task_id)
    return Child(
        task_id=run.task_id,
        branch="tasks" if place is None else place.branch,
        position=0 if place is None else place.position,
        value=run.value,
        iteration=run.iteration,
        state=run.state,
    )


def histories_of(entries: Sequence[Sequence[Json]]) -> list[tuple[State, datetime]]:
    """State histories as JSON has them."""
    return [(State(state), moment(date)) for state, date in entries]


def moment(text: str | datetime) -> datetime:
    """A date of a message."""
    return text if isinstance(text, datetime) else datetime.fromisoformat(text.replace("Z", "+00:00"))
