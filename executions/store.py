"""Rows of executions to aggregates and back, set-based, over psycopg. Decides nothing: `transitions` does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from executions.codec import cleaned, dumps, loads
from executions.ids import to_base62, to_uuid
from executions.named_sql import load as load_sql
from executions.state import Attempt, Execution, History, TaskRun
from flows.definition.states import TERMINAL, State

Json = Any
Connection = Any  # psycopg.Connection, or Django's wrapped one
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_TERMINAL = [state.value for state in TERMINAL]
_STATES = {state.value: state for state in State}


class StaleVersion(Exception):
    """The row moved on since it was loaded: it was saved without its lock."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What followers are behind of: the execution without runs, and the runs above their version."""

    execution: Execution
    runs: list[TaskRun]


# --- writing


def create(connection: Connection, executions: Sequence[Execution]) -> None:
    """Rows, `execution.created` messages and stream hints, in one statement. Notify WORK after the commit."""
    if not executions:
        return
    for execution in executions:
        execution.version = max(execution.version, 1)
    connection.execute(_SQL["create"], {"document": dumps([_created_row(e) for e in executions])})
    with_runs = [execution for execution in executions if execution.runs]
    if with_runs:
        for execution in with_runs:
            execution.touched.update(execution.runs)
        save(connection, with_runs)
    for execution in executions:
        settle(execution)


def save(connection: Connection, executions: Sequence[Execution]) -> None:
    """Bump versions and write what changed, in one statement, under the row locks. Raises StaleVersion."""
    check_saved(send(connection, executions), executions)


def send(connection: Connection, executions: Sequence[Execution]) -> Any:
    """The statement of `save` without waiting for its answer (pipelines); `check_saved` reads that."""
    return connection.execute(_SQL["save"], {"document": dumps(saved_rows(executions))})


def check_saved(cursor: Any, executions: Sequence[Execution]) -> None:
    count = cursor.fetchone()[0]
    if count != len(executions):
        raise StaleVersion(f"{len(executions) - count} of {len(executions)} executions were saved by somebody else")


def saved_rows(executions: Iterable[Execution]) -> dict[str, Json]:
    """The document of `save`; bumps versions."""
    rows: list[Json] = []
    runs: list[Json] = []
    removed: list[str] = []
    for execution in executions:
        execution.version += 1
        rows.append(_saved_row(execution))
        execution_uuid, version = hex_of(execution.id), execution.version
        for run_id in execution.touched:
            runs.append(_run_row(execution.runs[run_id], execution_uuid, version))
        removed.extend(hex_of(run_id) for run_id in execution.removed)
    return {"executions": rows, "runs": runs, "removed": removed}


def settle(execution: Execution) -> None:
    """After the commit: nothing is left to save."""
    execution.changed = False
    execution.touched.clear()
    execution.removed.clear()


def hint(execution: Execution) -> dict[str, Json]:
    """The stream message of a saved step, for `queue.publish_all`."""
    return {
        "stream": True,
        "type": "execution",
        "execution_id": hex_of(execution.id),
        "body": {"version": execution.version, "state": execution.state.value},
    }


def write_logs(connection: Connection, lines: Sequence[dict[str, Json]]) -> None:
    """Rows of `logs` (keys as columns, ids in hex) and one stream hint per execution."""
    if lines:
        connection.execute(_SQL["logs"], {"document": dumps(lines)})


def add_payload(connection: Connection, execution_id: str, value: Json) -> int:
    """Store a large value once; the id is its reference."""
    row = connection.execute(
        _SQL["add_payload"], {"execution_id": hex_of(execution_id), "value": dumps(value)}
    ).fetchone()
    return int(row[0])


def fail_hard(connection: Connection, execution_id: str, reason: str) -> dict[str, Json] | None:
    """End an execution that cannot be loaded, by SQL alone. The `parent_task_run` of one that was still open."""
    parameters = {"id": hex_of(execution_id), "reason": cleaned(reason), "terminal": _TERMINAL}
    row = connection.execute(_SQL["fail_hard"], parameters).fetchone()
    return loads(row[0]) if row and row[0] else None


# --- reading


def load(connection: Connection, execution_id: str) -> Execution | None:
    """Read only: for the API, followers, tests."""
    found = load_all(connection, [execution_id])
    return found[0] if found else None


def load_all(connection: Connection, ids: Sequence[str], *, lock: bool = False) -> list[Execution]:
    """Executions with all their task runs; unknown ids are left out. With `lock`, in id order, FOR UPDATE."""
    name = "executions_locked" if lock else "executions"
    rows = connection.execute(_SQL[name], {"ids": [hex_of(id_) for id_ in ids]}).fetchall()
    executions = {execution.id: execution for execution in (read_execution(loads(row[0])) for row in rows)}
    fill(connection, executions)
    return list(executions.values())


