"""What users may do with executions: the public Python calls. Row and message are written in one transaction,
inside the caller's own `atomic` block when there is one. Decides nothing: `flows` checks inputs, `control` moves states.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from executions import bell, database, erase, store
from executions.ids import new_id
from executions.inputs import checked_inputs
from executions.messages import ExecutionChanged
from executions.queue import postgres as queue
from executions.starting import Start, built, refuse_disabled
from executions.state import Execution
from executions.storage import site as storage_site
from executions.transitions import control
from executions.transitions.breakpoints import Points
from executions.transitions.effects import CopyExecution, Step
from flows import catalog
from flows.definition.errors import InvalidFlow
from flows.definition.inputs import InvalidInputs
from flows.definition.model import Flow
from flows.definition.states import State
from flows.tasks.base import FlowableTask

Json = Any
Labels = Sequence[Mapping[str, str]] | Mapping[str, str] | None
Decide = Callable[[Flow, Execution, datetime], Step]


class NoSuchExecution(LookupError):
    http_status = 404

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"Not Found: execution {execution_id[:60]}")
        self.execution_id = execution_id


class ActionRefused(Exception):
    """The action makes no sense for this execution, in this state or with these arguments."""

    def __init__(self, refused: control.Refused) -> None:
        self.reason = refused.reason
        self.http_status = 422 if refused.unprocessable else 409
        super().__init__(f"Illegal {'argument' if refused.unprocessable else 'state'}: {refused.reason}")


class BulkRefused(Exception):
    """Nothing was done: `invalids` are (execution id, reason)."""

    http_status = 400

    def rest_body(self) -> dict[str, Json]:
        return {
            "message": str(self),
            "invalids": [
                {"message": reason, "rootBean": execution_id, "invalidValue": execution_id}
                for execution_id, reason in self.invalids
            ],
        }

    def __init__(self, action: str, invalids: list[tuple[str, str]]) -> None:
        super().__init__(f"invalid bulk {action}")
        self.invalids = invalids


def trigger(
    namespace: str,
    flow_id: str,
    inputs: Mapping[str, Json] | None = None,
    *,
    labels: Labels = None,
    revision: int | None = None,
    schedule_date: datetime | None = None,
    kind: str = "NORMAL",
    trigger: Mapping[str, Json] | None = None,
    variables: Mapping[str, Json] | None = None,
    files: Mapping[str, Any] | None = None,
    breakpoints: Points = (),
    execution_id: str | None = None,
) -> Execution:
    """Start an execution; it exists exactly if the surrounding transaction commits. Returned as CREATED.

    Raises flows.catalog.FlowNotFound, starting.FlowDisabled, flows.definition.inputs.InvalidInputs."""
    flow = catalog.find(namespace, flow_id, revision)
    refuse_disabled(flow)
    start = Start(
        labels=label_list(labels),
        schedule_date=schedule_date,
        kind=kind,
        trigger=dict(trigger) if trigger else None,
        variables=dict(variables or {}),
        breakpoints=list(breakpoints),
        execution_id=execution_id or new_id(),
    )
    values = checked_inputs(flow, dict(inputs or {}), dict(files or {}), start.execution_id, start.trigger)
    execution = built(flow, start, values, _now())
    with transaction.atomic():
        store.create(database.current(), [execution])
        bell.ring()
    return execution


def trigger_many(
    namespace: str,
    flow_id: str,
    inputs: Sequence[Mapping[str, Json]],
    *,
    labels: Labels = None,
    revision: int | None = None,
) -> list[Execution]:
    """One execution for each element of `inputs`, in order; all of them or none. Written by one statement.

    Raises what `trigger` raises; InvalidInputs for the first element that is refused."""
    if not inputs:
        return []
    flow = catalog.find(namespace, flow_id, revision)
    refuse_disabled(flow)
    shared, now = label_list(labels), _now()
    executions = []
    for given in inputs:
        start = Start(labels=shared)
        values = checked_inputs(flow, dict(given), {}, start.execution_id, None)
        executions.append(built(flow, start, values, now))
    with transaction.atomic():
        store.create(database.current(), executions)
        bell.ring()
    return executions


def label_list(labels: Labels) -> list[dict[str, str]]:
    if isinstance(labels, Mapping):
        return [{"key": str(key), "value": str(value)} for key, value in labels.items()]
    return [{"key": str(label["key"]), "value": str(label["value"])} for label in labels or ()]


def start(execution: Execution) -> Execution:
    """Store an execution that a trigger has built; it exists exactly if the surrounding transaction commits."""
    with transaction.atomic():
        store.create(database.current(), [execution])
        bell.ring()
    return execution


# --- one execution. All raise NoSuchExecution, and ActionRefused.


def kill(execution_id: str, *, cascade: bool = True) -> Execution:
    return _control(
        execution_id, "kill", lambda flow, execution, now: control.kill(flow, execution, now, cascade=cascade)
    )


def pause(execution_id: str) -> Execution:
    return _control(execution_id, "pause", control.pause)


def resume(
    execution_id: str,
    inputs: Mapping[str, Json] | None = None,
    files: Mapping[str, Any] | None = None,
    *,
    by: str | None = None,
) -> Execution:
    """Go on after a pause. Raises InvalidInputs when the Pause task's `onResume` inputs are not met."""

    def decide(flow: Flow, execution: Execution, now: datetime) -> Step:
        return control.resume(flow, execution, now, inputs=_resume_inputs(flow, execution, inputs, files), by=by)

    return _control(execution_id, "resume", decide)


