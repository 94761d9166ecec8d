"""Task runs that stand for other executions: started together, told back one by one, settled by their task class."""

from datetime import UTC, datetime

from executions.messages import SubflowEnded, SubflowStarted
from executions.state import Attempt, Json, TaskRun
from executions.transitions.conclude import FAILURES, conclude
from executions.transitions.effects import RestartExecution, StartExecution
from executions.transitions.turn import Turn, moment
from executions.transitions.updates import label_text
from flows.definition.states import State
from flows.tasks.base import ChildEnd, ExecutableTask, Launch

# How long a chain of executions that start each other may get: flows calling each other in a circle end here.
MAX_DEPTH = 50
SYSTEM = "system."
# In a run's memory: how many executions it has started.
LAUNCHED = "launched"


def launch(turn: Turn, run: TaskRun, task: ExecutableTask) -> None:
    token = turn.new_id()
    run.attempts.append(Attempt(token, State.RUNNING, [(State.CREATED, turn.now), (State.RUNNING, turn.now)]))
    turn.move_run(run, State.RUNNING)
    run.outputs, run.outputs_ref = (run.outputs, run.outputs_ref) if "restarted" in run.memory else (None, None)
    try:
        if _restart_children(turn, run, task, token):
            return
        launches = task.launches(turn.view(run))
        if launches and turn.execution.depth >= MAX_DEPTH:
            raise ValueError(f"More than {MAX_DEPTH} executions in a row have started each other")
        orders = [_order(turn, run, task, token, item) for item in launches]
    except FAILURES as error:
        turn.log("ERROR", str(error), run)
        _end(turn, run, task, State.FAILED)
        return
    run.memory[LAUNCHED] = len(orders)
    for order in orders:
        turn.emit(order)
    if not orders:
        _end(turn, run, task, State.SUCCESS)


def started(turn: Turn, message: SubflowStarted) -> None:
    if message.error is None:
        news = ChildEnd(message.child_id, None, iteration=message.iteration)
    else:
        news = ChildEnd(message.child_id, State.FAILED, error=message.error, iteration=message.iteration)
    _take(turn, message.task_run_id, message.token, news, _link(message))


def _link(message: SubflowStarted) -> str:
    """How Kestra names an execution in a log line; pages show it as a link."""
    return f'[[link execution="{message.child_id}" flowId="{message.flow_id}" namespace="{message.namespace}"]]'


def ended(turn: Turn, message: SubflowEnded) -> None:
    news = ChildEnd(message.child_id, State(message.state), message.outputs, message.error, iteration=message.iteration)
    _take(turn, message.task_run_id, message.token, news)


def _take(turn: Turn, task_run_id: str, token: str, news: ChildEnd, link: str = "") -> None:
    run = turn.execution.runs.get(task_run_id)
    if run is None or not run.attempts or run.attempts[-1].token != token or run.attempts[-1].state.is_terminal:
        turn.step.dropped.append(
            f"news of execution {news.execution_id}: task run {task_run_id} waits for it no longer"
        )
        return
    task = turn.task(run)
    assert isinstance(task, ExecutableTask)
    try:
        progress = task.progress(turn.view(run), news)
    except FAILURES as error:
        turn.log("ERROR", str(error), run)
        _end(turn, run, task, State.FAILED)
        return
    if progress.outputs is not None:
        run.outputs = progress.outputs
    if progress.memory is not None:
        run.memory = progress.memory
    turn.execution.touch(run)
    if news.state is None:
        turn.log("INFO", f"Created new execution {link}", run)
    if news.error is not None:
        turn.log("ERROR", news.error, run)
    if progress.state is not None:
        _end(turn, run, task, progress.state)


def _end(turn: Turn, run: TaskRun, task: ExecutableTask, state: State) -> None:
    if run.state is State.KILLING:
        state = state if state is State.SUCCESS else State.KILLED
        run.attempts[-1].move(state, turn.now)
        turn.move_run(run, state)
        turn.push(run)
        return
    run.attempts[-1].move(state, turn.now)
    conclude(turn, run, task, state)


def _order(turn: Turn, run: TaskRun, task: ExecutableTask, token: str, item: Launch) -> StartExecution:
    execution, flow = turn.execution, turn.flow
    return StartExecution(
        execution_id=turn.new_id(),
        namespace=item.namespace,
        flow_id=item.flow_id,
        revision=item.revision,
        inputs=item.inputs,
        labels=_labels(turn, item),
        trigger={
            "id": task.id,
            "type": task.type,
            "variables": {
                "executionId": execution.id,
                "namespace": flow.namespace,
                "flowId": flow.id,
                "flowRevision": execution.flow_revision,
                "taskRunId": run.id,
                "taskId": task.id,
                **item.variables,
            },
        },
        parent_task_run=_waiting(turn, run, token, item.iteration, item.wait, item.outputs),
        iteration=item.iteration,
        schedule_date=_date(item.schedule_date),
        depth=execution.depth + 1,
    )


def _labels(turn: Turn, item: Launch) -> list[dict[str, str]]:
    """System labels are always handed down, the others by `inheritLabels`; the task's own come over them."""
    merged = {
        label["key"]: label["value"]
        for label in turn.execution.labels
        if label["key"].startswith(SYSTEM) or item.inherit_labels
    }
    merged.setdefault("system.correlationId", turn.execution.id)
    merged.update({key: label_text(value) for key, value in item.labels})
    return [{"key": key, "value": value} for key, value in merged.items()]


def _waiting(
    turn: Turn, run: TaskRun, token: str, iteration: int | None, wait: bool, outputs: dict[str, Json] | None
) -> dict[str, Json]:
    """Kept in a child: who is told of its end, and by which token that is accepted."""
    return {
        "executionId": turn.execution.id,
        "taskRunId": run.id,
        "token": token,
        "iteration": iteration,
        "wait": wait,
        "outputs": outputs,
    }


def _date(value: Json) -> datetime | None:
    if value is None or value == "":
        return None
    date = moment(value)
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _restart_children(turn: Turn, run: TaskRun, task: ExecutableTask, token: str) -> bool:
    """A restarted run whose task restarts failed children instead of starting others."""
    if not run.memory.pop("restarted", False):
        return False
    plan = task.restart(turn.view(run))
    if plan is None or not plan.children:
        run.outputs, run.outputs_ref = None, None
        run.memory = {}
        return False
    if plan.memory is not None:
        run.memory = plan.memory
    for child_id, iteration in plan.children:
        waiting = _waiting(turn, run, token, iteration, True, task.outputs_wanted())
        turn.emit(RestartExecution(child_id, waiting))
    return True
