"""Executions counted by flow, and purged in batches, for tasks. SQL only; nothing here decides who may."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from executions import erase, named_sql
from executions.ids import to_base62
from executions.storage.base import Storage

Json = Any
Connection = Any
_SQL = named_sql.load(Path(__file__).with_suffix(".sql"))
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions; None: any. `flows` are (namespace, flow id); a `prefix` also means the namespaces below."""

    flows: Sequence[tuple[str, str]] | None = None
    namespaces: Sequence[str] | None = None
    prefix: str | None = None
    states: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Json]:
        flows = self.flows or ()
        return {
            "flow_namespaces": None if self.flows is None else [namespace for namespace, _ in flows],
            "flow_ids": None if self.flows is None else [flow_id for _, flow_id in flows],
            "namespaces": None if self.namespaces is None else list(self.namespaces),
            "prefix": self.prefix,
            "states": None if self.states is None else list(self.states),
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True, slots=True)
class Count:
    namespace: str
    flow_id: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What of an execution goes."""

    executions: bool = True
    logs: bool = True
    metrics: bool = True
    files: bool = True


@dataclass(slots=True)
class Purged:
    executions: int = 0
    logs: int = 0
    metrics: int = 0
    files: int = 0


def count(connection: Connection, wanted: Wanted) -> list[Count]:
    """One per flow, or per namespace where only those are named; what is asked for by name is told also when it has none."""
    by_flow = wanted.flows is not None or wanted.namespaces is None
    rows = connection.execute(_SQL["count_flows" if by_flow else "count_namespaces"], wanted.parameters()).fetchall()
    found = {(row[0], row[1]): row[2] for row in rows}
    for flow in wanted.flows or ():
        found.setdefault(flow, 0)
    if not by_flow:
        for namespace in wanted.namespaces or ():
            found.setdefault((namespace, None), 0)
    return [Count(namespace, flow_id, number) for (namespace, flow_id), number in sorted(found.items(), key=str)]


def purge(connection: Connection, storage: Storage, wanted: Wanted, parts: Parts) -> Purged:
    """Ended executions only, each batch in its own transaction; files go after the rows are gone."""
    done = Purged()
    for batch in _batches(connection, wanted):
        ids = {"ids": [execution_id for execution_id, _, _ in batch]}
        with connection.transaction():
            if parts.logs:
                done.logs += connection.execute(erase.SQL["logs"], ids).rowcount
            if parts.metrics:
                done.metrics += connection.execute(erase.SQL["metrics"], ids).rowcount
            if parts.executions:
                connection.execute(erase.SQL["lock"], ids)
                done.executions += connection.execute(erase.SQL["executions"], ids).rowcount
        if parts.files:
            places = [(namespace, flow_id, to_base62(execution_id)) for execution_id, namespace, flow_id in batch]
            done.files += erase.erase_files(storage, places)
    return done


def _batches(connection: Connection, wanted: Wanted) -> Iterator[list[tuple[Any, str, str]]]:
    after = None
    while True:
        parameters = {**wanted.parameters(), "after": after, "limit": _BATCH}
        found = connection.execute(_SQL["ended"], parameters).fetchall()
        if found:
            yield found
        if len(found) < _BATCH:
            return
        after = found[-1][0]
