"""A worker's report into the execution: fenced by the attempt's token, so that late and doubled reports change nothing."""

from datetime import datetime

from executions.messages import TaskFinished, TaskStarted
from executions.state import Attempt, Json, TaskRun
from executions.transitions import again, jobs, killing
from executions.transitions.conclude import conclude
from executions.transitions.turn import Turn, histories_of, moment
from flows.definition.states import State
from flows.tasks.base import RunnableTask

MAX_WORKER_LOST = 3
_BEFORE_RUNNING = (State.CREATED, State.RESTARTED, State.RETRYING)


def started(turn: Turn, message: TaskStarted) -> None:
    run = _held(turn, message.task_run_id, message.token, message.type)
    if run is None:
        return
    attempt = run.attempts[-1]
    attempt.worker = message.worker or attempt.worker
    _mark_running(turn, run, attempt, moment(message.date) if message.date else turn.now)
    for child in message.children:
        _adopt(turn, run, child)
    turn.execution.touch(run)


def finished(turn: Turn, message: TaskFinished) -> None:
    run = _held(turn, message.task_run_id, message.token, message.type)
    if run is None:
        return
    attempt = run.attempts[-1]
    ended = moment(message.ended) if message.ended else turn.now
    _mark_running(turn, run, attempt, moment(message.started) if message.started else ended)
    attempt.worker = message.worker or attempt.worker
    attempt.lost, attempt.log_file = message.lost, message.log_file
    state = State(message.state)
    attempt.move(State.KILLED if message.lost else state, ended)
    if message.outputs is not None or message.outputs_ref is not None:
        run.outputs, run.outputs_ref = message.outputs, message.outputs_ref
    for child in message.children:
        _adopt(turn, run, child)
    _close_children(turn, run, State.KILLED if message.lost or message.state == State.KILLED else State.FAILED)
    turn.execution.touch(run)
    task = turn.task(run)
    assert isinstance(task, RunnableTask)
    if turn.execution.state is State.KILLING:
        # Whatever a task says that was told to stop: it was killed, unless it was quicker.
        turn.move_run(run, state if state is State.SUCCESS else State.KILLED, ended)
        turn.push(run)
    elif message.lost:
        _replace_lost(turn, run, task, message.error)
    else:
        conclude(turn, run, task, state)


def _held(turn: Turn, task_run_id: str, token: str, what: str) -> TaskRun | None:
    """The run, when the token is that of its open attempt."""
    run = turn.execution.runs.get(task_run_id)
    if run is None or not run.attempts or run.attempts[-1].token != token:
        turn.step.dropped.append(f"{what} of task run {task_run_id}: not its current attempt")
        return None
    if run.attempts[-1].state.is_terminal:
        turn.step.dropped.append(f"{what} of task run {task_run_id}: its attempt has ended")
        return None
    return run


def _mark_running(turn: Turn, run: TaskRun, attempt: Attempt, at: datetime) -> None:
    if attempt.state is State.CREATED:
        attempt.move(State.RUNNING, at)
    if run.state in _BEFORE_RUNNING:
        turn.move_run(run, State.RUNNING, at)


def _replace_lost(turn: Turn, run: TaskRun, task: RunnableTask, reason: str | None) -> None:
    """The worker died: run it again elsewhere at once, but not for ever."""
    again.remove_below(turn.execution, run)
    losses = sum(attempt.lost for attempt in run.attempts)
    if losses <= MAX_WORKER_LOST:
        turn.log("WARN", f"Worker lost, the task is run again ({losses} of {MAX_WORKER_LOST})", run)
        turn.move_run(run, State.CREATED)
        jobs.dispatch(turn, run, task)
        return
    last = f" (the last: {reason})" if reason else ""
    turn.log("ERROR", f"WORKER_LOST: {losses} workers died while they ran this task{last}", run)
    turn.move_run(run, State.FAILED)
    turn.push(run)


def _adopt(turn: Turn, parent: TaskRun, told: dict[str, Json]) -> None:
    """A task run that the job made itself (children of a WorkingDirectory): told when it begins, and of its end."""
    child, known = _child(parent, told), turn.execution.runs.get(told["id"])
    if known is None:
        turn.execution.add(child)
    elif child.state.is_terminal and not known.state.is_terminal:
        was_killed = known.state is State.KILLING and child.state is not State.SUCCESS
        turn.move_run(known, State.KILLED if was_killed else child.state, child.histories[-1][1])
        known.attempts, known.outputs, known.outputs_ref = child.attempts, child.outputs, child.outputs_ref


def _close_children(turn: Turn, run: TaskRun, state: State) -> None:
    """Whose end nobody has told: they ended with the job."""
    if turn.execution.open_children.get(run.id, 0):
        for child in [one for one in turn.execution.children(run.id) if not one.state.is_terminal]:
            killing.close_run(turn, child, state)


def _child(parent: TaskRun, told: dict[str, Json]) -> TaskRun:
    attempts = [
        Attempt(
            item["token"],
            State(item["state"]),
            histories_of(item["histories"]),
            parent.attempts[-1].worker,
            log_file=item.get("log_file"),
        )
        for item in told.get("attempts") or []
    ]
    return TaskRun(
        id=told["id"],
        task_id=told["task_id"],
        state=State(told["state"]),
        histories=histories_of(told["histories"]),
        parent_id=told.get("parent_id") or parent.id,
        value=told.get("value"),
        iteration=told.get("iteration"),
        attempts=attempts,
        outputs=told.get("outputs"),
        outputs_ref=told.get("outputs_ref"),
        dynamic=told.get("dynamic", False),
    )
