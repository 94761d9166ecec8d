"""Claims, results and fencing of one worker, on the real database and without Celery."""

import json
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.worker.attempt import UNWRITTEN_LINES
from executor.worker.process import Worker
from tests.integration.worker_support import Desk, run_claimed, wait

LOG = "- {id: hello, type: core.log.Log, message: 'hi {{ flow.id }}'}"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Which scripts, that run under another account, can reach too."""
    with tempfile.TemporaryDirectory(prefix="celesta-open-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_a_job_becomes_a_result_and_log_lines_and_is_gone(table: Desk, worker: Worker) -> None:
    table.define(LOG).hand_out()
    assert run_claimed(worker) == 1
    result = table.result()
    assert result["state"] == "SUCCESS"
    assert result["worker"] == worker.identity.id
    assert table.logs() == [(2, f"hi {table.flow.id}")]
    assert table.jobs() == 0


def in_background(worker: Worker) -> threading.Thread:
    thread = threading.Thread(target=run_claimed, args=[worker])
    thread.start()
    wait(worker.slots.running)
    return thread


def script(*lines: str) -> str:
    return f"- {{id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: {json.dumps(lines)}}}"


def test_a_task_that_logs_faster_than_the_database_takes_it_is_slowed_down(
    table: Desk, worker: Worker, open_folder: Path
) -> None:
    table.define(script("seq 60000", f"touch {open_folder}/done")).hand_out()
    with table.connection.transaction():
        table.connection.execute("LOCK TABLE logs")
        thread = in_background(worker)
        wait(lambda: worker.slots.running()[0].attempt, what="the start")
        attempt = worker.slots.running()[0].attempt
        assert attempt is not None
        wait(lambda: attempt.unwritten() >= UNWRITTEN_LINES or not thread.is_alive(), what="a full attempt")
        assert not (open_folder / "done").exists(), "all lines are in the worker's memory"
    thread.join(30)
    assert table.result(30)["state"] == "SUCCESS"
    assert len(table.logs()) == 60_000


def test_what_others_have_been_given_is_stopped_and_not_told_of(table: Desk, worker: Worker) -> None:
    before = worker.identity.id
    table.define(script("sleep 100")).hand_out()
    thread = in_background(worker)
    table.connection.execute("DELETE FROM service_instances")  # held for dead, the job not yet given to another
    thread.join(20)
    assert not thread.is_alive(), "it goes on beside its replacement"
    wait(lambda: worker.identity.id != before and table.value("SELECT count(*) FROM service_instances"))
    assert table.results() == []
    assert table.value("SELECT claimed_by FROM worker_jobs") == before, "left to the recovery loop"
    assert worker.slots.count() == 0


def test_a_claim_that_a_crash_of_the_database_forgot_is_not_run_a_second_time(
    table: Desk, worker: Worker, open_folder: Path
) -> None:
    table.define(script(f"echo ran >> {open_folder}/effects; sleep 1")).hand_out()
    thread = in_background(worker)
    table.connection.execute("UPDATE worker_jobs SET claimed_by = NULL, claimed_at = NULL, claim = claim - 1")
    assert worker.claims.claim(worker.identity.id, "default", 10) == []
    thread.join(20)
    assert table.result()["state"] == "SUCCESS"
    assert (open_folder / "effects").read_text() == "ran\n"
    assert table.jobs() == 0
