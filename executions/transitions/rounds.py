"""The next round of a task that repeats its tasks: after a while the runs of the last round make way for new ones."""

from datetime import timedelta

from executions.state import TaskRun
from executions.transitions import again
from executions.transitions.effects import WakeAt
from executions.transitions.turn import Turn
from flows.definition.states import State

TIMER = "round"


def wait(turn: Turn, run: TaskRun, interval: timedelta) -> None:
    run.memory["round"] = True
    turn.execution.touch(run)
    turn.emit(WakeAt(turn.now + interval, TIMER, run.id))


def wake(turn: Turn, run: TaskRun) -> None:
    if run.state is not State.RUNNING or not run.memory.pop("round", False):
        return
    again.remove_below(turn.execution, run)
    turn.execution.touch(run)
    turn.push(run)
