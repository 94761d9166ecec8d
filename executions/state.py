"""What has happened in one execution: plain values and the aggregate that only `transitions` changes. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.definition.states import EXECUTION_MOVES, TASK_RUN_MOVES, IllegalMove, State

Json = Any
History = tuple[State, datetime]


@dataclass(slots=True)
class Attempt:
    """One try of a runnable task. `token` names it everywhere; only its holder may end it."""

    token: str
    state: State
    histories: list[History]
    worker: str | None = None
    lost: bool = False  # ended because its worker died: not counted as a try of `retry`
    log_file: str | None = None

    def move(self, state: State, at: datetime) -> None:
        """`at` may be a worker's clock."""
        _move(self, state, at)


@dataclass(slots=True)
class TaskRun:
    """One run of one task. `value` is the ForEach item as text; `iteration` counts from 0."""

    id: str
    task_id: str
    state: State
    histories: list[History]
    parent_id: str | None = None
    value: str | None = None
    iteration: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    outputs: dict[str, Json] | None = None
    outputs_ref: int | None = None  # id in `payloads` when the outputs are too large to keep at hand
    dynamic: bool = False
    seq: int = 0  # order of creation inside the execution, from 1
    # Private memory of a flowable (values of a ForEach, chosen branch, counters of a LoopUntil): JSON, never shown.
    memory: dict[str, Json] = field(default_factory=dict)

    def move(self, state: State, now: datetime) -> None:
        """Same state is a no-op. Raises IllegalMove."""
        if state is self.state:
            return
        if state not in TASK_RUN_MOVES[self.state]:
            raise IllegalMove(f"task run {self.task_id} ({self.id})", self.state, state)
        _move(self, state, now)


