"""Waiting for a user or a date: a Pause's run and the execution with it go PAUSED, and come back by way of RESTARTED."""

from datetime import datetime

from executions.state import TaskRun
from executions.transitions.conclude import allowed
from executions.transitions.effects import WakeAt
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.tasks.base import Next, Pausing

TIMER = "pause"


def pause(turn: Turn, run: TaskRun, pausing: Pausing) -> None:
    turn.move_run(run, State.PAUSED)
    run.memory["wakes_as"] = pausing.wakes_as.value
    turn.execution.touch(run)
    # What runs after the end (afterExecution) cannot pause an execution that is over.
    if not turn.execution.state.is_terminal:
        turn.move(State.PAUSED)
    if pausing.wake_after is not None:
        turn.emit(WakeAt(turn.now + pausing.wake_after, TIMER, run.id))
    if pausing.meanwhile is not None:
        turn.create(Next(pausing.meanwhile), run.id)


def wake(turn: Turn, run: TaskRun) -> bool:
    """The pause's time is over. True when the execution goes on."""
    if run.state is not State.PAUSED:
        return False
    state = State(run.memory.pop("wakes_as", State.RUNNING.value))
    if state is not State.RUNNING:
        turn.log("WARN", f"Nobody has resumed it in time: the pause ends as {state}", run)
        state = allowed(turn.task(run), state)
    turn.move_run(run, state)
    note_end(run, state, turn.now)
    if turn.execution.state is not State.PAUSED:
        turn.push(run)
        return False
    if has_paused_runs(turn):
        return False
    turn.move(State.RESTARTED)
    return True


def note_end(run: TaskRun, state: State, now: datetime, by: str | None = None) -> None:
    """The output that tells when the pause ended, as what, and by whom if it was somebody."""
    told = {"on": now.isoformat().replace("+00:00", "Z"), "to": state.value}
    run.outputs = {**(run.outputs or {}), "resumed": told if by is None else {"by": by, **told}}


def has_paused_runs(turn: Turn) -> bool:
    return any(run.state is State.PAUSED for run in turn.execution.runs.values())
