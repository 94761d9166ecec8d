"""The end of one task run's try: another try, or its final state."""

from executions.state import TaskRun
from executions.transitions import retries
from executions.transitions.turn import Turn, UnknownTask
from flows.definition.states import State
from flows.expressions.render import ExpressionError
from flows.tasks.base import ExecutableTask, RunnableTask, Task, TaskFailure

# What a task settled in the executor may fail with; anything else is a defect of the engine.
FAILURES = (ExpressionError, TaskFailure, ValueError, UnknownTask)


def conclude(turn: Turn, run: TaskRun, task: Task, state: State) -> None:
    """The run's try came to this state: retry it, or end it and have its end followed up."""
    may_retry = state is State.FAILED and isinstance(task, RunnableTask | ExecutableTask)
    if may_retry and retries.try_again(turn, run, task):
        return
    if state is State.SUCCESS and retries.warns(turn, run, task):
        state = State.WARNING
    state = allowed(task, state)
    if isinstance(task, RunnableTask) and (task.error_tasks() or task.finally_tasks()):
        # A job that stands for a whole list of tasks: its `errors` and `finally` run after it.
        run.memory["end"] = state.value
        turn.execution.touch(run)
        turn.push(run)
        return
    turn.move_run(run, state)
    turn.push(run)


def fail(turn: Turn, run: TaskRun, reason: str) -> None:
    """The run cannot even start: FAILED without a try."""
    turn.log("ERROR", reason, run)
    place = turn.place(run)
    turn.move_run(run, State.FAILED if place is None else allowed(place.task, State.FAILED))
    turn.push(run)


def allowed(task: Task, state: State) -> State:
    """`allowFailure` makes a failure a warning, `allowWarning` makes a warning a success."""
    if state is State.FAILED and task.allow_failure:
        state = State.WARNING
    if state is State.WARNING and task.allow_warning:
        state = State.SUCCESS
    return state
