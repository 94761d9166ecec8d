"""What an operator types: doctor, backup, restore, each as a process of its own on a database of its own."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from executions import store
from tests.builders import an_execution

ROOT = Path(__file__).resolve().parents[2]


def manage(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def findings(environment: dict[str, str]) -> dict[str, dict[str, str]]:
    done = manage(environment, "doctor", "--json")
    return {line["subject"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_the_doctor_says_what_is_fine_and_what_to_do(process_environment: dict[str, str], fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "INSERT INTO queues (stream, type, execution_id, body, tries, created)"
            " VALUES (false, 'x', gen_random_uuid(), '{}', 0, now() - interval '5 minutes')"
        )
    found = findings(process_environment)
    assert found["database"]["verdict"] == found["migrations"]["verdict"] == "OK"
    assert found["executor"]["verdict"] == "FAIL"
    assert "run_executor" in found["executor"]["remedy"]
    assert found["messages"]["verdict"] == "WARN"
    done = manage(process_environment, "doctor")
    assert done.returncode == 1
    assert "FAIL  worker" in done.stdout


def test_the_doctor_finds_a_broker_that_nobody_runs(process_environment: dict[str, str], free_port: int) -> None:
    address = f"redis://127.0.0.1:{free_port}/0"
    found = findings({**process_environment, "CELERY_BROKER_URL": address})
    assert found["broker"]["verdict"] == "FAIL"
    assert "refused" in found["broker"]["text"]


def test_what_was_backed_up_comes_back(
    process_environment: dict[str, str], fresh_database: str, tmp_path: Path
) -> None:
    home, file = Path(process_environment["CELESTA_HOME"]), tmp_path / "celesta.tar"
    with psycopg.connect(fresh_database) as connection:
        store.create(connection, [an_execution()])
    assert manage(process_environment, "check").returncode == 0  # makes the home and its keys
    (home / "storage").mkdir(parents=True)
    (home / "storage" / "a.txt").write_text("kept")
    key = (home / "encryption_key").read_text()
    done = manage(process_environment, "backup", str(file))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600

    with psycopg.connect(fresh_database) as connection:
        connection.execute("TRUNCATE executions")
    (home / "storage" / "a.txt").write_text("changed")
    (home / "encryption_key").unlink()  # the next process makes another
    done = manage(process_environment, "restore", "--yes", str(file))
    assert done.returncode == 0, done.stderr
    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (1,)
    assert (home / "storage" / "a.txt").read_text() == "kept"
    assert (home / "encryption_key").read_text() == key


@pytest.mark.parametrize("state", ["running", "no backup"])
def test_a_restore_that_would_harm_is_refused(
    process_environment: dict[str, str], fresh_database: str, tmp_path: Path, state: str
) -> None:
    file = tmp_path / "celesta.tar"
    if state == "running":
        with psycopg.connect(fresh_database) as connection:
            connection.execute(
                "INSERT INTO service_instances (id, kind, host, pid, queues, threads, state, started, beat, facts)"
                " VALUES ('a', 'worker', 'h', 1, '[]', 1, 'RUNNING', now(), now(), '{}')"
            )
    file.write_bytes(b"nothing")
    done = manage(process_environment, "restore", "--yes", str(file))
    assert done.returncode == 1
    assert ("stop it first" if state == "running" else "is no backup") in done.stderr