@dataclass(slots=True)
class Execution:
    """The aggregate. Every change of a task run must be told by `touch`, so that only changed rows are written."""

    id: str
    namespace: str
    flow_id: str
    flow_revision: int
    state: State
    histories: list[History]
    version: int = 0  # bumped by the store at each save
    inputs: dict[str, Json] = field(default_factory=dict)
    labels: list[dict[str, str]] = field(default_factory=list)  # [{"key","value"}] in order
    variables: dict[str, Json] = field(default_factory=dict)
    outputs: dict[str, Json] | None = None
    trigger: dict[str, Json] | None = None  # {"id","type","variables"}
    parent_id: str | None = None  # the execution this one was replayed from
    original_id: str = ""
    parent_task_run: dict[str, Json] | None = None  # {"executionId","taskRunId"}: the Subflow that waits for this one
    depth: int = 0  # length of the chain of executions that started each other
    schedule_date: datetime | None = None
    attempt_number: int = 1
    original_created: datetime | None = None
    kind: str = "NORMAL"
    deleted: bool = False
    error: str | None = None  # why it failed, when no task run tells
    # Engine's own memory (retry dates, flags): JSON, never shown.
    memory: dict[str, Json] = field(default_factory=dict)

    runs: dict[str, TaskRun] = field(default_factory=dict)  # in creation order
    by_parent: dict[str | None, list[str]] = field(default_factory=dict)
    # task id -> value -> run ids
    by_task: dict[str, dict[str | None, list[str]]] = field(default_factory=dict)
    # (parent, task, value) -> the latest run there
    by_place: dict[tuple[str | None, str, str | None], str] = field(default_factory=dict)
    open_children: dict[str | None, int] = field(default_factory=dict)  # runs not terminal, by parent
    tally: dict[str | None, dict[State, int]] = field(default_factory=dict)  # runs by parent and state
    task_counts: dict[tuple[str | None, str], int] = field(default_factory=dict)  # runs by parent and task
    next_seq: int = 1
    start_size: int | None = None  # characters of inputs and trigger, which never change: measured once, by the cache
    # Since the last save:
    changed: bool = False
    touched: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def move(self, state: State, now: datetime) -> None:
        """Same state is a no-op. Raises IllegalMove."""
        if state is self.state:
            return
        if state not in EXECUTION_MOVES[self.state]:
            raise IllegalMove(f"execution {self.id}", self.state, state)
        _move(self, state, now)
        self.changed = True

    def add(self, run: TaskRun) -> TaskRun:
        """Index a run; a loaded one keeps its `seq`, a new one (seq 0) gets the next. A known id is replaced in place."""
        if run.id in self.runs:
            self._count(run.parent_id, self.runs[run.id].state, -1)
            self._count(run.parent_id, run.state, 1)
            self.runs[run.id] = run
            return run
        if run.seq == 0:
            run.seq = self.next_seq
            self.touched.add(run.id)
        self.next_seq = max(self.next_seq, run.seq + 1)
        self.runs[run.id] = run
        self.by_parent.setdefault(run.parent_id, []).append(run.id)
        self.by_task.setdefault(run.task_id, {}).setdefault(run.value, []).append(run.id)
        self.by_place[run.parent_id, run.task_id, run.value] = run.id
        place = (run.parent_id, run.task_id)
        self.task_counts[place] = self.task_counts.get(place, 0) + 1
        self._count(run.parent_id, run.state, 1)
        return run

    def move_run(self, run: TaskRun, state: State, now: datetime) -> None:
        """Move a run and keep the counters by which joins are decided in O(1)."""
        before = run.state
        run.move(state, now)
        self.touched.add(run.id)
        self._count(run.parent_id, before, -1)
        self._count(run.parent_id, state, 1)

    def touch(self, run: TaskRun) -> None:
        self.touched.add(run.id)

    def remove(self, run: TaskRun) -> None:
        """Take out a run (not the runs below it)."""
        self._forget(run)
        for index in (self.by_parent, self.open_children, self.tally):
            index.pop(run.id, None)  # what goes on for days must not keep a place for each run it ever had
        del self.runs[run.id]
        self.touched.discard(run.id)
        self.removed.add(run.id)

    def _forget(self, run: TaskRun) -> None:
        self.by_parent[run.parent_id].remove(run.id)
        same_task = self.by_task[run.task_id]
        same_task[run.value].remove(run.id)
        if not same_task[run.value]:
            del same_task[run.value]
        if not same_task:
            del self.by_task[run.task_id]
        place = (run.parent_id, run.task_id, run.value)
        if self.by_place.get(place) == run.id:
            del self.by_place[place]
        self.task_counts[run.parent_id, run.task_id] -= 1
        if not self.task_counts[run.parent_id, run.task_id]:
            del self.task_counts[run.parent_id, run.task_id]
        self._count(run.parent_id, run.state, -1)

    def _count(self, parent_id: str | None, state: State, change: int) -> None:
        states = self.tally.setdefault(parent_id, {})
        states[state] = states.get(state, 0) + change
        if not state.is_terminal:
            self.open_children[parent_id] = self.open_children.get(parent_id, 0) + change

    def at(self, parent_id: str | None, task_id: str, value: str | None = None) -> TaskRun | None:
        """The latest run of this task and value under this parent."""
        run_id = self.by_place.get((parent_id, task_id, value))
        return None if run_id is None else self.runs[run_id]

    def children(self, parent_id: str | None) -> Iterator[TaskRun]:
        for run_id in self.by_parent.get(parent_id, ()):
            yield self.runs[run_id]

    def ancestors(self, run: TaskRun) -> Iterator[TaskRun]:
        """Nearest first."""
        while run.parent_id is not None:
            run = self.runs[run.parent_id]
            yield run

    @property
    def start_date(self) -> datetime:
        return self.histories[0][1]


def _move(one: Attempt | TaskRun | Execution, state: State, at: datetime) -> None:
    """Whose clock a moment comes from (another host's, a worker's, one that was set back): histories go forward."""
    one.state = state
    one.histories.append((state, max(at, one.histories[-1][1])))
