"""Executions and their task runs as Kestra's JSON, read set-based; what the caller may not see is not found."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from executions import store
from executions.api.serialize import execution_json, execution_of_row, task_run_of_row
from executions.codec import loads
from executions.ids import to_base62, to_uuid
from executions.models import ExecutionRecord
from executions.state import Execution
from flows.access import Access, Role
from flows.api.errors import NotFound

Json = dict[str, Any]
# A list answer carries the task runs of executions until this many are reached.
MOST_RUNS_IN_A_LIST = 5_000


def record_of(access: Access, execution_id: str, role: Role = Role.VIEWER) -> ExecutionRecord:
    """Raises NotFound for an unknown one and for one whose existence is none of the caller's business."""
    try:
        uuid = to_uuid(execution_id)
    except ValueError:
        raise NotFound(f"execution {execution_id[:60]}") from None
    visible = access.filter(ExecutionRecord.objects.filter(deleted=False), Role.VIEWER)
    found: ExecutionRecord | None = visible.filter(pk=uuid).first()
    if found is None:
        raise NotFound(f"execution {execution_id[:60]}")
    if not access.allows(role, found.namespace):
        raise Forbidden(f"needs the role {role.name.lower()} in {found.namespace}")
    return found


class Forbidden(Exception):
    http_status = 403


def one(uuid: UUID, *, url: str | None = None) -> Json | None:
    found = many([uuid], most_runs=None, url=url)
    return found[0] if found else None


def as_left(execution: Execution, *, url: str | None = None) -> Json:
    """An aggregate at hand, its large outputs fetched."""
    shown = execution_json(execution, url=url)
    large = {run.id: run.outputs_ref for run in execution.runs.values() if run.outputs_ref is not None}
    if large:
        connection.ensure_connection()
        payloads = store.fetch_payloads(connection.connection, list(large.values()))
        for run in shown["taskRunList"]:
            if run["id"] in large:
                run["outputs"] = payloads.get(large[run["id"]])
    return shown


def many(
    uuids: Sequence[UUID],
    *,
    most_runs: int | None = MOST_RUNS_IN_A_LIST,
    runs: bool = True,
    url: str | None = None,
) -> list[Json]:
    """In the given order. Three statements whatever the number."""
    if not uuids:
        return []
    rows = {row["id"]: row for row in _rows("executions", "id = ANY(%s::uuid[])", [list(uuids)])}
    found: dict[str, list[Json]] = {key: [] for key in rows}
    if runs and rows:
        wanted = _within_limit(list(rows), most_runs)
        for run in _with_payloads(_rows("task_runs", "execution_id = ANY(%s::uuid[]) ORDER BY seq", [wanted])):
            found[run["execution_id"]].append(task_run_of_row(rows[run["execution_id"]], run))
    ordered = [str(uuid) for uuid in uuids if str(uuid) in rows]
    return [execution_of_row(rows[key], found[key], url=url) for key in ordered]


def runs_of(uuids: Sequence[UUID]) -> list[Json]:
    """Single task runs, in the given order, whatever else their executions hold."""
    runs = _with_payloads(_rows("task_runs", "id = ANY(%s::uuid[])", [list(uuids)])) if uuids else []
    owners = list({run["execution_id"] for run in runs})
    rows = {row["id"]: row for row in _rows("executions", "id = ANY(%s::uuid[])", [owners])} if owners else {}
    found = {run["id"]: task_run_of_row(rows[run["execution_id"]], run) for run in runs if run["execution_id"] in rows}
    return [found[str(uuid)] for uuid in uuids if str(uuid) in found]


def _within_limit(ids: list[str], most_runs: int | None) -> list[str]:
    if most_runs is None:
        return ids
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT execution_id::text, count(*) FROM task_runs WHERE execution_id = ANY(%s::uuid[]) GROUP BY 1",
            [ids],
        )
        counts = dict(cursor.fetchall())
    wanted, total = [], 0
    for key in ids:
        total += counts.get(key, 0)
        if total > most_runs:
            break
        wanted.append(key)
    return wanted


def _with_payloads(runs: list[Json]) -> list[Json]:
    """Outputs above 8 kB are stored apart."""
    wanted = [run["outputs_ref"] for run in runs if run["outputs_ref"] is not None and run["outputs"] is None]
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, value::text FROM payloads WHERE id = ANY(%s)", [wanted])
            values = {number: loads(text) for number, text in cursor.fetchall()}
        for run in runs:
            if run["outputs_ref"] in values:
                run["outputs"] = values[run["outputs_ref"]]
    return runs


def _rows(table: str, condition: str, parameters: list[Any]) -> list[Json]:
    """`table` and `condition` are constants of this module."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT row_to_json(r)::text FROM {table} r WHERE {condition}", parameters)
        return [loads(text) for (text,) in cursor.fetchall()]


def ids_of(uuids: Sequence[UUID]) -> list[str]:
    return [to_base62(uuid) for uuid in uuids]
