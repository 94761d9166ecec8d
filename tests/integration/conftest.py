"""Fixtures of the REST tests and of the tests of task types. Imports stand inside: this file is read before Django is set up."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg

    from tests.integration.rest_support import Rest


@pytest.fixture
def nobody_remembered(settings: Any) -> Iterator[None]:
    """Callers are remembered for a second: not from one test to the next. Passwords cost nothing here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from executions.api import auth
    from flows import access

    auth.forget()
    access.forget()
    yield
    auth.forget()
    access.forget()


@pytest.fixture
def empty(db: None) -> None:
    """Nothing that tests of other modules committed is seen; undone with the test's transaction."""
    from django.db import connection

    tables = "executions, task_runs, flows, logs, metrics, queues, triggers, key_values, worker_jobs, service_instances"
    with connection.cursor() as cursor:
        for table in tables.split(", "):
            cursor.execute(f"DELETE FROM {table}")


@pytest.fixture
def connection(database: str) -> "Iterator[psycopg.Connection[Any]]":
    """A transaction of its own on tables that hold nothing, undone at the end."""
    import psycopg

    tables = "executions, task_runs, queues, worker_jobs, timers, concurrency_slots, concurrency_limits, logs, payloads"
    with psycopg.connect(database) as opened:
        opened.execute(f"TRUNCATE {tables}")
        opened.commit()
        yield opened
        opened.rollback()


@pytest.fixture
def no_audit(db: None) -> None:
    """Like `empty` for the audit, whose rows cannot be deleted but by a superuser without triggers."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:  # also where the test has no transaction around it
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM audit")
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def admin(empty: None, nobody_remembered: None) -> "Rest":
    from tests.integration.rest_support import Rest, administrator

    return Rest(administrator())


@pytest.fixture(scope="module")
def worker(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One worker for all tests of a module, on a storage of its own."""
    from django.conf import settings

    from tests.integration.worker_support import working

    before = settings.CELESTA
    settings.CELESTA = replace(before, storage=tmp_path_factory.mktemp("storage"))
    with working() as started:
        yield started
    settings.CELESTA = before


@pytest.fixture
def table(database: str) -> Iterator[Any]:
    """A `worker_support.Desk` on empty tables."""
    from tests.integration.worker_support import desk, emptied

    with desk(database) as opened:
        yield emptied(opened)


@pytest.fixture
def bench(table: Any, worker: Any, django_db_blocker: Any) -> Iterator[Any]:
    """A `worker_support.TaskBench`. Tasks may act through Django, as in a worker."""
    from tests.integration.worker_support import TaskBench

    with django_db_blocker.unblock():
        yield TaskBench(table, worker)
