"""The orders that a transition gives; `executor.perform` carries them out in the transaction that saves the state."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.expressions.render import Call

Json = Any


@dataclass(frozen=True, slots=True)
class RunTask:
    """Hand one attempt to a worker: becomes one `worker_jobs` row. `context` holds what the task's templates name."""

    task_run_id: str
    token: str
    task_type: str
    queue: str
    light: bool
    context: dict[str, Json]
    timeout_ms: int | None = None
    fallback: str = "WAIT"  # when nobody serves the queue: WAIT | FAIL | CANCEL


@dataclass(frozen=True, slots=True)
class StopTasks:
    """Tell the workers to end these attempts (kill, timeout, fencing)."""

    task_run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartExecution:
    """Create another execution (Subflow, ForEachItem). Answered by SubflowStarted within the same handling."""

    execution_id: str
    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: dict[str, Json] = field(default_factory=dict)
    labels: list[dict[str, str]] = field(default_factory=list)
    trigger: dict[str, Json] | None = None
    # {"executionId", "taskRunId", "token", "iteration", "wait", "outputs": templates or None}: kept in the child.
    parent_task_run: dict[str, Json] | None = None
    iteration: int | None = None
    schedule_date: datetime | None = None
    variables: dict[str, Json] = field(default_factory=dict)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class CopyExecution:
    """Store an execution built by the transition itself (replay, retry as a new execution)."""

    execution: Any  # executions.state.Execution; untyped to keep this file free of the aggregate


@dataclass(frozen=True, slots=True)
class RestartExecution:
    """Restart a failed child whose Subflow is being restarted."""

    execution_id: str
    parent_task_run: dict[str, Json] = field(default_factory=dict)  # replaces the child's: it has a new token


@dataclass(frozen=True, slots=True)
class KillChildren:
    """Kill every live execution that this one started, in cascade."""


@dataclass(frozen=True, slots=True)
class WakeAt:
    """A timer: at `date` the execution gets TimerFired(kind, key). One timer per (execution, kind, key); a later one replaces."""

    date: datetime
    kind: str
    key: str = ""
    variables: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TellParent:
    """The execution ended and a Subflow of another one waits for it."""

    parent_execution_id: str
    task_run_id: str
    token: str
    child_id: str
    state: str
    outputs: dict[str, Json] | None
    error: str | None = None
    iteration: int | None = None


@dataclass(frozen=True, slots=True)
class WriteLog:
    """A log line of the engine itself, shown with the execution's logs. `level` is TRACE..ERROR."""

    level: str
    message: str
    date: datetime
    task_run_id: str | None = None
    task_id: str | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class AcquireSlot:
    """Ask for a slot of the flow's concurrency limit; the answer comes back within the same handling (see advance)."""

    limit: int
    behavior: str  # QUEUE | CANCEL | FAIL


@dataclass(frozen=True, slots=True)
class ReleaseSlot:
    """The execution holds its slot no longer; the oldest QUEUED one of the flow is granted it."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The execution's state changed: flow triggers listen, followers are told."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """The transition cannot go on before these are answered (I/O). The executor answers outside the transaction and calls again."""

    calls: tuple[Call, ...]


Effect = (
    RunTask
    | StopTasks
    | StartExecution
    | CopyExecution
    | RestartExecution
    | KillChildren
    | WakeAt
    | TellParent
    | WriteLog
    | AcquireSlot
    | ReleaseSlot
    | StateChanged
)


@dataclass(slots=True)
class Step:
    """What one call of `advance` decided. With `resolve` set, nothing else counts and the aggregate must be loaded anew."""

    effects: list[Effect] = field(default_factory=list)
    resolve: Resolve | None = None
    ended: bool = False  # the execution reached its end in this step (all task runs too)
    dropped: list[str] = field(default_factory=list)  # messages that came late or twice, for the log
