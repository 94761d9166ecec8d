"""Rows of running processes: enlist, beat, look at the others, bury the dead. Decides nobody's death."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executions.codec import dumps
from executions.named_sql import load as load_sql

Json = Any
Connection = Any
_SQL = load_sql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Service:
    """What another process looks like: its last heartbeat, and whether its session lock is free."""

    id: str
    kind: str
    beat: str
    is_unlocked: bool


def lock(connection: Connection, lock_key: int) -> None:
    """The session lock that tells of the process's death: taken before the row is written."""
    connection.execute("SELECT pg_advisory_lock(%s)", (lock_key,))


def enlist(connection: Connection, row: dict[str, Json], facts: dict[str, Json]) -> None:
    connection.execute(_SQL["enlist"], {**row, "facts": dumps(facts)})


def beat(connection: Connection, service_id: str, state: str, facts: dict[str, Json]) -> bool:
    """False: somebody held this process for dead and removed its row."""
    parameters = {"id": service_id, "state": state, "facts": dumps(facts)}
    return bool(connection.execute(_SQL["beat"], parameters).rowcount)


def leave(connection: Connection, service_id: str) -> None:
    connection.execute(_SQL["leave"], {"id": service_id})


def others(connection: Connection, service_id: str) -> list[Service]:
    return [Service(*row) for row in connection.execute(_SQL["look"], {"self": service_id}).fetchall()]


def bury(connection: Connection, services: Sequence[Service]) -> list[tuple[str, str]]:
    """Remove rows whose heartbeat is still the one seen, and end the sessions of such executors; (id, kind) of them."""
    document = dumps([{"id": service.id, "beat": service.beat} for service in services])
    return [(row[0], row[1]) for row in connection.execute(_SQL["bury"], {"document": document}).fetchall()]
