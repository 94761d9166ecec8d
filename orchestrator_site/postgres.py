"""Which PostgreSQL is used: `DATABASE_URL`, or the embedded one, which runs while it is leased.

Knows nothing of Django. `postgres_cluster` makes the server's files, `postgres_keeper` is the process
that runs it.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator_site import postgres_cluster, postgres_setup
from orchestrator_site.environment import home
from orchestrator_site.postgres_cluster import Cluster, PostgresError

__all__ = ["Database", "Lease", "PostgresError", "configured", "dsn", "ensure", "in_use", "url", "verify"]

OLDEST_SERVER = 140000
# Replaying the log after a crash can take minutes, and the server refuses connections while it does.
START_SECONDS = 300
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Database:
    """libpq connection strings: through a pooling proxy where there is one, and directly to the server."""

    conninfo: str
    direct_conninfo: str

    @property
    def django(self) -> dict[str, Any]:
        parts = conninfo_to_dict(self.conninfo)
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        options = {key: value for key, value in parts.items() if key not in names}
        return {setting: str(parts.get(key) or "") for key, setting in names.items()} | {"OPTIONS": options}


def configured() -> Database:
    """What the environment says, without touching the server. Never started: a port nobody hears."""
    if is_embedded():
        cluster = postgres_cluster.load(home())
        conninfo = cluster.conninfo if cluster else make_conninfo(host="127.0.0.1", port=1, dbname="celesta")
        return Database(conninfo, conninfo)
    try:
        conninfo = make_conninfo(os.environ["DATABASE_URL"])
        direct = make_conninfo(os.environ.get("DATABASE_DIRECT_URL") or conninfo)
    except psycopg.ProgrammingError as error:
        raise PostgresError(f"DATABASE_URL is not a PostgreSQL address: {str(error).strip()}") from None
    return Database(conninfo, direct)


def is_embedded() -> bool:
    return not os.environ.get("DATABASE_URL")


def dsn() -> str:
    """The libpq connection string in use."""
    return configured().conninfo


def url() -> str:
    """The address in use as a URL; the embedded server's loopback port, which every client can reach."""
    if not is_embedded():
        return os.environ["DATABASE_URL"]
    cluster = postgres_cluster.load(home())
    if cluster is None:
        raise PostgresError(f"no embedded PostgreSQL was started in {home()} yet: run `manage.py up` first")
    return f"postgresql://{cluster.user}:{quote(cluster.password)}@127.0.0.1:{cluster.port}/{cluster.database}"


@contextmanager
def in_use() -> Iterator[Cluster | None]:
    """The database is there inside the block, whoever else uses it. Yields the embedded one, or None."""
    if not is_embedded():
        verify(configured().direct_conninfo)
        yield None
        return
    lease = ensure(home())
    try:
        yield lease.cluster
    finally:
        lease.release()