def resume_from_breakpoint(execution_id: str, points: Points | None = None) -> Execution:
    return _control(
        execution_id,
        "resume-from-breakpoint",
        lambda flow, execution, now: control.resume_from_breakpoint(flow, execution, now, points),
    )


def restart(execution_id: str, revision: int | None = None) -> Execution:
    """The same execution goes on from where it failed, or a new one on another revision does."""

    def decide(flow: Flow, execution: Execution, now: datetime) -> Step:
        target = flow if revision is None else catalog.find(flow.namespace, flow.id, revision)
        return control.restart(target, execution, now, new_id, revision=revision)

    return _control(execution_id, "restart", decide)


def replay(
    execution_id: str,
    task_run_id: str | None = None,
    revision: int | None = None,
    inputs: Mapping[str, Json] | None = None,
    files: Mapping[str, Any] | None = None,
    *,
    latest: bool = False,
    points: Points | None = None,
) -> Execution:
    """A new execution, whole or from a task run; `inputs` given: these instead of the old ones. `latest`: on the
    flow's latest revision. It stops at `points`."""
    copy_id = new_id()
    ids = itertools.chain([copy_id], iter(new_id, None))  # the copy's own is the first that is asked for

    def decide(flow: Flow, execution: Execution, now: datetime) -> Step:
        target = flow if revision is None and not latest else catalog.find(flow.namespace, flow.id, revision)
        wanted = target.revision if latest else revision
        values = None
        if inputs is not None or files:
            values = checked_inputs(target, dict(inputs or {}), dict(files or {}), copy_id, None)
        return control.replay(
            target,
            execution,
            now,
            lambda: next(ids),
            task_run_id=task_run_id,
            revision=wanted,
            inputs=values,
            points=points,
        )

    return _control(execution_id, "replay", decide)


def force_run(execution_id: str) -> Execution:
    return _control(execution_id, "force-run", control.force_run)


def unqueue(execution_id: str, state: State = State.RUNNING) -> Execution:
    return _control(execution_id, "unqueue", lambda flow, execution, now: control.unqueue(flow, execution, now, state))


def change_status(execution_id: str, state: State) -> Execution:
    return _control(
        execution_id,
        "change-status",
        lambda flow, execution, now: control.change_status(flow, execution, now, state),
    )


