"""Stopping an execution on its way: everything below is told, and it ends when all of it has ended or 10 s have passed."""

from datetime import timedelta

from executions.state import TaskRun
from executions.transitions import ending
from executions.transitions.effects import KillChildren, StopTasks, WakeAt
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.tasks.base import RunnableTask

TIMER = "kill"
GRACE = timedelta(seconds=10)


def begin(turn: Turn, target: State) -> None:
    """Stop it for a reason of its own (an SLA, Exit): it ends as `target`."""
    if turn.execution.state.is_terminal or turn.execution.state is State.KILLING:
        return
    turn.remember("target", target.value)
    turn.move(State.KILLING)


def proceed(turn: Turn) -> None:
    """KILLING: tell everything once, then end what has nothing open below, up to the execution."""
    turn.drop_todo()
    if "killing" not in turn.execution.memory:
        turn.remember("killing", True)
        _tell(turn)
    _end_when_quiet(turn)


def fence(turn: Turn) -> None:
    """The time is over: whatever still runs is no longer listened to."""
    if turn.execution.state is not State.KILLING:
        return
    for run in reversed(list(turn.execution.runs.values())):
        if not run.state.is_terminal:
            close_run(turn, run, State.KILLED)


def close_run(turn: Turn, run: TaskRun, state: State) -> None:
    """End a run and its attempt without waiting for anybody: later reports of it are refused."""
    if run.attempts and not run.attempts[-1].state.is_terminal:
        run.attempts[-1].move(state, turn.now)
    turn.move_run(run, state)


def _tell(turn: Turn) -> None:
    stopped = []
    # Children have come after their parents: from the last to the first, each is decided below its parent.
    for run in reversed(list(turn.execution.runs.values())):
        if run.state.is_terminal:
            continue
        if run.attempts and not run.attempts[-1].state.is_terminal:
            turn.move_run(run, State.KILLING)
            place = turn.place(run)
            if place is not None and isinstance(place.task, RunnableTask):
                stopped.append(run.id)
        elif turn.execution.open_children.get(run.id, 0):
            turn.move_run(run, State.KILLING)
        else:
            turn.move_run(run, State.KILLED)
    if stopped:
        turn.emit(StopTasks(tuple(stopped)))
    if turn.execution.memory.get("cascade", True):
        turn.emit(KillChildren())
    turn.emit(WakeAt(turn.now + GRACE, TIMER))


def _end_when_quiet(turn: Turn) -> None:
    execution = turn.execution
    for parent_id in dict.fromkeys(turn.ended_under):
        while parent_id is not None and not execution.open_children.get(parent_id, 0):
            parent = execution.runs[parent_id]
            if not parent.state.is_terminal:
                turn.move_run(parent, State.KILLED)
            parent_id = parent.parent_id
    turn.ended_under.clear()
    if not execution.open_children.get(None, 0):
        target = State(execution.memory.get("target", State.KILLED.value))
        ending.close(turn, target)