def lock_and_load(connection: Connection, execution_id: str) -> Execution | None:
    """For a user's action: the aggregate under its row lock."""
    found = load_all(connection, [execution_id], lock=True)
    return found[0] if found else None


def read_scalars(connection: Connection, ids: Sequence[str]) -> list[Execution]:
    """Without task runs: for `fill` and `refresh`."""
    if not ids:
        return []
    rows = connection.execute(_SQL["executions"], {"ids": [hex_of(id_) for id_ in ids]}).fetchall()
    return [read_execution(loads(text)) for (text,) in rows]


def fill(connection: Connection, executions: dict[str, Execution]) -> None:
    """Add the task runs of freshly read executions."""
    if not executions:
        return
    ids = [hex_of(id_) for id_ in executions]
    for (text,) in connection.execute(_SQL["task_runs"], {"ids": ids}).fetchall():
        row = loads(text)
        executions[base62_of(row["execution_id"])].add(read_run(row))
    for execution in executions.values():
        settle(execution)


def refresh(connection: Connection, stale: Sequence[tuple[Execution, Execution]]) -> None:
    """Bring (copy in memory, freshly read row without runs) pairs up to date, at the cost of what changed."""
    if not stale:
        return
    copies = {copy.id: copy for copy, _ in stale}
    since = [{"id": hex_of(copy.id), "since": copy.version} for copy, _ in stale]
    rows = connection.execute(_SQL["task_runs_since"], {"document": dumps(since)}).fetchall()
    for (text,) in rows:
        row = loads(text)
        copies[base62_of(row["execution_id"])].add(read_run(row))
    for copy, fresh in stale:
        for name in _SCALARS:
            setattr(copy, name, getattr(fresh, name))
        settle(copy)


def changes_since(connection: Connection, execution_id: str, version: int) -> Changes | None:
    """For followers. None: there is no such execution."""
    rows = connection.execute(_SQL["executions"], {"ids": [hex_of(execution_id)]}).fetchall()
    if not rows:
        return None
    document = dumps([{"id": hex_of(execution_id), "since": version}])
    runs = connection.execute(_SQL["task_runs_since"], {"document": document}).fetchall()
    return Changes(read_execution(loads(rows[0][0])), [read_run(loads(text)) for (text,) in runs])


