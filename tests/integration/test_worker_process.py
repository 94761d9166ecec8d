"""A real Celery worker process on the transport over worker_jobs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker_support import Desk, desk, wait

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def table(fresh_database: str) -> Iterator[Desk]:
    with desk(fresh_database) as opened:
        yield opened


@pytest.fixture
def start(process_environment: dict[str, str], table: Desk, tmp_path: Path) -> Iterator[Start]:
    """Start a worker and wait until it has enlisted; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        before = table.value("SELECT count(*) FROM service_instances")
        with (tmp_path / f"worker{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "run_worker", *arguments],
                env={**process_environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=ROOT,
            )
        started.append(process)
        wait(
            lambda: table.value("SELECT count(*) FROM service_instances") > before,
            30,
            "the start of a worker",
        )
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.wait()
    for log in sorted(tmp_path.glob("worker*.log")):
        print(f"--- {log.name}\n{log.read_text()[-4000:]}")


def ended(table: Desk, count: int) -> Callable[[], Any]:
    return lambda: len(table.results()) >= count


def test_a_worker_runs_what_is_handed_out_and_stops_on_sigterm(table: Desk, start: Start) -> None:
    worker = start("-c", "4")
    table.define("- {id: hello, type: core.log.Log, message: hi}\n- {id: back, type: core.debug.Return, format: x}")
    for _ in range(50):
        table.hand_out()
    wait(ended(table, 100))
    assert {result["state"] for result in table.results()} == {"SUCCESS"}
    assert table.jobs() == 0
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert table.value("SELECT count(*) FROM service_instances") == 0


def test_a_drained_worker_takes_nothing_until_it_is_asked_to_again(table: Desk, start: Start) -> None:
    start("-c", "4")
    table.define("- {id: hello, type: core.log.Log, message: hi}")
    table.value("UPDATE service_instances SET facts = '{\"drain\": true}' RETURNING id")
    wait(lambda: table.value("SELECT state FROM service_instances") == "DRAINING", 10, "the drain")
    table.hand_out()
    # Two heartbeats later it would long have been taken.
    beat = table.value("SELECT beat FROM service_instances")
    wait(lambda: table.value("SELECT beat FROM service_instances") > beat, 10, "a heartbeat")
    assert table.jobs() == 1
    table.value("UPDATE service_instances SET facts = '{}' RETURNING id")
    wait(ended(table, 1))
