"""A backup is one tar file: the database (pg_dump's own format), the files of the storage, the keys of this home.

Works with the embedded PostgreSQL and with any other: the programs are those of the wheel, the newest there are.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator_site import environment, postgres, postgres_setup
from orchestrator_site.health import SILENCE_SECONDS

DUMP, STORAGE = "database.dump", "storage"
KEYS = ("secret_key", "encryption_key")
Say = Callable[[str], None]


class BackupError(Exception):
    """One line that tells the operator what is wrong and what to do."""


def save(target: Path, say: Say) -> None:
    """Writes `target` whole or not at all, readable by its owner only. The product may run meanwhile."""
    if target.exists():
        raise BackupError(f"{target} exists: give another name")
    home = environment.home()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with _scratch(target.parent) as folder:
            say("dumping the database")
            _run("pg_dump", "--format=custom", "--no-owner", f"--file={folder / DUMP}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    archive.add(folder / DUMP, DUMP)
                    for name in KEYS:
                        if (home / name).is_file():
                            archive.add(home / name, name)
                    if (home / STORAGE).is_dir():
                        say("adding the files of the storage")
                        archive.add(home / STORAGE, STORAGE)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(target)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    say(
        f"{target}: {target.stat().st_size:,} bytes. Keep it safe: it holds the keys of this home, and what they encrypt."
    )
    for line in left_out(home, environment.read().storage_url):
        say(line)


def left_out(home: Path, storage_url: str | None) -> Iterator[str]:
    """What a backup of this home does not hold, and who restores it must have from elsewhere."""
    for name in KEYS:
        if not (home / name).is_file():
            yield f"It does not hold CELESTA_{name.upper()}, which comes from the environment: keep that too."
    if storage_url is not None:
        yield "It does not hold the files in CELESTA_STORAGE_URL: back the bucket up by its own means."


def load(source: Path, say: Say) -> None:
    """Replaces the database, the storage and the keys of this home. Nothing may run meanwhile."""
    _refuse_while_running()
    home = environment.home()
    try:
        with tarfile.open(source) as archive, _scratch(home) as folder:
            if DUMP not in archive.getnames():
                raise BackupError(f"{source} is no backup: it holds no {DUMP}")
            archive.extractall(folder, filter="data")
            say("restoring the database")
            _run(
                "pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction",
                str(folder / DUMP),
            )  # fmt: skip
            say("restoring files and keys")
            _replace(folder / STORAGE, home / STORAGE)
            for name in KEYS:
                if (folder / name).is_file():
                    os.chmod(folder / name, 0o600)
                    os.replace(folder / name, home / name)
    except tarfile.ReadError:
        raise BackupError(f"{source} is no backup: `manage.py backup` writes a tar file, and this is none") from None
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).strip().partition("\n")[0]
        raise BackupError(f"cannot read {source}: {reason}") from None
    say("done: start the product, it applies the migrations that the backup lacks")


def _refuse_while_running() -> None:
    query = "SELECT kind, host FROM service_instances WHERE beat > clock_timestamp() - make_interval(secs => %s)"
    with psycopg.connect(postgres.configured().direct_conninfo) as connection:
        if connection.execute("SELECT to_regclass('service_instances')").fetchone() == (None,):
            return
        found = connection.execute(query, [SILENCE_SECONDS]).fetchall()
    if found:
        names = ", ".join(sorted({f"{kind} on {host}" for kind, host in found}))
        raise BackupError(f"Celesta runs ({names}): stop it first")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Beside where its files will go, so that they can be moved there."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as path:
        yield Path(path)


def _replace(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    old = target.with_name(f"{target.name}.before-restore")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    source.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    """The password travels in the environment: a command line can be read by everybody on the machine."""
    parts = conninfo_to_dict(postgres.configured().direct_conninfo)
    password = str(parts.pop("password", "") or "")
    command = [str(postgres_setup.newest_binaries() / program), *arguments, f"--dbname={make_conninfo('', **parts)}"]
    variables = {**os.environ, "PGPASSWORD": password}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BackupError(f"{program}: {lines[0]}")
