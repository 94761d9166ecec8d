"""Removes what the retention rules give up, in bounded batches, or tells what it would be. Deletes nothing that runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from executions import erase
from executions.ids import to_base62
from executions.retention import ENDED, PARTS, Rule
from executions.storage.base import Storage

Json = Any
Connection = Any
BATCH = 500
_FIRST = UUID(int=0)


@dataclass(slots=True)
class Tally:
    """What went, or would go."""

    executions: int = 0
    task_runs: int = 0
    logs: int = 0
    metrics: int = 0
    files: int = 0
    bytes: int = 0

    def add(self, other: "Tally") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def apply(
    connection: Connection,
    storage: Storage,
    rules: Sequence[Rule],
    *,
    dry_run: bool = False,
    span: timedelta | None = None,
) -> Iterator[tuple[str, Tally]]:
    """Part by part and batch by batch, each a transaction of its own; (part, what went in this batch).

    With `span`, files are looked for only with executions that came of age within it: folders tell nothing by index."""
    for number, rule in enumerate(rules):
        for part in PARTS:
            age = getattr(rule, part)
            if age is not None:
                for ids in _batches(connection, rule, rules[:number], part, age, span):
                    yield part, _remove(connection, storage, part, ids, dry_run)


def _batches(
    connection: Connection,
    rule: Rule,
    before: Sequence[Rule],
    part: str,
    age: timedelta,
    span: timedelta | None,
) -> Iterator[list[UUID]]:
    """Ids of ended executions that this rule decides on, in ascending order."""
    this, parameters = rule.condition()
    others = [one.condition() for one in before]
    excluded = " OR ".join(text for text, _ in others) or "false"
    if part in ("logs", "metrics"):
        this += f" AND EXISTS (SELECT 1 FROM {part} x WHERE x.execution_id = e.id)"
    elif part == "files" and span is not None:
        this += " AND e.end_date > clock_timestamp() - make_interval(secs => %s)"
        parameters.append((age + span).total_seconds())
    query = (
        f"SELECT e.id FROM executions e WHERE e.state = ANY(%s) AND e.id > %s::uuid"
        f" AND e.end_date < clock_timestamp() - make_interval(secs => %s) AND {this} AND NOT ({excluded})"
        f" ORDER BY e.id LIMIT {BATCH}"
    )
    parameters += [value for _, values in others for value in values]
    after = _FIRST
    while True:
        rows = connection.execute(query, [ENDED, after, age.total_seconds(), *parameters]).fetchall()
        if not rows:
            return
        yield [row[0] for row in rows]
        after = rows[-1][0]


def _remove(connection: Connection, storage: Storage, part: str, ids: list[UUID], dry_run: bool) -> Tally:
    gone = _weigh(connection, part, ids)
    if part == "files":
        places = _places(connection, ids)
        gone.files = erase.count_files(storage, places) if dry_run else erase.erase_files(storage, places)
    elif dry_run:
        pass
    elif part == "executions":
        with connection.transaction():
            erased = erase.erase(connection, [to_base62(one) for one in ids])
        gone.files = erase.erase_files(storage, erased)
    else:
        connection.execute(f"DELETE FROM {part} WHERE execution_id = ANY(%s::uuid[])", [ids])
    return gone


def _weigh(connection: Connection, part: str, ids: list[UUID]) -> Tally:
    """Rows and bytes that a part takes in the database."""
    gone = Tally()
    tables = ("executions", "task_runs", "logs", "metrics") if part == "executions" else (part,)
    for table in tables:
        if part == "files":
            continue
        key = "id" if table == "executions" else "execution_id"
        rows, size = connection.execute(
            f"SELECT count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint FROM {table} t"
            f" WHERE {key} = ANY(%s::uuid[])",
            [ids],
        ).fetchone()
        setattr(gone, table, rows)
        gone.bytes += size
    return gone


def _places(connection: Connection, ids: list[UUID]) -> list[tuple[str, str, str]]:
    query = "SELECT namespace, flow_id, id FROM executions WHERE id = ANY(%s::uuid[])"
    rows = connection.execute(query, [ids]).fetchall()
    return [(row[0], row[1], to_base62(row[2])) for row in rows]
