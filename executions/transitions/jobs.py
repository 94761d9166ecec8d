"""One attempt of a runnable task as an order to a worker. Knows no queue and no worker."""

from datetime import timedelta
from math import ceil

from executions.state import Attempt, TaskRun
from executions.transitions.effects import RunTask
from executions.transitions.outputs import job_context
from executions.transitions.turn import Turn
from flows.definition.durations import timeout_of
from flows.definition.states import State
from flows.tasks.base import Isolation, RunnableTask

DEFAULT_QUEUE = "default"


def dispatch(turn: Turn, run: TaskRun, task: RunnableTask) -> None:
    """Mint an attempt and hand it out. Raises ExpressionError or ValueError for a bad timeout or worker group."""
    group = task.worker_group or turn.flow.worker_group
    queue = DEFAULT_QUEUE if group is None or group.key is None else turn.text(group.key, run)
    timeout_ms = _timeout(turn, run, task)
    context = job_context(turn.flow, turn.execution, run)
    token = turn.new_id()
    run.attempts.append(Attempt(token, State.CREATED, [(State.CREATED, turn.now)]))
    turn.execution.touch(run)
    turn.emit(
        RunTask(
            task_run_id=run.id,
            token=token,
            task_type=task.type,
            queue=queue or DEFAULT_QUEUE,
            light=task.isolation is Isolation.LIGHT,
            context=context,
            timeout_ms=timeout_ms,
            fallback="WAIT" if group is None or group.fallback is None else group.fallback,
        )
    )


def _timeout(turn: Turn, run: TaskRun, task: RunnableTask) -> int | None:
    if task.timeout is None:
        return None
    limit = timeout_of(turn.text(task.timeout, run))
    return max(1, ceil(limit / timedelta(milliseconds=1)))