def verify(conninfo: str) -> None:
    """Raises PostgresError when the server cannot be reached or is too old."""
    try:
        with psycopg.connect(conninfo, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()
        raise PostgresError(f"cannot use the database {shown(conninfo)}: {reason[0] if reason else error!r}") from None
    refuse_old(version)


def refuse_old(version: int) -> None:
    if version < OLDEST_SERVER:
        found = f"{version // 10000}.{version % 10000}"
        raise PostgresError(f"PostgreSQL {found} is too old: Celesta needs {OLDEST_SERVER // 10000} or newer")


def shown(conninfo: str) -> str:
    """The address without its password."""
    parts = conninfo_to_dict(conninfo)
    where = f"{parts.get('host') or 'the local socket'}:{parts.get('port') or 5432}"
    return f"{parts.get('dbname') or ''!r} at {where} as {parts.get('user') or 'the default user'}"


class Lease:
    """A shared lock on the embedded server. The kernel drops it when its process dies, however it dies."""

    def __init__(self, cluster: Cluster, file: TextIO) -> None:
        self.cluster = cluster
        self._file = file

    def release(self) -> None:
        """Gives the lease back and, when it was the last, waits until the server has stopped."""
        self._file.close()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and is_kept(self.cluster) and not self._others_use_it():
            time.sleep(0.05)

    def _others_use_it(self) -> bool:
        # Shared but not exclusive: another lease. Neither: the keeper is stopping the server.
        lock = self.cluster.users_lock
        return not _can_lock(lock, fcntl.LOCK_EX) and _can_lock(lock, fcntl.LOCK_SH)


def is_kept(cluster: Cluster) -> bool:
    """Whether the process that runs the server is alive."""
    return not _can_lock(cluster.keeper_lock, fcntl.LOCK_EX)


def restore(cluster: Cluster) -> None:
    """Starts the keeper again for those who hold a lease."""
    with postgres_cluster.open_lock(cluster.home / "postgres.start") as start_lock:
        fcntl.flock(start_lock, fcntl.LOCK_EX)
        _start(cluster)


def ensure(where: Path) -> Lease:
    """A lease on the embedded server of this home; it is set up and started when it does not run yet."""
    try:
        where.mkdir(mode=0o711, parents=True, exist_ok=True)
        with postgres_cluster.open_lock(where / "postgres.start") as start_lock:
            fcntl.flock(start_lock, fcntl.LOCK_EX)
            cluster = postgres_setup.prepare(where)
            users = postgres_cluster.open_lock(cluster.users_lock)  # the lease owns it
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper stops the server
            try:
                _start(cluster)
            except BaseException:
                users.close()
                raise
    except OSError as error:
        raise PostgresError(f"cannot keep a database in {where}: {error.strerror or error}; set CELESTA_HOME") from None
    return Lease(postgres_cluster.load(where) or cluster, users)


def _start(cluster: Cluster) -> None:
    keeper = None
    if not is_kept(cluster):
        cluster = postgres_setup.with_free_port(cluster)
        keeper = _spawn_keeper(cluster)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _create_database(cluster)
            return
        except psycopg.OperationalError as error:
            dead = keeper.poll() is not None if keeper else not is_kept(cluster)
            if dead or time.monotonic() > deadline:
                reason = cluster.last_log_line() or str(error).strip()
                raise PostgresError(f"the embedded PostgreSQL does not start: {reason} (see {cluster.log})") from None
        time.sleep(0.05)


def _spawn_keeper(cluster: Cluster) -> "subprocess.Popen[bytes]":
    root = Path(__file__).resolve().parent.parent
    code = f"import sys; sys.path.insert(0, {str(root)!r})\n"
    code += "from orchestrator_site.postgres_keeper import main\nmain()"
    with open(cluster.log, "a") as log:
        # A session of its own: Ctrl-C in the terminal must not reach the server before those who use it.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, str(cluster.home)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip


def _create_database(cluster: Cluster) -> None:
    with psycopg.connect(cluster.maintenance_conninfo, autocommit=True, connect_timeout=5) as connection:
        refuse_old(connection.info.server_version)
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [cluster.database]).fetchone()
        if not known:
            connection.execute(f'CREATE DATABASE "{cluster.database}"')


def _can_lock(path: Path, kind: int) -> bool:
    with postgres_cluster.open_lock(path) as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def url_of(conninfo: str) -> str:
    """A libpq connection string as a URL."""
    parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    login = quote(parts.pop("user", ""), safe="") + (
        f":{quote(parts.pop('password'), safe='')}" if "password" in parts else ""
    )
    host = parts.pop("host", "")
    if host.startswith("/"):
        parts["host"], host = host, ""
    port = parts.pop("port", "")
    place = f"{login}@{host}" + (f":{port}" if port else "")
    return f"postgresql://{place}/{quote(parts.pop('dbname', ''))}" + (f"?{urlencode(parts)}" if parts else "")
