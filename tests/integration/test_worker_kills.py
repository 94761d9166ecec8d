"""Kills and time limits of a worker's tasks: announced as rows, carried out on whole process groups."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.worker.process import Worker
from tests.integration.worker_support import Desk, run_claimed, wait, working

# Ignores TERM, and has a child in a session of its own.
STUBBORN = """
- id: one
  type: io.kestra.plugin.scripts.shell.Script
  TIMEOUT
  warningOnStdErr: false
  failFast: false
  script: |
    trap 'echo terminated' TERM
    setsid sleep 300 &
    sleep 300 &
    echo "$$ $!"
    touch {{ workingDir }}/started
    while true; do sleep 0.1; done
"""


@pytest.fixture
def worker(table: Desk) -> Iterator[Worker]:
    with working(4) as started:
        yield started


def in_background(worker: Worker) -> threading.Thread:
    thread = threading.Thread(target=run_claimed, args=[worker])
    thread.start()
    return thread


def announce(table: Desk, *jobs: int) -> None:
    table.connection.execute("UPDATE worker_jobs SET kill = true WHERE id = ANY(%s)", [list(jobs)])
    table.connection.execute("SELECT pg_notify('celesta_kill', '')")


def processes_of(worker: Worker) -> list[int]:
    mark = f"CELESTA_TASK={worker.tools.processes.mark}/".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def test_heartbeats_go_on_after_a_kill_was_announced(table: Desk, worker: Worker) -> None:
    table.define("- {id: one, type: core.flow.Sleep, duration: PT60S}")
    (job,) = table.hand_out()
    thread = in_background(worker)
    wait(lambda: table.value("SELECT count(*) FROM worker_jobs WHERE claimed_by IS NOT NULL"))
    announce(table, job)
    assert table.result(5)["state"] == "KILLED"
    thread.join(5)
    query = f"SELECT beat FROM service_instances WHERE id = '{worker.identity.id}'"
    beat = table.value(query)
    wait(lambda: table.value(query) > beat, 8, "another heartbeat")
    table.define("- {id: one, type: core.log.Log, message: hi}").hand_out()
    assert run_claimed(worker) == 1


def test_a_kill_ends_only_the_named_jobs(table: Desk, worker: Worker) -> None:
    table.define(
        "- {id: one, type: core.flow.Sleep, duration: PT60S}\n- {id: two, type: core.flow.Sleep, duration: PT2S}"
    )
    first, _ = table.hand_out()
    jobs = worker.claims.claim(worker.identity.id, "default", 2)
    threads = [threading.Thread(target=worker.run_named, args=[[(job.id, None)]]) for job in jobs]
    for thread in threads:
        thread.start()
    announce(table, first)
    wait(lambda: len(table.results()) == 2)
    assert [result["state"] for result in table.results()] == ["KILLED", "SUCCESS"]
    for thread in threads:
        thread.join(5)


def test_a_script_that_ignores_the_end_is_killed_with_everything_it_started(table: Desk, worker: Worker) -> None:
    table.define(STUBBORN.replace("TIMEOUT", "disabled: false"))
    (job,) = table.hand_out()
    thread = in_background(worker)
    wait(lambda: len(processes_of(worker)) >= 3)
    announce(table, job)
    began = time.monotonic()
    assert table.result(12)["state"] == "KILLED"
    assert time.monotonic() - began > 4, "it was asked first"
    thread.join(5)
    assert "terminated" in table.messages()
    wait(lambda: not processes_of(worker), 5, "the end of its processes")


def test_a_script_that_takes_too_long_fails_with_everything_it_started(table: Desk, worker: Worker) -> None:
    table.define(
        STUBBORN.replace("TIMEOUT", "timeout: PT0.5S").replace("trap 'echo terminated' TERM", "true")
    ).hand_out()
    thread = in_background(worker)
    result = table.result(12)
    assert (result["state"], result["error"]) == ("FAILED", "Timeout after 00:00:00.500")
    thread.join(5)
    wait(lambda: not processes_of(worker), 5, "the end of its processes")


def test_a_job_killed_before_it_started_never_runs(table: Desk, worker: Worker, tmp_path: Path) -> None:
    table.define(f"- {{id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['touch {tmp_path}/ran']}}")
    (job,) = table.hand_out()
    announce(table, job)
    run_claimed(worker)
    assert table.result()["state"] == "KILLED"
    assert not os.path.exists(tmp_path / "ran")
