"""Whether a failed try is followed by another, when, and as what: the same run again, or a new execution."""

from datetime import datetime, timedelta
from hashlib import blake2b

from executions.state import Attempt, TaskRun
from executions.transitions import again
from executions.transitions.effects import WakeAt
from executions.transitions.turn import Turn
from flows.definition.properties import Retry
from flows.definition.states import State
from flows.tasks.base import Task

TIMER = "retry"
_DEFAULT_FACTOR = 2.0


def policy_of(turn: Turn, run: TaskRun, task: Task) -> Retry | None:
    """The task's own, else its nearest ancestor's, else the flow's. A task that may fail has only its own (trap 4)."""
    if task.retry is not None or task.allow_failure:
        return task.retry
    for ancestor in turn.execution.ancestors(run):
        place = turn.place(ancestor)
        if place is not None and place.task.retry is not None:
            return place.task.retry
    return turn.flow.retry


def counted(run: TaskRun) -> list[Attempt]:
    """The tries that count: not those whose worker died."""
    return [attempt for attempt in run.attempts if attempt.state.is_terminal and not attempt.lost]


def try_again(turn: Turn, run: TaskRun, task: Task) -> bool:
    """Plan another try of a run that just failed; False when it has to stay failed."""
    policy = policy_of(turn, run, task)
    if policy is None or turn.execution.state.is_terminal:
        return False
    if policy.behavior == "CREATE_NEW_EXECUTION":
        return _as_new_execution(turn, run, policy)
    tries = counted(run)
    if not tries:
        return False
    date = turn.now + delay(policy, len(tries), run.id)
    if _is_exhausted(policy, len(tries), date, tries[0].histories[0][1]):
        return False
    turn.move_run(run, State.FAILED)
    turn.move_run(run, State.RETRYING)
    if turn.execution.state is State.RUNNING:
        turn.move(State.RETRYING)
    turn.emit(WakeAt(date, TIMER, run.id))
    return True


def wake(turn: Turn, run: TaskRun) -> None:
    """The delay is over: the run starts anew."""
    if run.state is not State.RETRYING:
        return
    again.remove_below(turn.execution, run)
    run.memory.pop("end", None)
    turn.move_run(run, State.CREATED)
    if turn.execution.state is State.RETRYING:
        turn.move(State.RUNNING)
    turn.push(run)


def warns(turn: Turn, run: TaskRun, task: Task) -> bool:
    """`warningOnRetry`: a success that needed more than one try is a warning."""
    if len(run.attempts) < 2 or len(counted(run)) < 2:
        return False
    policy = policy_of(turn, run, task)
    return policy is not None and policy.warning_on_retry


def delay(policy: Retry, tries: int, key: str) -> timedelta:
    """How long after the `tries`-th try. Exponential grows by the factor from the interval on (Kestra's is linear)."""
    if policy.type == "random":
        assert policy.min_interval is not None and policy.max_interval is not None
        return policy.min_interval + (policy.max_interval - policy.min_interval) * _fraction(f"{key}/{tries}")
    assert policy.interval is not None
    if policy.type == "constant":
        return policy.interval
    factor = _DEFAULT_FACTOR if policy.delay_factor is None else policy.delay_factor
    longest = policy.max_interval or policy.interval
    try:
        return min(policy.interval * factor ** (tries - 1), longest)
    except OverflowError:
        return longest


def _fraction(key: str) -> float:
    """Random enough, and the same for whoever decides again: from 0 to 1."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest()) / 2**48


def _is_exhausted(policy: Retry, tries: int, date: datetime, first: datetime) -> bool:
    if policy.attempts is not None and tries >= policy.attempts:
        return True
    return policy.max_duration is not None and date > first + policy.max_duration


def _as_new_execution(turn: Turn, run: TaskRun, policy: Retry) -> bool:
    execution = turn.execution
    date = turn.now + delay(policy, execution.attempt_number, execution.original_id or execution.id)
    first = execution.original_created or execution.start_date
    if _is_exhausted(policy, execution.attempt_number, date, first):
        return False
    turn.move_run(run, State.FAILED)
    turn.move_run(run, State.RETRIED)
    for ancestor in list(execution.ancestors(run)):
        turn.move_run(ancestor, State.RETRIED)
    again.retire(turn, date)
    return True
