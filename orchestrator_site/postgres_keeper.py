"""The process that runs the embedded PostgreSQL: starts it, again when it dies, stops it after its last user.

Standard library only: it stays in memory for as long as the server runs. When no process holds a lease
any more (a kill -9 drops leases too) the server is stopped, so that none is ever left behind.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from orchestrator_site.parentage import ask_kernel_for
from orchestrator_site.postgres_cluster import Cluster, live_postmaster, load, open_lock, wait_until_gone

POLL_SECONDS = 0.2
FAST_STOP_SECONDS = 20
QUICK_DEATHS_LIMIT = 6

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",  # plans here are short; compiling them costs more than it saves
    "io_method": "sync",  # the hot tables fit in memory; three idle I/O workers would only cost it
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "10s",  # queue tables turn over completely within seconds
    "idle_in_transaction_session_timeout": "10min",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "max_logical_replication_workers": "0",
}
UNSAFE = {"fsync": "off", "full_page_writes": "off"}  # throw-away servers of the tests only


class Stop(Exception):
    """Raised by SIGTERM."""


def main() -> None:
    home = Path(sys.argv[-1])
    cluster = load(home)
    if cluster is None:
        sys.exit(f"{home} has no embedded PostgreSQL")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_stop)
    with open_lock(cluster.keeper_lock) as mine, open_lock(cluster.users_lock) as users:
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(0)  # another keeper was quicker
        _keep(cluster, users)


def _raise_stop(*_: object) -> None:
    raise Stop


def _keep(cluster: Cluster, users: TextIO) -> None:
    server: subprocess.Popen[bytes] | None = None
    quick_deaths, pause = 0, 0.1
    try:
        while quick_deaths < QUICK_DEATHS_LIMIT:
            started = time.monotonic()
            # Somebody may have restarted it with pg_ctl: then that server is the one to watch.
            if live_postmaster(cluster) is None:
                server = _run_server(cluster)
            if _wait_for_end(cluster, server, users):
                return
            quick_deaths, pause = (quick_deaths + 1, pause * 2) if time.monotonic() - started < 5 else (0, 0.1)
            time.sleep(pause)
    except Stop:
        pass
    finally:
        _stop(cluster, server)
    sys.exit(1)


def _run_server(cluster: Cluster) -> "subprocess.Popen[bytes]":
    settings = {
        **SETTINGS,
        **(UNSAFE if os.environ.get("CELESTA_EMBEDDED_UNSAFE") else {}),
        "port": str(cluster.port),
        "unix_socket_directories": str(cluster.sockets),
    }
    command = [str(cluster.binaries / "postgres"), "-D", str(cluster.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    parent = os.getpid()
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _end_with_keeper(parent),
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        **cluster.run_as(),
    )


def _end_with_keeper(keeper: int) -> None:
    """Should the keeper itself be killed, the kernel asks the server for a fast shutdown (SIGINT)."""
    ask_kernel_for(signal.SIGINT)
    if os.getppid() != keeper:
        os._exit(1)


def _wait_for_end(cluster: Cluster, server: "subprocess.Popen[bytes] | None", users: TextIO) -> bool:
    """True when nobody uses the server any more; False when it died under its users."""
    while True:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        ended = server is None or server.poll() is not None
        if ended and live_postmaster(cluster) is None:
            return False
        time.sleep(POLL_SECONDS)


def _stop(cluster: Cluster, server: "subprocess.Popen[bytes] | None") -> None:
    pid = live_postmaster(cluster) or (server.pid if server and server.poll() is None else None)
    if pid is None:
        return
    for how in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            break
        if server is not None and server.pid == pid:
            try:
                server.wait(FAST_STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        if wait_until_gone(pid, cluster.data, FAST_STOP_SECONDS):
            break
