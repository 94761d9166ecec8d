"""Task runs and log lines in the compact form that the execution page reads: only what changed, as arrays."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from executions import database, named_sql
from executions.ids import to_base62, to_uuid
from executions.models import ExecutionRecord, LogRecord, TaskRunRecord
from flows.definition.states import State

Json = Any
STATES = [state.value for state in State]
LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]
FIRST = 400  # task runs that come with the page itself
BATCH = 5000
_INDEX = {name: number for number, name in enumerate(STATES)}
SQL = named_sql.load(Path(__file__).with_name("pages.sql"))


def compact_runs(
    execution: ExecutionRecord, *, since: int = 0, after_seq: int = 0, limit: int = BATCH
) -> list[list[Json]]:
    """[id, task, parent, value, iteration, seq, history, attempts]; a history is [state, ms, state, ms, ...].

    Milliseconds count from the execution's start; attempts are told only when they are not the run itself.
    """
    values = {"execution": execution.pk, "since": since or -1, "after": after_seq, "limit": limit}
    origin = execution.start_date.timestamp() * 1000
    return [_compact(row, origin) for row in database.current().execute(SQL["compact_runs"], values)]


def exists(execution: ExecutionRecord, run_id: str) -> bool:
    try:
        return TaskRunRecord.objects.filter(execution_id=execution.pk, pk=to_uuid(run_id)).exists()
    except ValueError:
        return False


def _compact(row: Sequence[Any], origin: float) -> list[Json]:
    run_id, task, parent, value, iteration, seq, histories, attempts = row
    found = [
        to_base62(run_id),
        task,
        to_base62(parent) if parent else None,
        value,
        iteration,
        seq,
        _flat(histories, origin),
    ]
    if attempts is not None:
        found.append([_flat(attempt["histories"], origin) for attempt in attempts])
    return found


def _flat(histories: Iterable[Sequence[str]], origin: float) -> list[int]:
    flat = []
    for state, moment in histories:
        flat.append(_INDEX[state])
        flat.append(round(datetime.fromisoformat(moment).timestamp() * 1000 - origin))
    return flat


def compact_execution(execution: ExecutionRecord) -> dict[str, Json]:
    origin = execution.start_date.timestamp() * 1000
    return {
        "version": execution.version,
        "trimmed": execution.trimmed,
        "state": execution.state,
        "history": _flat(execution.histories, origin),
        "start": round(origin),
    }


def compact_logs(
    execution: ExecutionRecord, *, after: int = 0, run: Any = None, limit: int = BATCH
) -> list[list[Json]]:
    """[id, ms since the execution's start, level, task run, task, attempt, message], oldest first."""
    rows = LogRecord.objects.filter(execution_id=execution.pk, id__gt=after)
    if run is not None:
        rows = rows.filter(task_run_id=run)
    origin = execution.start_date.timestamp() * 1000
    columns = ("id", "timestamp", "level", "task_run_id", "task_id", "attempt", "message")
    return [
        [
            id_,
            round(moment.timestamp() * 1000 - origin),
            level,
            to_base62(of) if of else None,
            task,
            attempt,
            message,
        ]
        for id_, moment, level, of, task, attempt, message in rows.order_by("id").values_list(*columns)[:limit]
    ]


def failing_run(execution: ExecutionRecord) -> TaskRunRecord | None:
    """The run that explains a failure: the first failed one that has no failed run below it."""
    failed = list(TaskRunRecord.objects.filter(execution_id=execution.pk, state="FAILED").order_by("seq")[:500])
    parents = {run.parent_id for run in failed}
    return next((run for run in failed if run.pk not in parents), None)


def last_lines(run: TaskRunRecord, limit: int = 8) -> list[LogRecord]:
    """What the run's last attempt said at its end."""
    rows = LogRecord.objects.filter(
        execution_id=run.execution_id, task_run_id=run.pk, level__gte=2, attempt__gte=max(0, len(run.attempts) - 1)
    )
    return list(reversed(rows.order_by("-id")[:limit]))
