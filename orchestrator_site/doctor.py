"""What `manage.py doctor` looks at: each check is one line that is fine, or says what to do. Changes nothing."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from orchestrator_site import postgres
from orchestrator_site.health import PARTS, SILENCE_SECONDS

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
DISK_WARN, DISK_FAIL = 5 << 30, 1 << 30
CLOCK_WARN_SECONDS = 2.0
OLD_SNAPSHOT_SECONDS = 600.0
BACKLOG_SECONDS = 30.0


class Verdict(Enum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """In the order in which one thing needs another; a check that raises is a finding itself."""
    for subject, check in _CHECKS.items():
        try:
            yield from check(subject)
        except DatabaseError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            yield Finding(subject, Verdict.FAIL, reason, "see the line `database`")
        except (OSError, ValueError) as error:
            yield Finding(subject, Verdict.FAIL, str(error) or type(error).__name__, "look at the settings it is about")


def _python(subject: str) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        yield Finding(subject, Verdict.OK, version)
    else:
        known = f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to {NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}"
        yield Finding(subject, Verdict.WARN, version, f"tested are {known}")


def _database(subject: str) -> Iterator[Finding]:
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT version(), pg_size_pretty(pg_database_size(current_database()))")
        version, size = cursor.fetchone()
    took = (time.monotonic() - began) * 1000
    kind = "embedded " if postgres.is_embedded() else ""
    yield Finding(subject, Verdict.OK, f"{kind}{version.split(' on ')[0]}, {size}, answers in {took:.0f} ms")


def _migrations(subject: str) -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding(subject, Verdict.FAIL, f"{len(missing)} not applied", "run `manage.py prepare`")
    else:
        yield Finding(subject, Verdict.OK, "all applied")


def _clock(subject: str) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        difference = time.time() - cursor.fetchone()[0]
    text = f"{difference:+.3f} s against the database's"
    if abs(difference) > CLOCK_WARN_SECONDS:
        yield Finding(subject, Verdict.WARN, text, "synchronise the clocks (chrony, systemd-timesyncd)")
    else:
        yield Finding(subject, Verdict.OK, text)


def _snapshots(subject: str) -> Iterator[Finding]:
    """An old transaction keeps dead rows from being removed: tables grow, lists get slow."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, application_name, extract(epoch FROM clock_timestamp() - xact_start)::float8"
            " FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
            " AND xact_start < clock_timestamp() - make_interval(secs => %s) ORDER BY xact_start LIMIT 1",
            [OLD_SNAPSHOT_SECONDS],
        )
        oldest = cursor.fetchone()
    if oldest is None:
        yield Finding(subject, Verdict.OK, "no transaction is open for long")
        return
    pid, name, age = oldest
    text = f"process {pid} ({name or 'no name'}) has had one open for {age / 60:.0f} minutes"
    yield Finding(subject, Verdict.WARN, text, f"end it, or SELECT pg_terminate_backend({pid})")


def _disk(subject: str) -> Iterator[Finding]:
    home = settings.CELESTA.home
    free = shutil.disk_usage(home if home.exists() else home.parent).free
    text = f"{free / (1 << 30):.1f} GiB free below {home}"
    if free < DISK_FAIL:
        yield Finding(
            subject, Verdict.FAIL, text, "make room: `manage.py purge_executions --dry-run` tells what would go"
        )
    elif free < DISK_WARN:
        yield Finding(subject, Verdict.WARN, text, "make room soon, or set CELESTA_RETENTION")
    else:
        yield Finding(subject, Verdict.OK, text)


def _storage(subject: str) -> Iterator[Finding]:
    folder = settings.CELESTA.storage
    if folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(subject, Verdict.OK, str(folder))
    elif folder.exists():
        yield Finding(subject, Verdict.FAIL, f"{folder} cannot be written", "give it to the account that runs Celesta")
    else:
        yield Finding(subject, Verdict.WARN, f"{folder} is not there yet", "the first start makes it")


