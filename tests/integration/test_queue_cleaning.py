"""Retention of stream messages: by the command and by the cleaner of a running executor. Work is never touched."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from executions.queue import cleaning
from tests.plant import Plant, django_on, eventually

# (type, stream, age in hours)
ROWS = [
    ("execution", True, 24 * 8),
    ("execution", True, 24 * 6),
    ("log", True, 2),
    ("log", True, 0.5),
    ("metric", True, 2),
    ("audit", True, 2),
    ("audit", True, 24 * 8),
    ("task.finished", False, 24 * 30),
]
KEPT = [("execution", 144), ("log", 0), ("task.finished", 720)]


@pytest.fixture
def connection(database: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("TRUNCATE queues")
        fill(opened)
        yield opened


def fill(connection: Any) -> None:
    """The work message is not due yet, so that no executor takes it."""
    for type_, stream, hours in ROWS:
        connection.execute(
            "INSERT INTO queues (stream, type, execution_id, body, tries, not_before, created) VALUES (%s, %s,"
            " gen_random_uuid(), '{}', 0, CASE WHEN %s THEN NULL ELSE now() + interval '1 day' END,"
            " now() - make_interval(secs => %s * 3600))",
            [stream, type_, stream, hours],
        )


def left(connection: Any) -> list[tuple[str, int]]:
    rows = connection.execute(
        "SELECT type, floor(extract(epoch FROM now() - created) / 3600)::int FROM queues ORDER BY type, created DESC"
    )
    return [(row[0], row[1]) for row in rows.fetchall()]


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("clean_queues", *arguments, stdout=out)
    return out.getvalue()


def test_logs_metrics_and_audit_go_after_an_hour_the_rest_after_a_week(connection: Any) -> None:
    text = said()
    assert left(connection) == KEPT
    assert "before: 8 rows" in text and "after: 3 rows" in text and "removed 5" in text
    assert any("execution" in line and "bytes" in line for line in text.splitlines())


def test_a_dry_run_tells_and_removes_nothing(connection: Any) -> None:
    text = said("--dry-run")
    assert len(left(connection)) == len(ROWS)
    for line in ("would remove 2 of audit", "would remove 1 of execution", "would remove 1 of log"):
        assert line in text
    assert "task.finished" not in text.partition("would remove")[2]


def test_one_type_or_another_age_can_be_asked_for(connection: Any) -> None:
    said("--type", "log", "--older-than", "PT0S")
    assert [name for name, _ in left(connection)].count("log") == 0
    assert len(left(connection)) == len(ROWS) - 2
    said("--older-than", "P7D")
    assert left(connection) == [("audit", 2), ("execution", 144), ("metric", 2), ("task.finished", 720)]
    with pytest.raises(CommandError, match="no ISO 8601 duration"):
        said("--older-than", "a week")


def test_it_deletes_in_bounded_batches(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "BATCH", 3)
    connection.execute("TRUNCATE queues")
    for _ in range(3):
        fill(connection)
    [rule] = cleaning.rules(timedelta(days=7), timedelta(hours=1), older_than=timedelta(0))
    batches = list(cleaning.clean(connection, [rule]))
    assert sum(batches) == 21 and max(batches) <= 3
    assert {name for name, _ in left(connection)} == {"task.finished"}


def test_one_session_cleans_at_a_time(connection: Any, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        assert cleaning.take_turn(connection)
        assert not cleaning.take_turn(other)
        cleaning.end_turn(connection)
        assert cleaning.take_turn(other)


def test_a_running_executor_cleans_by_itself(fresh_database: str, tmp_path: Path, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), django_on(fresh_database):
        plant = Plant(fresh_database, tmp_path)
        fill(plant.connection)
        plant.connection.execute("DELETE FROM queues WHERE NOT stream")
        try:
            plant.executor(QUEUES_CLEAN_INTERVAL="PT1S").wait_until_ready()
            eventually(lambda: left(plant.connection) == KEPT[:2], 15, lambda: f"the cleaning: {plant.left()}")
        finally:
            plant.end()
