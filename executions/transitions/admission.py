"""Whether an execution may run now: its date, its flow's concurrency slot, and what a user did to it by hand."""

from executions.transitions import ending, sla
from executions.transitions.effects import AcquireSlot, ReleaseSlot, WakeAt
from executions.transitions.turn import Turn, moment
from flows.definition.states import State

TIMER = "start"
# What the execution has of its flow's concurrency limit: a slot, or a place in the queue for one.
HELD, QUEUED = "held", "queued"
_WAITING = (State.CREATED, State.RESTARTED, State.QUEUED)
_GOING = (State.RUNNING, State.RETRYING)


def created(turn: Turn) -> bool:
    """A new execution, or a copy that goes on. True when it runs."""
    execution = turn.execution
    if execution.state in (State.CREATED, State.RESTARTED):
        return begin(turn)
    if execution.state.is_terminal and execution.memory.get("closing"):
        turn.log("ERROR", execution.error or "The execution has failed before it began")
        changed(turn)
    return False


def begin(turn: Turn) -> bool:
    """CREATED or RESTARTED: run, unless it waits for its date or for a slot. True when it runs."""
    execution = turn.execution
    if execution.state is State.CREATED and execution.schedule_date and execution.schedule_date > turn.now:
        turn.emit(WakeAt(execution.schedule_date, TIMER))
        return False
    limit = turn.flow.concurrency
    if limit is not None and execution.memory.get("slot") != HELD:
        turn.emit(AcquireSlot(limit.limit, limit.behavior))
        return False
    return run(turn)


def run(turn: Turn, date: str = "") -> bool:
    if not turn.execution.runs:
        sla.watch(turn)
    turn.move(State.RUNNING, moment(date) if date else None)
    sla.check(turn)  # nothing is started that an assertion forbids from the beginning
    return turn.execution.state is State.RUNNING


def granted(turn: Turn, date: str) -> bool:
    """The slot is ours since `date`: grants that several executors take up are so told in the order of the queue.

    An execution that needs none any more gives it back."""
    if turn.execution.state.is_terminal or turn.flow.concurrency is None:
        turn.emit(ReleaseSlot())
        return False
    turn.remember("slot", HELD)
    return turn.execution.state in _WAITING and run(turn, date)


def refused(turn: Turn, behavior: str, date: str) -> None:
    if turn.execution.state not in _WAITING:
        return
    if behavior == "QUEUE":
        turn.remember("slot", QUEUED)
        turn.move(State.QUEUED, moment(date) if date else None)
        return
    if behavior == "FAIL":
        turn.execution.error = "Execution is FAILED due to concurrency limit exceeded"
        turn.log("ERROR", turn.execution.error)
    if behavior == "CANCEL":
        turn.log("WARN", "Execution is CANCELLED due to concurrency limit exceeded")
    ending.close(turn, State.CANCELLED if behavior == "CANCEL" else State.FAILED)


def changed(turn: Turn) -> bool:
    """A user's action was applied to the execution's state: do what follows from it. True when it runs (on)."""
    execution = turn.execution
    if execution.state in (State.RESTARTED, State.CREATED):
        return begin(turn)
    if execution.state.is_terminal and execution.memory.get("closing"):
        turn.remember("closing", None)
        ending.closed(turn)
        return False
    return execution.state in _GOING
