"""Ended executions leave by the retention rules, with all that is theirs; nothing else does."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from executions import purging, retention, store
from executions.state import Execution
from executions.storage.base import execution_prefix, uri_of
from executions.storage.local import LocalStorage
from flows.definition.states import State
from tests.builders import a_run, an_execution

NOW = datetime.now(UTC)


@pytest.fixture
def connection(database: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("TRUNCATE executions, task_runs, queues, logs, metrics")
        yield opened


def ended(connection: Any, days: int, state: State = State.SUCCESS, **changes: Any) -> Execution:
    """An execution with one task run and one log line, ended so many days ago."""
    began = NOW - timedelta(days=days, minutes=1)
    execution = an_execution(histories=[(State.CREATED, began)], **changes)
    with connection.transaction():
        store.create(connection, [execution])
        execution.add(a_run())
        if state is not State.CREATED:
            execution.move(State.RUNNING, began)
        if state.is_terminal:
            execution.move(state, NOW - timedelta(days=days))
        store.save(connection, [execution])
        connection.execute(
            "INSERT INTO logs (execution_id, namespace, flow_id, attempt, level, message, thread, timestamp)"
            " VALUES (%s, %s, %s, 0, 2, 'line', '', now())",
            [store.hex_of(execution.id), execution.namespace, execution.flow_id],
        )
    return execution


def left(connection: Any) -> set[str]:
    return {row[0] for row in connection.execute("SELECT replace(id::text, '-', '') FROM executions")}


def names(*executions: Execution) -> set[str]:
    return {store.hex_of(one.id).replace("-", "") for one in executions}


def purge(connection: Any, storage: LocalStorage, *rules: dict[str, Any], dry_run: bool = False) -> purging.Tally:
    total = purging.Tally()
    for _, gone in purging.apply(connection, storage, retention.read(list(rules)), dry_run=dry_run):
        total.add(gone)
    return total


def test_what_is_older_than_its_rule_goes_with_runs_logs_and_files(connection: Any, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    old, young, running = ended(connection, 40), ended(connection, 1), ended(connection, 40, State.RUNNING)
    address = uri_of(execution_prefix(old.namespace, old.flow_id, old.id) + "/a.txt")
    storage.put(address, b"x")
    gone = purge(connection, storage, {"executions": "P30D"})
    assert left(connection) == names(young, running)
    assert (gone.executions, gone.task_runs, gone.logs, gone.files) == (1, 1, 1, 1)
    assert gone.bytes > 0
    assert not storage.exists(address)
    assert connection.execute("SELECT count(*) FROM task_runs").fetchone() == (2,)


def test_a_dry_run_tells_the_same_and_removes_nothing(connection: Any, tmp_path: Path) -> None:
    old = ended(connection, 40)
    told = purge(connection, LocalStorage(tmp_path), {"executions": "P30D"}, dry_run=True)
    assert left(connection) == names(old)
    assert told == purge(connection, LocalStorage(tmp_path), {"executions": "P30D"})
    assert left(connection) == set()


def test_the_first_rule_that_matches_decides(connection: Any, tmp_path: Path) -> None:
    kept = ended(connection, 40, namespace="company.audit")
    failed = ended(connection, 40, State.FAILED)
    ended(connection, 40)
    purge(
        connection,
        LocalStorage(tmp_path),
        {"namespace": "company.audit", "executions": "P365D"},
        {"states": ["FAILED"], "executions": "P90D"},
        {"executions": "P30D"},
    )
    assert left(connection) == names(kept, failed)


def test_logs_alone_may_go(connection: Any, tmp_path: Path) -> None:
    old = ended(connection, 40)
    gone = purge(connection, LocalStorage(tmp_path), {"logs": "P7D"})
    assert (gone.executions, gone.logs) == (0, 1)
    assert left(connection) == names(old)
    assert connection.execute("SELECT count(*) FROM logs").fetchone() == (0,)


def test_a_namespace_means_those_below_it_but_not_one_that_begins_alike(connection: Any, tmp_path: Path) -> None:
    other = ended(connection, 40, namespace="companyx")
    ended(connection, 40, namespace="company.team.deep")
    purge(connection, LocalStorage(tmp_path), {"namespace": "company", "executions": "P30D"})
    assert left(connection) == names(other)


@pytest.mark.django_db(transaction=True)
def test_the_command_says_what_it_did(connection: Any, settings: Any, tmp_path: Path) -> None:
    ended(connection, 40)
    answer = io.StringIO()
    call_command("purge_executions", "--older-than", "P30D", "--dry-run", stdout=answer)
    assert answer.getvalue().startswith("would remove 1 executions, 1 task runs, 1 log lines")
    call_command("purge_executions", "--older-than", "P30D", stdout=answer)
    assert left(connection) == set()


@pytest.mark.parametrize("arguments", [[], ["--older-than", "soon"], ["--state", "FAILED"]])
def test_the_command_refuses_what_says_nothing(database: str, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("purge_executions", *arguments, stdout=io.StringIO())
