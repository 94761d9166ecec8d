"""Removes old stream messages in bounded batches and tells what the table holds. Work is never touched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from executions.queue.postgres import SQL

Connection = Any
BATCH = 5_000
# Many rows per execution: kept for a shorter time.
HIGH_CARDINALITY = ("log", "metric", "audit")
_LOCK = 7_412_001  # one cleaner at a time


@dataclass(frozen=True, slots=True)
class Size:
    """What one type of message takes."""

    is_stream: bool
    type: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Which messages are old: `types` None means all but `but`."""

    types: tuple[str, ...] | None
    but: tuple[str, ...]
    age: timedelta

    @property
    def parameters(self) -> dict[str, Any]:
        types = None if self.types is None else list(self.types)
        return {"types": types, "not_types": list(self.but), "seconds": self.age.total_seconds()}


def rules(
    retention: timedelta,
    high_cardinality: timedelta,
    *,
    only: str | None = None,
    older_than: timedelta | None = None,
) -> list[Rule]:
    """The retentions in force, narrowed to one type or set to one age."""
    if only is not None:
        age = high_cardinality if only in HIGH_CARDINALITY else retention
        return [Rule((only,), (), older_than if older_than is not None else age)]
    if older_than is not None:
        return [Rule(None, (), older_than)]
    return [Rule(HIGH_CARDINALITY, (), high_cardinality), Rule(None, HIGH_CARDINALITY, retention)]


def sizes(connection: Connection) -> list[Size]:
    return [Size(*row) for row in connection.execute(SQL["sizes"]).fetchall()]


def count(connection: Connection, wanted: Sequence[Rule]) -> dict[str, int]:
    """What `clean` would remove, by type."""
    found: dict[str, int] = {}
    for rule in wanted:
        for type_name, number in connection.execute(SQL["count_old"], rule.parameters).fetchall():
            found[type_name] = found.get(type_name, 0) + int(number)
    return found


def clean(connection: Connection, wanted: Sequence[Rule]) -> Iterator[int]:
    """Rows removed, batch by batch; each is a transaction of its own on an autocommit connection."""
    for rule in wanted:
        after = 0
        while True:
            parameters = {**rule.parameters, "after": after, "batch": BATCH}
            last, removed = connection.execute(SQL["clean"], parameters).fetchone()
            if last is None:
                break
            after = last
            yield int(removed)


def take_turn(connection: Connection) -> bool:
    """Whether this session is the one that cleans now; `end_turn` lets others."""
    return bool(connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()[0])


def end_turn(connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
