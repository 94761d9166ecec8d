"""The embedded PostgreSQL of one home: where it lives, whether it runs. Standard library only."""

import json
import os
import pwd
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO


class PostgresError(Exception):
    """The database cannot be used; the message tells the operator why, in one line."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one home's server lives; kept in `postgres.json`, which only the owner can read."""

    home: Path
    place: Path
    binaries: Path
    sockets: Path
    port: int
    password: str
    account: str | None
    user: str = "celesta"
    database: str = "celesta"

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def keeper_lock(self) -> Path:
        return self.home / "postgres.keeper"

    @property
    def users_lock(self) -> Path:
        return self.home / "postgres.users"

    @property
    def conninfo(self) -> str:
        return self._conninfo(self.database)

    @property
    def maintenance_conninfo(self) -> str:
        return self._conninfo("postgres")

    def _conninfo(self, database: str) -> str:
        host = self.sockets if os.access(self.sockets, os.X_OK) else "127.0.0.1"
        quoted = str(host).replace("\\", "\\\\").replace("'", "\\'")
        return f"host='{quoted}' port={self.port} user={self.user} password={self.password} dbname={database}"

    def run_as(self) -> dict[str, Any]:
        """Arguments of `subprocess` that run a program as the server's account."""
        if self.account is None:
            return {"cwd": "/"}
        entry = pwd.getpwnam(self.account)
        return {"cwd": "/", "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def last_log_line(self) -> str:
        lines = [
            line for line in self.log.read_text(errors="replace").splitlines() if "FATAL" in line or "rror" in line
        ]
        return lines[-1].strip() if lines else ""


def load(home: Path) -> Cluster | None:
    try:
        fields = json.loads((home / "postgres.json").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PostgresError(f"cannot read {home / 'postgres.json'}: {error}") from None
    paths = {name: Path(fields[name]) for name in ("place", "binaries", "sockets")}
    return Cluster(**{**fields, **paths, "home": home})


def open_lock(path: Path) -> TextIO:
    """Nobody else may open it: a lock held by a stranger would keep the server up, or down."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")


def live_postmaster(cluster: Cluster) -> int | None:
    """The process that serves this data directory. A stale pid file is removed: its number may be reused."""
    pid_file = cluster.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    if _serves(pid, cluster.data):
        return pid
    pid_file.unlink(missing_ok=True)
    return None


def _serves(pid: int, data: Path) -> bool:
    proc = Path("/proc") / str(pid)
    if proc.parent.joinpath("self").exists():
        try:
            # The server works inside its data directory. A zombie has no working directory.
            return os.path.samefile(os.readlink(proc / "cwd"), data)
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def wait_until_gone(pid: int, data: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _serves(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
