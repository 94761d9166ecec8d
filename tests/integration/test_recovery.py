"""Who is held for dead, and who is not."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from executor import recovery
from executor.clock import Clock
from executor.recovery import Recovery

KEY = 7_001


@pytest.fixture
def worker(database: str) -> Iterator["psycopg.Connection[Any]"]:
    """The session of a worker that is alive: it holds its lock."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE service_instances, worker_jobs")
        connection.execute("SELECT pg_advisory_lock(%s)", [KEY])
        connection.execute(
            "INSERT INTO service_instances (id, kind, host, pid, lock_key, queues, threads, state, started, beat, facts)"
            " VALUES ('w', 'worker', 'h', 1, %s, '[]', 1, 'RUNNING', now(), now(), '{}')",
            [KEY],
        )
        yield connection


@pytest.fixture
def sweeper(worker: Any, database: str) -> Iterator[Recovery]:
    """It has long watched, without a thread of its own."""
    one = Recovery(Clock(), 1, None)
    one._connected()
    one._since -= 3600
    yield one
    one._end()


def sweep(sweeper: Recovery, now: float) -> None:
    sweeper._sweep(sweeper._connected(), now)


def is_there(worker: Any) -> bool:
    return bool(worker.execute("SELECT count(*) FROM service_instances WHERE id = 'w'").fetchone()[0])


def test_a_jump_of_the_databases_clock_kills_nobody(worker: Any, sweeper: Recovery) -> None:
    now = sweeper._since + 3600
    # What the machine's sleep or a clock set right makes of the last heartbeat.
    worker.execute("UPDATE service_instances SET beat = beat - interval '1 hour' WHERE id = 'w'")
    sweep(sweeper, now)
    assert is_there(worker)
    worker.execute("UPDATE service_instances SET beat = clock_timestamp() WHERE id = 'w'")
    for second in range(20):
        worker.execute("UPDATE service_instances SET beat = clock_timestamp() WHERE id = 'w'")
        sweep(sweeper, now + second)
    assert is_there(worker)


def test_a_sweeper_that_stood_still_itself_does_not_count_that_as_silence(worker: Any, sweeper: Recovery) -> None:
    now = sweeper._since + 3600
    sweep(sweeper, now)
    sweep(sweeper, now + 3600)
    assert is_there(worker)


def test_a_silent_service_is_dead_after_a_while_that_was_watched(worker: Any, sweeper: Recovery) -> None:
    now = start = sweeper._since + 3600
    while is_there(worker):
        sweep(sweeper, now)
        now += recovery.EVERY
        assert now - start < 2 * recovery.SILENCE
    assert now - start >= recovery.SILENCE