def _broker(subject: str) -> Iterator[Finding]:
    address = settings.CELESTA.broker_url
    if address is None:
        yield Finding(subject, Verdict.OK, "PostgreSQL itself")
        return
    parts = urlsplit(address)
    port = parts.port or {"amqp": 5672, "redis": 6379, "rediss": 6379}.get(parts.scheme)
    shown = f"{parts.scheme}://{parts.hostname}:{port}"
    if port is None:
        yield Finding(subject, Verdict.OK, f"{parts.scheme} (not tried)")
        return
    try:
        socket.create_connection((parts.hostname or "localhost", port), timeout=3).close()
    except OSError as error:
        remedy = "start it, or unset CELERY_BROKER_URL to use PostgreSQL"
        yield Finding(subject, Verdict.FAIL, f"{shown}: {error.strerror or error}", remedy)
    else:
        yield Finding(subject, Verdict.OK, f"{shown} accepts connections")


def _processes(subject: str) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, count(*), sum(threads), max(extract(epoch FROM clock_timestamp() - beat))::float8,"
            " count(*) FILTER (WHERE state <> 'RUNNING') FROM service_instances"
            " WHERE beat > clock_timestamp() - make_interval(secs => %s) GROUP BY kind ORDER BY kind",
            [SILENCE_SECONDS],
        )
        rows = cursor.fetchall()
    for kind, number, threads, silence, draining in rows:
        text = f"{number} with {threads} threads, last heartbeat {silence:.1f} s ago"
        yield Finding(kind, Verdict.OK, text + (f", {draining} draining" if draining else ""))
    for kind in PARTS:
        if kind not in {row[0] for row in rows}:
            yield Finding(kind, Verdict.FAIL, "none is running", f"`manage.py up`, or `manage.py run_{kind}`")


def _queues(subject: str) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created)), 0)::float8"
            " FROM queues WHERE NOT stream AND (not_before IS NULL OR not_before <= clock_timestamp())"
        )
        waiting, age = cursor.fetchone()
        cursor.execute(
            "SELECT queue, count(*), extract(epoch FROM clock_timestamp() - min(created))::float8"
            " FROM worker_jobs WHERE claimed_by IS NULL GROUP BY queue ORDER BY queue"
        )
        jobs = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM dead_letters")
        dead = cursor.fetchone()[0]
    late = age > BACKLOG_SECONDS
    yield Finding(
        "messages",
        Verdict.WARN if late else Verdict.OK,
        f"{waiting} wait for an executor" + (f", the oldest for {age:.0f} s" if waiting else ""),
        "start another executor: `manage.py run_executor`" if late else "",
    )
    for queue, number, old in jobs:
        text = f"{number} wait for a worker of queue {queue}, the oldest for {old:.0f} s"
        remedy = f"`manage.py run_worker --queues {queue}`" if old > BACKLOG_SECONDS else ""
        yield Finding("jobs", Verdict.WARN if remedy else Verdict.OK, text, remedy)
    if dead:
        yield Finding("dead letters", Verdict.WARN, f"{dead} messages could not be handled", "`manage.py dead_letters`")
    else:
        yield Finding("dead letters", Verdict.OK, "none")


def _secrets(subject: str) -> Iterator[Finding]:
    if not settings.CELESTA.encryption_keys:
        yield Finding(subject, Verdict.WARN, "off: secret inputs are refused", "unset CELESTA_ENCRYPTION_KEY=none")
    else:
        yield Finding(subject, Verdict.OK, "on")


_CHECKS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "python": _python,
    "database": _database,
    "migrations": _migrations,
    "transactions": _snapshots,
    "clock": _clock,
    "disk": _disk,
    "storage": _storage,
    "encryption": _secrets,
    "broker": _broker,
    "processes": _processes,
    "queues": _queues,
}
