"""Every work message of the `queues` table and its JSON form. Messages state facts; they carry ids and deltas."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from flows.definition.states import State

Json = Any


@dataclass(frozen=True, slots=True)
class ExecutionCreated:
    """A new execution row was committed with this message."""

    type: ClassVar[str] = "execution.created"


@dataclass(frozen=True, slots=True)
class ExecutionChanged:
    """A user's action (resume, restart, kill, set state, ...) was applied to the rows; go on from there."""

    type: ClassVar[str] = "execution.changed"
    action: str = ""


@dataclass(frozen=True, slots=True)
class ActionAsked:
    """Another execution asks for an action: the executor applies `control.<action>` first, then ExecutionChanged."""

    type: ClassVar[str] = "execution.asked"
    action: str = ""  # kill | restart
    parent_task_run: dict[str, Json] | None = None  # restart: replaces the child's


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """Sent only for attempts that outlive about 50 ms: short ones tell their start in the result. Sent again when
    something new is to be told of its `children`."""

    type: ClassVar[str] = "task.started"
    task_run_id: str = ""
    token: str = ""
    date: str = ""  # ISO-8601 UTC
    worker: str = ""
    # Task runs that the task has made itself so far, or that have ended since; told again by TaskFinished.
    children: list[dict[str, Json]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A worker's (or the recovery loop's) report of one attempt."""

    type: ClassVar[str] = "task.finished"
    task_run_id: str = ""
    token: str = ""
    state: str = State.SUCCESS.value
    started: str | None = None  # ISO-8601 UTC
    ended: str | None = None
    worker: str | None = None
    outputs: dict[str, Json] | None = None
    outputs_ref: int | None = None
    error: str | None = None
    lost: bool = False  # the worker died: ended by the recovery loop
    log_file: str | None = None  # address of the attempt's log, of a task with `logToFile`
    # Task runs that the task made itself (WorkingDirectory children, Template): dicts of TaskRun fields.
    children: list[dict[str, Json]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SubflowStarted:
    """A started execution was created, or why it could not be (`error`)."""

    type: ClassVar[str] = "subflow.started"
    task_run_id: str = ""
    token: str = ""
    child_id: str = ""
    error: str | None = None
    iteration: int | None = None
    namespace: str = ""
    flow_id: str = ""


@dataclass(frozen=True, slots=True)
class SubflowEnded:
    """A child execution reached a terminal state."""

    type: ClassVar[str] = "subflow.ended"
    task_run_id: str = ""
    token: str = ""
    child_id: str = ""
    state: str = State.SUCCESS.value
    outputs: dict[str, Json] | None = None
    error: str | None = None  # why the outputs asked for could not be rendered
    iteration: int | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A row of `timers` fell due. `kind` and `key` are those of the WakeAt effect."""

    type: ClassVar[str] = "timer.fired"
    kind: str = ""
    key: str = ""
    variables: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SlotGranted:
    """The flow's concurrency limit has room: a QUEUED execution may run, from the moment of the grant on."""

    type: ClassVar[str] = "slot.granted"
    date: str = ""  # ISO-8601; later than that of every grant before


@dataclass(frozen=True, slots=True)
class SlotRefused:
    """The flow's concurrency limit is reached: the execution waits or ends by the limit's behavior."""

    type: ClassVar[str] = "slot.refused"
    behavior: str = "QUEUE"  # QUEUE | CANCEL | FAIL
    date: str = ""  # as that of a grant


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Handling this execution's messages failed for good; `reason` goes into its error."""

    type: ClassVar[str] = "execution.poisoned"
    reason: str = ""


Message = (
    ExecutionCreated
    | ExecutionChanged
    | ActionAsked
    | TaskStarted
    | TaskFinished
    | SubflowStarted
    | SubflowEnded
    | TimerFired
    | SlotGranted
    | SlotRefused
    | Poisoned
)
_TYPES: dict[str, Any] = {
    cls.type: cls
    for cls in (
        ExecutionCreated,
        ExecutionChanged,
        ActionAsked,
        TaskStarted,
        TaskFinished,
        SubflowStarted,
        SubflowEnded,
        TimerFired,
        SlotGranted,
        SlotRefused,
        Poisoned,
    )
}


class UnknownMessage(ValueError):
    """A stored message that this version cannot read: it is parked, never dropped."""


def from_json(type_name: str, body: dict[str, Json]) -> Message:
    """Raises UnknownMessage. Unknown fields are refused, missing ones take their defaults."""
    cls = _TYPES.get(type_name)
    if cls is None:
        raise UnknownMessage(f"unknown message type {type_name!r}")
    try:
        message: Message = cls(**body)
    except TypeError as error:
        raise UnknownMessage(f"{type_name}: {error}") from error
    return message


def to_json(message: Message) -> dict[str, Json]:
    return {name: getattr(message, name) for name in message.__slots__ if getattr(message, name) is not None}


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