def live_children(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Executions started by these that are not over."""
    parameters = {"ids": [hex_of(id_) for id_ in ids], "terminal": _TERMINAL}
    return [to_base62(row[0]) for row in connection.execute(_SQL["live_children"], parameters)]


def existing(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the executions that are (still) there."""
    rows = connection.execute(_SQL["existing"], {"ids": [hex_of(id_) for id_ in ids]}).fetchall()
    return {to_base62(row[0]) for row in rows}


def outputs_of_children(
    connection: Connection, execution_id: str, task_id: str, parent_run: str | None
) -> tuple[Json, list[tuple[int, Json]]]:
    """Of the latest run of a task below a run: its own outputs, and those of the executions that it has started, with
    their iterations, in that order."""
    parameters = {"execution": hex_of(execution_id), "task": task_id, "parent": _hex_or_none(parent_run)}
    row = connection.execute(_SQL["sibling_run"], parameters).fetchone()
    if row is None:
        return {}, []
    parameters = {"execution": hex_of(execution_id), "run": to_base62(row[0])}
    found = connection.execute(_SQL["children_outputs"], parameters)
    return loads(row[1]), [(iteration, loads(text)) for iteration, text in found]


def fetch_payloads(connection: Connection, ids: Sequence[int]) -> dict[int, Json]:
    """The large values behind `outputs_ref`."""
    rows = connection.execute(_SQL["payloads"], {"ids": list(ids)}).fetchall()
    return {int(id_): loads(text) for id_, text in rows}


# --- rows and values


def hex_of(text_id: str) -> str:
    """An id as PostgreSQL reads a uuid."""
    return to_uuid(text_id).hex


@lru_cache(maxsize=65_536)
def base62_of(uuid_text: str) -> str:
    return to_base62(UUID(uuid_text))


def date_of(text: str | None) -> datetime | None:
    return None if text is None else _moment(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _hex_or_none(text_id: str | None) -> str | None:
    return None if text_id is None else hex_of(text_id)


def _text_or_none(uuid_text: str | None) -> str | None:
    return None if uuid_text is None else base62_of(uuid_text)


def _histories(rows: Sequence[Sequence[str]]) -> list[History]:
    return [(_STATES[state], _moment(moment)) for state, moment in rows]


def _saved_row(execution: Execution) -> dict[str, Json]:
    ended = execution.state.is_terminal
    return {
        "id": hex_of(execution.id),
        "flow_revision": execution.flow_revision,
        "state": execution.state.value,
        "histories": execution.histories,
        "version": execution.version,
        "labels": execution.labels,
        "variables": execution.variables,
        "outputs": execution.outputs,
        "attempt_number": execution.attempt_number,
        "deleted": execution.deleted,
        "error": execution.error,
        "memory": execution.memory,
        "trimmed": execution.version if execution.removed else 0,
        "schedule_date": execution.schedule_date,
        "end_date": execution.histories[-1][1] if ended else None,
        "parent_task_run": execution.parent_task_run,
    }


def _created_row(execution: Execution) -> dict[str, Json]:
    return {
        **_saved_row(execution),
        "namespace": execution.namespace,
        "flow_id": execution.flow_id,
        "inputs": execution.inputs,
        "trigger": execution.trigger,
        "parent_id": _hex_or_none(execution.parent_id),
        "original_id": hex_of(execution.original_id or execution.id),
        "trigger_execution_id": _hex_or_none(starter_of(execution)),
        "depth": execution.depth,
        "original_created": execution.original_created,
        "kind": execution.kind,
        "start_date": execution.histories[0][1],
    }


def starter_of(execution: Execution) -> str | None:
    """The execution that started this one (Subflow, flow trigger): told by its trigger's variables."""
    variables = (execution.trigger or {}).get("variables") or {}
    starter = (execution.parent_task_run or {}).get("executionId") or variables.get("executionId")
    try:
        to_uuid(str(starter))
    except ValueError:
        return None
    return str(starter)


def _run_row(run: TaskRun, execution_uuid: str, version: int) -> dict[str, Json]:
    return {
        "id": hex_of(run.id),
        "execution_id": execution_uuid,
        "task_id": run.task_id,
        "parent_id": _hex_or_none(run.parent_id),
        "value": run.value,
        "iteration": run.iteration,
        "state": run.state.value,
        "histories": run.histories,
        "attempts": [
            {"token": a.token, "state": a.state, "histories": a.histories, "worker": a.worker, "lost": a.lost}
            | ({"log_file": a.log_file} if a.log_file else {})
            for a in run.attempts
        ],
        "outputs": run.outputs,
        "outputs_ref": run.outputs_ref,
        "dynamic": run.dynamic,
        "memory": run.memory,
        "seq": run.seq,
        "version": version,
    }


_SCALARS = (
    "flow_revision", "state", "histories", "version", "inputs", "labels", "variables", "outputs", "trigger",
    "parent_id", "original_id", "parent_task_run", "depth", "schedule_date", "attempt_number",
    "original_created", "kind", "deleted", "error", "memory",
)  # fmt: skip


def read_execution(row: dict[str, Json]) -> Execution:
    """From `row_to_json`; without task runs."""
    return Execution(
        id=base62_of(row["id"]),
        namespace=row["namespace"],
        flow_id=row["flow_id"],
        flow_revision=row["flow_revision"],
        state=_STATES[row["state"]],
        histories=_histories(row["histories"]),
        version=row["version"],
        inputs=row["inputs"],
        labels=row["labels"],
        variables=row["variables"],
        outputs=row["outputs"],
        trigger=row["trigger"],
        parent_id=_text_or_none(row["parent_id"]),
        original_id=_text_or_none(row["original_id"]) or "",
        parent_task_run=row["parent_task_run"],
        depth=row["depth"],
        schedule_date=date_of(row["schedule_date"]),
        attempt_number=row["attempt_number"],
        original_created=date_of(row["original_created"]),
        kind=row["kind"],
        deleted=row["deleted"],
        error=row["error"],
        memory=row["memory"],
    )


def read_run(row: dict[str, Json]) -> TaskRun:
    return TaskRun(
        id=base62_of(row["id"]),
        task_id=row["task_id"],
        state=_STATES[row["state"]],
        histories=_histories(row["histories"]),
        parent_id=_text_or_none(row["parent_id"]),
        value=row["value"],
        iteration=row["iteration"],
        attempts=[
            Attempt(
                a["token"], _STATES[a["state"]], _histories(a["histories"]), a["worker"], a["lost"], a.get("log_file")
            )
            for a in row["attempts"]
        ],
        outputs=row["outputs"],
        outputs_ref=row["outputs_ref"],
        dynamic=row["dynamic"],
        seq=row["seq"],
        memory=row["memory"],
    )
