"""One throw-away PostgreSQL per run, started when first asked for; each worker has its own database.

`CELESTA_TEST_DATABASE_URL` (an account that may create databases) runs the suite on another server instead.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

# Django's test signals import it at the first changed setting, in the middle of a test: when a connection or file left
# over from another test is collected during that import, Python 3.11 can fail with KeyError (cpython issue 106176).
import django.contrib.staticfiles.storage  # noqa: F401
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Before Django's settings are read: nothing of this run may touch the developer's own home or database.
IS_CONTROLLER = "PYTEST_XDIST_WORKER" not in os.environ
if IS_CONTROLLER:
    os.environ["CELESTA_HOME"] = tempfile.mkdtemp(prefix="celesta-test-")
    os.chmod(os.environ["CELESTA_HOME"], 0o711)
os.environ["DJANGO_SETTINGS_MODULE"] = "orchestrator_site.settings"
os.environ["CELESTA_EMBEDDED_UNSAFE"] = "1"
for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "CELERY_BROKER_URL"):
    os.environ.pop(name, None)

HOME = Path(os.environ["CELESTA_HOME"])
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = f"celesta_template_{HOME.name.replace('-', '_').lower()}"


def pytest_configure(config: pytest.Config) -> None:
    import django

    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    if IS_CONTROLLER:
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """Connection string of the server's maintenance database."""
    given = os.environ.get("CELESTA_TEST_DATABASE_URL")
    if given:
        yield make_conninfo(given)
        return
    from orchestrator_site import postgres

    lease = postgres.ensure(HOME)
    try:
        yield lease.cluster.maintenance_conninfo
    finally:
        lease.release()


@pytest.fixture(scope="session")
def database_template(database_server: str) -> str:
    """Name of a database with all migrations applied, to be copied. The first worker makes it."""
    with open(HOME / "template.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(database_server, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                draft = f"{TEMPLATE}_draft"
                connection.execute(f'DROP DATABASE IF EXISTS "{draft}"')
                connection.execute(f'CREATE DATABASE "{draft}"')
                _migrate(make_conninfo(database_server, dbname=draft))
                connection.execute(f'ALTER DATABASE "{draft}" RENAME TO "{TEMPLATE}"')
    return TEMPLATE


def _migrate(conninfo: str) -> None:
    import subprocess
    import sys

    from orchestrator_site.postgres import url_of

    environment = {**os.environ, "DATABASE_URL": url_of(conninfo)}
    command = [
        sys.executable,
        str(ROOT / "manage.py"),
        "migrate",
        "--verbosity=0",
        "--no-input",
        "--skip-checks",
    ]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)


@contextmanager
def _copy(server: str, template: str) -> Iterator[str]:
    name = f"celesta_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(20)")  # a template cannot be copied twice at a time
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def database(database_server: str, database_template: str) -> Iterator[str]:
    """Connection string of this worker's own database; Django's settings point at it."""
    with _copy(database_server, database_template) as conninfo:
        _point_django_at(conninfo)
        yield conninfo
        from django.db import connections

        connections.close_all()


def _point_django_at(conninfo: str) -> None:
    from django.conf import settings
    from django.db import connections

    from orchestrator_site.postgres import Database

    connections["default"].close()
    connections.settings["default"].update(Database(conninfo, conninfo).django)
    connections["default"].settings_dict.update(Database(conninfo, conninfo).django)
    settings.DATABASE_DSN = settings.DATABASE_DIRECT_DSN = conninfo


@pytest.fixture(scope="session")
def django_db_setup(database: str) -> None:
    """Instead of pytest-django's: the database is there already."""


@pytest.fixture
def fresh_database(database_server: str, database_template: str) -> Iterator[str]:
    """Connection string of a database of this test alone, for tests with processes of their own."""
    with _copy(database_server, database_template) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def module_database(database_server: str, database_template: str) -> Iterator[str]:
    """The same, for all tests of a module together."""
    with _copy(database_server, database_template) as conninfo:
        yield conninfo


@pytest.fixture
def process_environment(fresh_database: str, tmp_path: Path) -> dict[str, str]:
    """For `manage.py` processes that work on `fresh_database` and keep their files in `tmp_path`."""
    from orchestrator_site.postgres import url_of

    return {**os.environ, "DATABASE_URL": url_of(fresh_database), "CELESTA_HOME": str(tmp_path / "home")}


@pytest.fixture
def database_url_of() -> Callable[[str], str]:
    from orchestrator_site.postgres import url_of

    return url_of


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's browser. Where there is none its tests are left out, except where they are required."""
    for program in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(program):
            return path
    how = "no Chromium found: install one (Debian: apt-get install chromium) to run the browser tests"
    if os.environ.get("CELESTA_REQUIRE_BROWSER"):
        pytest.fail(how)
    pytest.skip(how)


@pytest.fixture
def free_port() -> int:
    from tests.plant import find_free_port

    return find_free_port()


def database_name(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])
