"""Stopping before tasks, for whoever looks for a fault: run and execution go BREAKPOINT until somebody lets them go on."""

from collections.abc import Sequence
from datetime import datetime

from executions.state import Execution, Json, TaskRun
from executions.transitions.turn import Turn
from flows.definition.states import State

# In the execution's memory: [{"id": task, "value": of a loop (without: any)}]; in a run's: that it has been let go.
KEY, PASSED = "breakpoints", "passed"
Points = Sequence[dict[str, Json]]


def stops(turn: Turn, run: TaskRun) -> bool:
    """Whether the run, which would start now, waits at a breakpoint instead."""
    points = turn.execution.memory.get(KEY)
    if not points or run.memory.get(PASSED) or not any(_fits(point, run) for point in points):
        return False
    turn.move_run(run, State.BREAKPOINT)
    wait(turn)
    return True


def wait(turn: Turn) -> None:
    """The execution waits with its run, but where it waits for something else already, or is over."""
    if turn.execution.state in (State.RUNNING, State.RETRYING):
        turn.move(State.BREAKPOINT)


def let_go(execution: Execution, now: datetime, points: Points | None = None) -> None:
    """All that wait start when the execution goes on, which then stops at `points` (None: where it would have)."""
    for run in list(execution.runs.values()):
        if run.state is State.BREAKPOINT:
            run.memory[PASSED] = True
            execution.move_run(run, State.CREATED, now)
    if points is not None:
        execution.memory[KEY] = list(points)


def _fits(point: dict[str, Json], run: TaskRun) -> bool:
    return point["id"] == run.task_id and point.get("value") in (None, run.value)
