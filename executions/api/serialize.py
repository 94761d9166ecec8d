"""Kestra's JSON of executions, task runs, log lines and metrics, from rows or from the aggregate. Decides nothing."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from executions.ids import to_base62
from executions.state import Attempt, Execution, TaskRun
from executions.transitions.breakpoints import KEY as BREAKPOINTS
from flows.definition.states import TERMINAL, State

Json = dict[str, Any]
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_WITH_END = {str(state) for state in TERMINAL} | {str(State.PAUSED)}


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration(length: timedelta) -> str:
    """As java.time.Duration prints it: PT1H2M3.004S, hours never become days."""
    microseconds = length // timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, fraction = divmod(microseconds, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"{sign}{hours}H" if hours else ""
    text += f"{sign}{minutes}M" if minutes else ""
    if seconds or fraction or not text:
        tail = f".{fraction:06d}".rstrip("0") if fraction else ""
        text += f"{sign}{seconds}{tail}S"
    return "PT" + text


def state_json(current: str, histories: Sequence[Sequence[Any]]) -> Json:
    """`duration` runs to now while there is only one history entry; `endDate` exists for ended and paused ones.

    Dates are datetimes (from the aggregate) or texts (from rows)."""
    if not histories:
        return {"current": str(current), "histories": []}
    shown = [(str(state), date if isinstance(date, str) else iso(date)) for state, date in histories]
    start, last = _moment(histories[0][1]), _moment(histories[-1][1])
    length = last - start if len(histories) > 1 else datetime.now(UTC) - start
    found: Json = {
        "current": str(current),
        "histories": [{"state": state, "date": date} for state, date in shown],
        "duration": duration(length),
        "startDate": shown[0][1],
    }
    if current in _WITH_END:
        found["endDate"] = shown[-1][1]
    return found


def _moment(date: Any) -> datetime:
    return datetime.fromisoformat(date) if isinstance(date, str) else date


def execution_json(execution: Execution, *, url: str | None = None, runs: bool = True) -> Json:
    created = execution.original_created or execution.start_date
    found: Json = {
        "id": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "flowRevision": execution.flow_revision,
        "inputs": execution.inputs or None,
        "outputs": execution.outputs,
        "labels": execution.labels or None,
        "variables": execution.variables or None,
        "state": state_json(execution.state, execution.histories),
        "parentId": execution.parent_id,
        "originalId": execution.original_id or execution.id,
        "trigger": execution.trigger,
        "scheduleDate": iso(execution.schedule_date) if execution.schedule_date else None,
        "kind": execution.kind if execution.kind != "NORMAL" else None,
        "breakpoints": execution.memory.get(BREAKPOINTS),
        "deleted": execution.deleted,
        "metadata": {"attemptNumber": execution.attempt_number, "originalCreatedDate": iso(created)},
        "error": execution.error,
        "url": url,
    }
    if runs and execution.runs:
        found["taskRunList"] = [task_run_json(execution, run) for run in execution.runs.values()]
    return {key: value for key, value in found.items() if value is not None}


def task_run_json(execution: Execution, run: TaskRun) -> Json:
    found: Json = {
        "id": run.id,
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "taskId": run.task_id,
        "parentTaskRunId": run.parent_id,
        "value": run.value,
        "iteration": run.iteration,
        "attempts": [attempt_json(attempt) for attempt in run.attempts] or None,
        "outputs": run.outputs,
        "dynamic": True if run.dynamic else None,
        "state": state_json(run.state, run.histories),
    }
    return {key: value for key, value in found.items() if value is not None}


def attempt_json(attempt: Attempt) -> Json:
    found: Json = {"state": state_json(attempt.state, attempt.histories)}
    if attempt.worker:
        found["workerId"] = attempt.worker
    if attempt.log_file:
        found["logFile"] = attempt.log_file
    return found


def execution_of_row(row: Json, runs: Sequence[Json] | None = None, *, url: str | None = None) -> Json:
    """From `row_to_json(executions)`; `runs` are task runs in Kestra's form already."""
    found: Json = {
        "id": _id(row["id"]),
        "namespace": row["namespace"],
        "flowId": row["flow_id"],
        "flowRevision": row["flow_revision"],
        "taskRunList": runs or None,
        "inputs": row["inputs"] or None,
        "outputs": row["outputs"],
        "labels": row["labels"] or None,
        "variables": row["variables"] or None,
        "state": state_json(row["state"], row["histories"]),
        "parentId": _id(row["parent_id"]),
        "originalId": _id(row["original_id"] or row["id"]),
        "trigger": row["trigger"],
        "scheduleDate": _zulu(row["schedule_date"]),
        "kind": row["kind"] if row["kind"] != "NORMAL" else None,
        "breakpoints": (row.get("memory") or {}).get(BREAKPOINTS),
        "deleted": row["deleted"],
        "metadata": {
            "attemptNumber": row["attempt_number"],
            "originalCreatedDate": _zulu(row["original_created"] or row["start_date"]),
        },
        "error": row["error"],
        "url": url,
    }
    return {key: value for key, value in found.items() if value is not None}


def task_run_of_row(execution: Json, row: Json) -> Json:
    found: Json = {
        "id": _id(row["id"]),
        "executionId": _id(row["execution_id"]),
        "namespace": execution["namespace"],
        "flowId": execution["flow_id"],
        "taskId": row["task_id"],
        "parentTaskRunId": _id(row["parent_id"]),
        "value": row["value"],
        "iteration": row["iteration"],
        "attempts": [_attempt_of_row(attempt) for attempt in row["attempts"]] or None,
        "outputs": row["outputs"],
        "dynamic": True if row["dynamic"] else None,
        "state": state_json(row["state"], row["histories"]),
    }
    return {key: value for key, value in found.items() if value is not None}


def _attempt_of_row(attempt: Json) -> Json:
    found: Json = {"state": state_json(attempt["state"], attempt["histories"])}
    if attempt.get("worker"):
        found["workerId"] = attempt["worker"]
    if attempt.get("log_file"):
        found["logFile"] = attempt["log_file"]
    return found


def _id(uuid: str | UUID | None) -> str | None:
    if uuid is None:
        return None
    return to_base62(uuid if isinstance(uuid, UUID) else UUID(uuid))


def _zulu(date: str | datetime | None) -> str | None:
    return iso(_moment(date)) if date is not None else None


def log_json(row: Any) -> Json:
    """One row of `logs` (any object with its columns as attributes)."""
    found: Json = {
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "taskId": row.task_id,
        "executionId": to_base62(row.execution_id) if row.execution_id else None,
        "taskRunId": to_base62(row.task_run_id) if row.task_run_id else None,
        "attemptNumber": row.attempt,
        "triggerId": row.trigger_id,
        "timestamp": iso(row.timestamp),
        "level": LEVELS[row.level],
        "thread": row.thread or None,
        "message": row.message,
    }
    return {key: value for key, value in found.items() if value is not None}


def log_text(rows: Iterable[Any]) -> Iterable[str]:
    for row in rows:
        yield f"{iso(row.timestamp)} {LEVELS[row.level]} {row.message}\n"


def metric_json(row: Any) -> Json:
    found: Json = {
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "taskId": row.task_id,
        "executionId": to_base62(row.execution_id),
        "taskRunId": to_base62(row.task_run_id) if row.task_run_id else None,
        "type": row.kind,
        "name": row.name,
        "value": row.value,
        "timestamp": iso(row.timestamp),
        "tags": row.tags or {},
    }
    return {key: value for key, value in found.items() if value is not None}
