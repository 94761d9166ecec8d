"""The embedded PostgreSQL: set up, leased by processes, kept alive, and never left behind."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from orchestrator_site import postgres, postgres_cluster, postgres_setup
from orchestrator_site.postgres_cluster import Cluster, live_postmaster

QUERY = "from django.db import connection; connection.cursor().execute('SELECT 1')"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="celesta-pg-") as folder:
        os.chmod(folder, 0o711)
        yield Path(folder) / "home"


def eventually(question: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return False


def count(cluster: Cluster) -> int:
    with psycopg.connect(cluster.conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def answers(cluster: Cluster) -> bool:
    try:
        return count(cluster) >= 0
    except psycopg.OperationalError:
        return False


def with_a_row(lease: postgres.Lease) -> Cluster:
    with psycopg.connect(lease.cluster.conninfo) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    return lease.cluster


def test_data_outlive_the_server_which_stops_with_its_last_lease(home: Path) -> None:
    first = postgres.ensure(home)
    cluster = with_a_row(first)
    second = postgres.ensure(home)
    first.release()
    assert count(cluster) == 1, "the second lease keeps it"
    second.release()
    assert live_postmaster(cluster) is None and not postgres.is_kept(cluster)
    third = postgres.ensure(home)
    try:
        assert count(third.cluster) == 1
    finally:
        third.release()


def test_only_the_owner_can_reach_it_and_only_with_the_password(home: Path) -> None:
    lease = postgres.ensure(home)
    try:
        cluster = lease.cluster
        assert stat.S_IMODE((home / "postgres.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
        assert stat.S_IMODE(cluster.sockets.stat().st_mode) == 0o700
        with psycopg.connect(cluster.conninfo) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
            rules = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        assert rules == [("scram-sha-256",)]
        for host in (str(cluster.sockets), "127.0.0.1"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(cluster.conninfo, host=host, password="wrong")
    finally:
        lease.release()


def test_a_killed_server_comes_back_with_its_data(home: Path) -> None:
    lease = postgres.ensure(home)
    try:
        cluster = with_a_row(lease)
        before = live_postmaster(cluster)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: live_postmaster(cluster) not in (None, before) and answers(cluster))
        assert count(cluster) == 1
    finally:
        lease.release()


def test_a_server_restarted_by_hand_is_watched_on(home: Path) -> None:
    lease = postgres.ensure(home)
    try:
        cluster = with_a_row(lease)
        before = live_postmaster(cluster)
        command = [
            cluster.binaries / "pg_ctl",
            "-D",
            cluster.data,
            "-m",
            "fast",
            "-w",
            "-l",
            "/dev/null",
            "restart",
        ]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, **cluster.run_as())
        assert eventually(lambda: live_postmaster(cluster) not in (None, before) and answers(cluster))
    finally:
        lease.release()
    assert eventually(lambda: live_postmaster(cluster) is None)


def test_a_killed_user_leaves_no_server_behind(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from orchestrator_site import postgres;"
        "lease = postgres.ensure(Path(sys.argv[1])); print('ready', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", code, str(home)], cwd=ROOT, stdout=subprocess.PIPE)
    assert user.stdout is not None and user.stdout.readline() == b"ready\n"
    cluster = postgres_cluster.load(home)
    assert cluster is not None and live_postmaster(cluster) is not None
    user.kill()
    user.communicate()
    assert eventually(lambda: live_postmaster(cluster) is None)


def test_a_killed_keeper_takes_the_server_down_and_both_come_back(home: Path) -> None:
    lease = postgres.ensure(home)
    try:
        cluster = with_a_row(lease)
        server = live_postmaster(cluster)
        assert server is not None
        keeper = int(Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        assert eventually(lambda: live_postmaster(cluster) is None)
        assert not postgres.is_kept(cluster)
        postgres.restore(cluster)
        assert count(cluster) == 1
    finally:
        lease.release()


def test_a_stale_pid_file_of_another_process_does_not_stop_it(home: Path) -> None:
    lease = postgres.ensure(home)
    cluster = with_a_row(lease)
    lease.release()
    address = f"{cluster.port}\n{cluster.sockets}\n127.0.0.1"
    stale = f"{os.getpid()}\n{cluster.data}\n1700000000\n{address}\n 1 1\nready\n"
    (cluster.data / "postmaster.pid").write_text(stale)
    again = postgres.ensure(home)
    try:
        assert count(again.cluster) == 1
    finally:
        again.release()


def test_a_port_taken_meanwhile_is_given_up_for_a_free_one(home: Path) -> None:
    import socket

    lease = postgres.ensure(home)
    port = with_a_row(lease).port
    lease.release()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        again = postgres.ensure(home)
        try:
            assert again.cluster.port != port and count(again.cluster) == 1
        finally:
            again.release()


def test_data_of_another_major_version_are_refused_with_the_way_out(home: Path) -> None:
    lease = postgres.ensure(home)
    lease.release()
    (lease.cluster.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(postgres.PostgresError, match=r"PostgreSQL 15.*pg_dump.*pg_restore"):
        postgres.ensure(home)


def test_an_interrupted_set_up_is_done_again(home: Path) -> None:
    lease = postgres.ensure(home)
    lease.release()
    lease.cluster.data.rename(lease.cluster.place / "data.new")
    again = postgres.ensure(home)
    again.release()
    assert (again.cluster.data / "PG_VERSION").exists()


def test_data_whose_password_is_lost_are_not_overwritten(home: Path) -> None:
    lease = postgres.ensure(home)
    lease.release()
    (home / "postgres.json").unlink()
    with pytest.raises(postgres.PostgresError, match=r"postgres\.json"):
        postgres.ensure(home)
    assert (lease.cluster.data / "PG_VERSION").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_root_with_a_private_home_gets_its_data_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    import shutil

    home = tmp_path_factory.mktemp("private") / "home"
    home.parent.chmod(0o700)
    lease = postgres.ensure(home)
    try:
        with_a_row(lease)
        assert lease.cluster.place.parent == postgres_setup.SHARED
        assert lease.cluster.data.stat().st_uid != 0
    finally:
        lease.release()
        shutil.rmtree(lease.cluster.place)


def test_a_command_starts_the_server_for_its_own_time(home: Path) -> None:
    environment = {**os.environ, "CELESTA_HOME": str(home)}
    for arguments, expected in ((["shell", "-c", QUERY], 0), (["database_url"], 0)):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected, done.stderr
    assert done.stdout.startswith("postgresql://celesta:")
    cluster = postgres_cluster.load(home)
    assert cluster is not None and live_postmaster(cluster) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "cannot use the database 'none' at 127.0.0.1:1"),
        ("mysql://127.0.0.1/x", "DATABASE_URL is not a PostgreSQL address"),
    ],
)
def test_a_wrong_database_url_is_one_clear_line_and_exit_2(tmp_path: Path, url: str, reason: str) -> None:
    environment = {**os.environ, "CELESTA_HOME": str(tmp_path), "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert reason in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_server_before_14_is_refused() -> None:
    with pytest.raises(postgres.PostgresError, match=r"PostgreSQL 13\.12 is too old.*14"):
        postgres.refuse_old(130012)
    postgres.refuse_old(140000)