def set_task_state(execution_id: str, task_run_id: str, state: State) -> Execution:
    return _control(
        execution_id,
        "state",
        lambda flow, execution, now: control.set_task_state(flow, execution, now, task_run_id, state),
    )


def set_labels(execution_id: str, labels: Labels, *, replace: bool = False) -> Execution:
    wanted = label_list(labels)
    return _control(
        execution_id,
        "labels",
        lambda flow, execution, now: control.set_labels(flow, execution, now, wanted, replace=replace),
    )


def delete(execution_ids: Iterable[str], *, logs: bool = True, metrics: bool = True, storage: bool = True) -> int:
    """Remove executions for good; what still runs of them is stopped. Unknown ids are passed over."""
    with transaction.atomic():
        erased = erase.erase(database.current(), sorted(set(execution_ids)), logs=logs, metrics=metrics)
        bell.ring(queue.WORK, queue.STREAM, queue.KILL)
        if storage:
            transaction.on_commit(lambda: erase.erase_files(storage_site.current(), erased), robust=True)
    return len(erased)


def bulk(action: str, execution_ids: Sequence[str], act: Callable[[str], Any]) -> int:
    """The same action on all, or on none. Raises BulkRefused naming each that cannot."""
    invalids: list[tuple[str, str]] = []
    with transaction.atomic():
        for execution_id in sorted(set(execution_ids)):  # one order for everybody: no deadlock
            try:
                act(execution_id)
            except Exception as error:
                invalids.append((execution_id, reason_of(error)))
        if invalids:
            raise BulkRefused(action, invalids)
    return len(set(execution_ids))


def reason_of(error: Exception) -> str:
    """Why one of many cannot: whatever is its own fault. Raises any other error again."""
    match error:
        case NoSuchExecution():
            return "execution not found"
        case ActionRefused():
            return error.reason
        case InvalidFlow() | InvalidInputs():
            return str(error)
    if getattr(error, "http_status", 500) >= 500:
        raise error
    return str(error)


def _control(execution_id: str, action: str, decide: Decide) -> Execution:
    """Lock the row, let the pure function move states, save, tell the executor. Answers the copy if one was made."""
    with transaction.atomic():
        connection = database.current()
        execution = _locked(connection, execution_id)
        flow = catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
        try:
            step = decide(flow, execution, _now())
        except control.Refused as refused:
            raise ActionRefused(refused) from None
        copies = [effect.execution for effect in step.effects if isinstance(effect, CopyExecution)]
        if execution.changed or execution.touched or execution.removed:
            store.save(connection, [execution])
            message = queue.work(execution.id, ExecutionChanged(action))
            queue.publish_all(connection, [message, store.hint(execution)])
        store.create(connection, copies)
        bell.ring(queue.WORK, queue.STREAM)
    return copies[0] if copies else execution


def _locked(connection: Any, execution_id: str) -> Execution:
    try:
        execution = store.lock_and_load(connection, execution_id)
    except ValueError:
        execution = None
    if execution is None or execution.deleted:
        raise NoSuchExecution(execution_id)
    return execution


def _resume_inputs(
    flow: Flow, execution: Execution, inputs: Mapping[str, Json] | None, files: Mapping[str, Any] | None
) -> dict[str, Json]:
    """Checked against what the task that paused asks for. Raises InvalidInputs."""
    wanted = resume_inputs_of(flow, execution)
    return checked_inputs(flow, dict(inputs or {}), dict(files or {}), execution.id, execution.trigger, wanted)


def resume_inputs_of(flow: Flow, execution: Execution) -> Sequence[Any]:
    """What the task that paused wants to be told; after a pause by hand nothing is asked."""
    run = control.paused_run(execution)
    place = None if run is None else flow.task_index.get(run.task_id)
    if place is None or not isinstance(place.task, FlowableTask) or execution.state not in control.RESUMABLE:
        return ()
    return place.task.resume_inputs()


def _now() -> datetime:
    return datetime.now(UTC)
