"""The `queues` table: publish, claim, put back, postpone, park; notifications. Knows no handler."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from executions.codec import cleaned, dumps, loads
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
DEEP_SCAN = 50_000  # the same where a single execution may have thousands of them, and is locked
LATE = 1_000  # ids below the highest claimed one that are still looked at each time: late committers


@dataclass(frozen=True, slots=True)
class Received:
    """One work message, gone with the transaction that claimed it and back when that rolls back."""

    id: int
    type: str
    body: dict[str, Json]
    tries: int
    created: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """One locked execution and all its due messages in order. `row` comes for a new execution (or on demand)."""

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


def notify_all(connection: Connection, channels: Sequence[str]) -> None:
    """Several doorbells, one statement."""
    connection.execute(SQL["notify_all"], {"channels": list(channels)})


def ring(connection: Connection, channels: Iterable[str]) -> None:
    """Doorbells after the commit, on a connection in autocommit mode: commits that notify wait for each other's disk
    writes."""
    connection.execute(SQL["ring"], {"channels": list(channels)})


def claim(connection: Connection, low: int = 0, batch: int = BATCH, scan: int = SCAN) -> list[Claimed]:
    """Lock executions that have due messages above `low` and take their messages, inside the caller's transaction.

    Of the oldest `scan` messages only: those of locked executions are passed over, but they are counted."""
    rows = connection.execute(SQL["claim"], {"low": low, "scan": scan, "batch": batch}).fetchall()
    return [_claimed(row) for row in rows]


def claim_only(
    connection: Connection, execution_ids: Sequence[str], message_ids: Sequence[int] | None = None
) -> list[Claimed]:
    """The same for named executions (but those locked by others), whatever the messages' back-off."""
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


def hide(connection: Connection, message_ids: Sequence[int], seconds: float) -> None:
    """Messages that were put back stay invisible for so long from now."""
    connection.execute(SQL["hide"], {"ids": list(message_ids), "seconds": seconds})


def postpone(connection: Connection, message_ids: Sequence[int], seconds: float) -> int:
    """Back-off of messages whose handling raised; the highest number of tries so far."""
    rows = connection.execute(SQL["postpone"], {"ids": list(message_ids), "seconds": seconds}).fetchall()
    return max((int(row[0]) for row in rows), default=0)


def park(connection: Connection, message_ids: Sequence[int], error: str, reason: str) -> None:
    """Move messages to `dead_letters`; their executions get `execution.poisoned`."""
    parameters = {"ids": list(message_ids), "error": cleaned(error), "reason": cleaned(reason)}
    connection.execute(SQL["park"], parameters)


def park_strays(connection: Connection, seconds: float = 30.0) -> int:
    """Messages of executions that do not exist."""
    return int(connection.execute(SQL["park_strays"], {"seconds": seconds}).rowcount)


def redrive(connection: Connection, letter_ids: Sequence[int]) -> int:
    """Give dead letters another chance; those of deleted executions stay."""
    return int(connection.execute(SQL["redrive"], {"ids": list(letter_ids)}).rowcount)


def purge(connection: Connection, execution_ids: Sequence[str]) -> None:
    """The hints and timers of ended executions go; publish the last hint after this."""
    if execution_ids:
        connection.execute(SQL["purge"], {"ids": [hex_of(id_) for id_ in execution_ids]})


# --- timers


def set_timers(connection: Connection, timers: Sequence[dict[str, Json]]) -> None:
    """Documents with execution_id (hex), kind, key, due, variables; one per key, a later one replaces."""
    if timers:
        connection.execute(SQL["set_timers"], {"document": dumps(timers)})


def seconds_to_next_timer(connection: Connection) -> float | None:
    """None: no timer is set. Negative: it is late."""
    value = connection.execute(SQL["next_timer"]).fetchone()[0]
    return None if value is None else float(value)


def fire_timers(connection: Connection) -> int:
    """Turn due timers into messages, in one statement; how many."""
    return int(connection.execute(SQL["fire_timers"]).fetchone()[0])


# --- jobs


@dataclass(frozen=True, slots=True)
class Job:
    """What a broker of another kind must be told of a job."""

    id: int
    queue: str
    token: str
    light: bool


def add_jobs(connection: Connection, jobs: Sequence[dict[str, Json]]) -> Any:
    """Documents with queue, execution_id, task_run_id, token (hex), task_type, light, payload. See `read_jobs`."""
    return connection.execute(SQL["add_jobs"], {"document": dumps(jobs)}) if jobs else None


def read_jobs(cursor: Any) -> list[Job]:
    return [Job(id_, name, to_base62(token), light) for id_, name, token, light in cursor]


def stop_jobs(connection: Connection, task_run_ids: Sequence[str]) -> tuple[int, int]:
    """How many ended here because nobody had them yet, and how many were marked for their workers."""
    row = connection.execute(SQL["stop_jobs"], {"ids": [hex_of(id_) for id_ in task_run_ids]}).fetchone()
    return int(row[0]), int(row[1])


def lose_jobs(connection: Connection, seconds: float) -> list[tuple[str, str, str]]:
    """End the attempts of workers that do not exist: (execution, task run, worker). Claims younger are spared."""
    rows = connection.execute(SQL["lose_jobs"], {"seconds": seconds}).fetchall()
    return [(to_base62(execution_id), run_id, worker) for execution_id, run_id, worker in rows]


def served_queues(connection: Connection) -> set[str]:
    """Queues that a living worker listens to."""
    return {row[0] for row in connection.execute(SQL["served_queues"])}


def unclaimed_jobs(connection: Connection, seconds: float) -> list[Job]:
    """Jobs nobody took for so long."""
    return read_jobs(connection.execute(SQL["unclaimed_jobs"], {"seconds": seconds}))


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
