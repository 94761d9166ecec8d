"""Log lines read and purged by tasks and expressions. SQL only; the caller owns the transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from executions import named_sql
from executions.ids import to_base62, to_uuid

Json = Any
Connection = Any
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_SQL = named_sql.load(Path(__file__).with_suffix(".sql"))
_MOST_ERRORS = 1000
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; None: any."""

    namespace: str | None = None
    flow_id: str | None = None
    execution_id: str | None = None
    task_ids: Sequence[str] | None = None
    levels: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Json]:
        return {
            "namespace": self.namespace,
            "flow_id": self.flow_id,
            "execution_id": None if self.execution_id is None else to_uuid(self.execution_id).hex,
            "task_ids": None if self.task_ids is None else list(self.task_ids),
            "levels": None if self.levels is None else [LEVELS.index(level) for level in self.levels],
            "since": self.since,
            "until": self.until,
        }


def errors_of(connection: Connection, execution_id: str) -> list[dict[str, Json]]:
    """The error lines of an execution, oldest first; none for an id that is none."""
    try:
        wanted = Wanted(execution_id=execution_id, levels=("ERROR",))
        parameters = {**wanted.parameters(), "after": 0, "limit": _MOST_ERRORS}
    except ValueError:
        return []
    return [_entry(row) for row in connection.execute(_SQL["select"], parameters).fetchall()]


def lines(connection: Connection, wanted: Wanted) -> Iterator[dict[str, Json]]:
    """In order, a chunk at a time."""
    after = 0
    while True:
        parameters = {**wanted.parameters(), "after": after, "limit": _CHUNK}
        rows = connection.execute(_SQL["select"], parameters).fetchall()
        yield from (_entry(row) for row in rows)
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]


def purge(connection: Connection, wanted: Wanted) -> int:
    """Delete, a bounded batch at a time; how many."""
    deleted = 0
    while True:
        count: int = connection.execute(_SQL["purge"], {**wanted.parameters(), "limit": 10 * _CHUNK}).rowcount
        deleted += count
        if count < 10 * _CHUNK:
            return deleted


def _entry(row: Sequence[Any]) -> dict[str, Json]:
    """As Kestra's LogEntry, without what is not there."""
    _, namespace, flow_id, execution_id, task_id, task_run_id, trigger_id, attempt, level, message, thread, when = row
    entry = {
        "namespace": namespace,
        "flowId": flow_id,
        "taskId": task_id,
        "executionId": None if execution_id is None else to_base62(execution_id),
        "taskRunId": None if task_run_id is None else to_base62(task_run_id),
        "attemptNumber": attempt if task_run_id is not None else None,
        "triggerId": trigger_id,
        "timestamp": when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": LEVELS[level],
        "thread": thread or None,
        "message": message,
    }
    return {name: value for name, value in entry.items() if value is not None}
