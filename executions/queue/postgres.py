"""The `queues` table: publish, claim, put back, postpone, park; notifications. Knows no handler."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from executions.codec import dumps, loads
from executions.ids import to_base62
from executions.messages import Message, to_json
from executions.named_sql import load as load_sql
from executions.store import hex_of

Json = Any
Connection = Any
SQL = load_sql(Path(__file__).with_name("queue.sql"))

WORK = "celesta_work"
JOBS = "celesta_jobs"
STREAM = "celesta_stream"
KILL = "celesta_kill"
TIMERS = "celesta_timers"

BATCH = 100
SCAN = 400  # messages looked at for a batch of executions
LATE = 1_000  # ids below the highest claimed one that are still looked at each time: late committers


@dataclass(frozen=True, slots=True)
class Received:
    """One work message out of the table: gone with the transaction that claimed it, back when that rolls back."""

    id: int
    type: str
    body: dict[str, Json]
    tries: int
    created: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """One locked execution and all its due messages in order. `row` comes for a new execution only (or on demand)."""

    execution_id: str
    version: int
    trimmed: int
    row: dict[str, Json] | None
    messages: tuple[Received, ...]


def work(execution_id: str, message: Message) -> dict[str, Json]:
    """One element of `publish_all`."""
    return {"type": message.type, "execution_id": hex_of(execution_id), "body": to_json(message)}


def publish(connection: Connection, execution_id: str, message: Message) -> None:
    publish_all(connection, [work(execution_id, message)])


def publish_all(connection: Connection, documents: Sequence[dict[str, Json]]) -> None:
    """Work (see `work`) and stream hints (see `store.hint`), in order, one statement."""
    if documents:
        connection.execute(SQL["publish"], {"document": dumps(documents)})


def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """A doorbell, delivered at the commit. Losing it costs latency, never a message."""
    connection.execute(SQL["notify"], {"channel": channel, "payload": payload})


def claim(connection: Connection, low: int = 0, batch: int = BATCH) -> list[Claimed]:
    """Lock executions that have due messages above `low` and take their messages, inside the caller's transaction."""
    rows = connection.execute(
        SQL["claim"], {"low": low, "scan": max(SCAN, 4 * batch), "batch": batch}
    ).fetchall()
    return [_claimed(row) for row in rows]


def claim_only(
    connection: Connection, execution_ids: Sequence[str], message_ids: Sequence[int] | None = None
) -> list[Claimed]:
    """The same for named executions (those locked by others are left out), whatever the messages' back-off."""
    parameters = {
        "executions": [hex_of(id_) for id_ in execution_ids],
        "messages": None if message_ids is None else list(message_ids),
    }
    return [_claimed(row) for row in connection.execute(SQL["claim_only"], parameters).fetchall()]


def put_back(connection: Connection, claimed: Iterable[Claimed], seconds: float) -> None:
    """Undo the taking within the claiming transaction; others see the messages `seconds` later."""
    rows = [
        {
            "id": message.id,
            "type": message.type,
            "execution_id": hex_of(one.execution_id),
            "body": message.body,
            "tries": message.tries,
            "created": message.created,
        }
        for one in claimed
        for message in one.messages
    ]
    if rows:
        connection.execute(SQL["put_back"], {"document": dumps(rows), "seconds": seconds})


def postpone(connection: Connection, message_ids: Sequence[int], seconds: float) -> int:
    """Back-off of messages whose handling raised; the highest number of tries so far."""
    rows = connection.execute(SQL["postpone"], {"ids": list(message_ids), "seconds": seconds}).fetchall()
    return max((int(row[0]) for row in rows), default=0)


def park(connection: Connection, message_ids: Sequence[int], error: str, reason: str) -> None:
    """Move messages to `dead_letters`; their executions get `execution.poisoned`."""
    connection.execute(SQL["park"], {"ids": list(message_ids), "error": error, "reason": reason})


def park_strays(connection: Connection, seconds: float = 30.0) -> int:
    """Messages of executions that do not exist."""
    return int(connection.execute(SQL["park_strays"], {"seconds": seconds}).rowcount)


def redrive(connection: Connection, letter_ids: Sequence[int]) -> int:
    """Give dead letters another chance; those of deleted executions stay."""
    return int(connection.execute(SQL["redrive"], {"ids": list(letter_ids)}).rowcount)


def purge(connection: Connection, execution_ids: Sequence[str]) -> None:
    """The hints of ended executions go; publish the last one after this."""
    if execution_ids:
        connection.execute(SQL["purge"], {"ids": [hex_of(id_) for id_ in execution_ids]})


def oldest_work(connection: Connection) -> tuple[int, float]:
    """How many work messages wait, and the age in seconds of the oldest."""
    count, age = connection.execute(SQL["oldest_work"]).fetchone()
    return int(count), float(age or 0.0)


def _claimed(row: Sequence[Any]) -> Claimed:
    id_, version, trimmed, text, messages = row
    return Claimed(
        execution_id=to_base62(id_ if isinstance(id_, UUID) else UUID(str(id_))),
        version=version,
        trimmed=trimmed,
        row=loads(text) if text else None,
        messages=tuple(Received(*message) for message in loads(messages)),
    )
