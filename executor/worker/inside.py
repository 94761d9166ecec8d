"""Tasks that run inside the job of another: task runs of their own, told while the job runs, and all with its end."""

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from executions import store
from executions.codec import loads
from executions.ids import new_id, to_uuid
from executions.messages import iso
from executions.transitions.conclude import allowed
from executor.connections import LOST
from executor.worker.attempt import Attempt
from executor.worker.outcome import Outcome, carried_out_by_isolation
from flows.definition.states import State
from flows.expressions.errors import ExpressionError
from flows.expressions.render import is_truthy
from flows.tasks.base import Isolation, RunnableTask, TaskFailure

if TYPE_CHECKING:
    from executor.worker.context import Context
    from executor.worker.tools import Tools

Json = Any
LARGE = 8 * 1024  # as for the outputs of a job


class InnerAttempt(Attempt):
    """Writes into the job's log as a task run of its own, stops with the job, and has a time limit of its own."""

    def __init__(self, outer: Attempt, run_id: str, task_id: str) -> None:
        self._outer = outer
        self._timer: threading.Timer | None = None
        place = {**outer.place, "task_id": task_id, "task_run_id": to_uuid(run_id).hex}
        super().__init__(run_id, new_id(), 0, place)
        self.level = outer.level
        outer.on_stop(self._stop_with_outer)

    @property
    def deadline(self) -> float | None:
        return None

    @deadline.setter
    def deadline(self, value: float | None) -> None:
        if value is not None:
            self._timer = threading.Timer(max(value - time.monotonic(), 0), self.stop, (False,))
            self._timer.daemon = True
            self._timer.start()

    def finish(self) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        return super().finish()

    def _stop_with_outer(self) -> None:
        self.timeout_text = self.timeout_text or self._outer.timeout_text
        self.stop(self._outer.killed)

    def _add_line(self, line: dict[str, Json]) -> None:
        if self.log_file is not None:
            super()._add_line(line)
        else:
            self._outer._add_line(line)

    def _add_metric(self, row: dict[str, Json]) -> None:
        self._outer._add_metric(row)

    def tell_inner(self, run: dict[str, Json]) -> None:
        self._outer.tell_inner(run)


def run(task: RunnableTask, outer: "Context", attempt: Attempt, tools: "Tools") -> State:
    """Its outputs are there for the tasks after it."""
    inner = InnerAttempt(attempt, new_id(), task.id)
    roots = _roots(task, outer, inner)
    context = outer.inner(roots, task, inner)
    attempt.tell_inner(_begun(task, outer, inner))
    outcome = _outcome(task, context, inner, tools)
    inner.finish()
    state = allowed(task, outcome.state)
    outputs = None if outcome.outputs is None else loads(outcome.outputs)
    told = _task_run(task, outer, inner, outcome, state, outputs)
    if outcome.outputs is not None and len(outcome.outputs) > LARGE:
        told |= _put_aside(tools, outer.execution_id, outputs)
    outer.children.append(told)
    attempt.tell_inner(told)
    if outputs is not None:
        outer.add_outputs(task.id, outputs)
    return state


def _put_aside(tools: "Tools", execution_id: str, outputs: Json) -> dict[str, Json]:
    """Large outputs are stored once, the message that tells of the run stays small; while the database is away, not."""
    try:
        with tools.database() as connection:
            return {"outputs": None, "outputs_ref": store.add_payload(connection, execution_id, outputs)}
    except LOST:
        return {}


def run_as(task: RunnableTask, outer: "Context", attempt: Attempt, tools: "Tools") -> dict[str, Json] | None:
    if task.isolation is not Isolation.CHILD:
        return task.run(outer)
    payload = {"context": outer.roots, "task_run_id": attempt.run_id, "token": attempt.token}
    ended = tools.children.run(payload, task, outer.working_directory, attempt)
    outputs = None if ended["outputs"] is None else loads(ended["outputs"])
    if ended["state"] != State.SUCCESS:
        raise TaskFailure(ended["error"] or "", outputs, State(ended["state"]))
    return outputs


def _outcome(task: RunnableTask, context: "Context", inner: InnerAttempt, tools: "Tools") -> Outcome:
    try:
        if task.run_if is not None and not is_truthy(context.render(task.run_if)):
            return Outcome(State.SKIPPED)
    except ExpressionError as error:
        inner.log("ERROR", str(error))
        return Outcome(State.FAILED, str(error))
    payload = {"context": context.roots, "task_run_id": inner.run_id, "token": inner.token}
    return carried_out_by_isolation(payload, task, context, inner, tools)


def _roots(task: RunnableTask, outer: "Context", inner: InnerAttempt) -> dict[str, Json]:
    around = outer.roots["taskrun"]
    own: dict[str, Json] = {"id": inner.run_id, "startDate": iso(inner.started_at), "attemptsCount": 0}
    own |= {"parentId": outer.task_run_id, "taskId": task.id}
    roots = {**outer.roots, "taskrun": own, "task": {"id": task.id, "type": task.type}}
    if "value" in around:
        # As in Kestra the tasks inside see the value of the task around them as theirs.
        own["value"] = around["value"]
        roots["parents"] = [{"taskrun": {"value": around["value"]}}, *outer.roots.get("parents", ())]
    plain = {key: value for key, value in around.items() if key != "taskId"}
    roots["variables"] = {**(outer.roots.get("variables") or {}), "workerTaskrun": plain}
    return roots


def _begun(task: RunnableTask, outer: "Context", inner: InnerAttempt) -> dict[str, Json]:
    started = iso(inner.started_at)
    histories = [[State.CREATED.value, started], [State.RUNNING.value, started]]
    return {
        "id": inner.run_id,
        "task_id": task.id,
        "parent_id": outer.task_run_id,
        "state": State.RUNNING.value,
        "histories": histories,
        "attempts": [{"token": inner.token, "state": State.RUNNING.value, "histories": histories}],
    }


def _task_run(
    task: RunnableTask, outer: "Context", inner: InnerAttempt, outcome: Outcome, state: State, outputs: Json
) -> dict[str, Json]:
    raw = outcome.state
    started, ended = iso(inner.started_at), iso(datetime.now(UTC))
    told: dict[str, Json] = {
        "id": inner.run_id,
        "task_id": task.id,
        "parent_id": outer.task_run_id,
        "state": state.value,
        "histories": [[State.CREATED.value, started], [State.RUNNING.value, started], [state.value, ended]],
        "outputs": outputs,
    }
    if raw is State.SKIPPED:
        told["histories"] = [[State.CREATED.value, started], [state.value, ended]]
        return told
    histories = [[State.CREATED.value, started], [State.RUNNING.value, started], [raw.value, ended]]
    attempt = {"token": inner.token, "state": raw.value, "histories": histories, "log_file": outcome.log_file}
    told["attempts"] = [attempt]
    return told
