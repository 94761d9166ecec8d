"""How a task run begins: `runIf`, then by the kind of its task a job, a level of its own, other executions, an update."""

from executions.state import TaskRun
from executions.transitions import breakpoints, jobs, pauses, subflows, tree, updates
from executions.transitions.conclude import FAILURES, fail
from executions.transitions.outputs import VARIABLES
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.expressions.render import is_truthy
from flows.tasks.base import ExecutableTask, FlowableTask, RunnableTask, Task, UpdatingTask

_WAITING = (State.CREATED, State.RESTARTED)


def start(turn: Turn, run: TaskRun) -> None:
    """Begin a run that waits for it; go on with one that was stopped on its way; leave all others alone."""
    try:
        task = turn.task(run)
        if run.state is State.RUNNING:
            _go_on(turn, run, task)
        elif run.state is State.BREAKPOINT:
            breakpoints.wait(turn)
        elif run.state in _WAITING and not has_open_attempt(run) and not breakpoints.stops(turn, run):
            if not _is_wanted(turn, run, task):
                turn.move_run(run, State.SKIPPED)
                turn.push(run)
            else:
                _begin(turn, run, task)
    except FAILURES as error:
        fail(turn, run, str(error))


def has_open_attempt(run: TaskRun) -> bool:
    return bool(run.attempts) and not run.attempts[-1].state.is_terminal


def _is_wanted(turn: Turn, run: TaskRun, task: Task) -> bool:
    if task.run_if is None:
        return True
    return is_truthy(turn.text(task.run_if, run))


def _begin(turn: Turn, run: TaskRun, task: Task) -> None:
    if isinstance(task, RunnableTask):
        jobs.dispatch(turn, run, task)
    elif isinstance(task, FlowableTask):
        _open(turn, run, task)
    elif isinstance(task, ExecutableTask):
        subflows.launch(turn, run, task)
    elif isinstance(task, UpdatingTask):
        updates.apply(turn, run, task)
    else:
        raise ValueError(f"a task of type {task.type} cannot be run")


def _open(turn: Turn, run: TaskRun, task: FlowableTask) -> None:
    turn.move_run(run, State.RUNNING)
    opening = task.open(turn.view(run))
    run.outputs = opening.outputs
    kept = {key: run.memory[key] for key in (VARIABLES,) if key in run.memory}
    run.memory = {**opening.memory, **kept}
    if opening.pausing is not None:
        pauses.pause(turn, run, opening.pausing)
    else:
        tree.begin(turn, tree.level_of(turn, run))


def _go_on(turn: Turn, run: TaskRun, task: Task) -> None:
    if isinstance(task, FlowableTask) or "end" in run.memory:
        tree.begin(turn, tree.level_of(turn, run))
    elif not has_open_attempt(run):
        # A user set it to RUNNING by hand: it is run once more.
        _begin(turn, run, task)
