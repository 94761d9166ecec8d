"""celery.Task: an application's Celery tasks, run in processes that can be killed."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.worker.process import Worker
from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from tests.integration.worker_support import Desk, desk, run_claimed, run_one, wait, working

MODULE = "tests.integration.celery_tasks"


@pytest.fixture(scope="module")
def modules() -> Iterator[None]:
    """The nursery of task processes reads the settings anew, from the environment."""
    from django.conf import settings

    before = settings.CELESTA
    os.environ["CELESTA_TASK_MODULES"] = MODULE
    settings.CELESTA = replace(before, task_modules=(MODULE,))
    yield
    settings.CELESTA = before
    del os.environ["CELESTA_TASK_MODULES"]


@pytest.fixture(scope="module")
def worker(database: str, modules: None) -> Iterator[Worker]:
    with working() as started:
        yield started


def run(table: Desk, worker: Worker, task: str, **inputs: object) -> dict[str, Any]:
    return run_one(table, worker, f"- {{id: one, type: celery.Task, {task}}}", **inputs)


def test_the_return_value_is_the_output_and_what_it_prints_and_logs_is_in_the_log(table: Desk, worker: Worker) -> None:
    result = run(table, worker, 'name: shop.price, args: ["{{ inputs.amount }}"], kwargs: {vat: 0.5}', amount=10)
    assert (result["state"], result["outputs"]) == ("SUCCESS", {"value": {"net": 10, "gross": 15.0}})
    assert table.logs() == [(2, "pricing 10"), (2, "printed")]


def test_its_exception_is_the_failure(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "name: shop.refuse, args: [sold out]")
    assert (result["state"], result["error"]) == ("FAILED", "ValueError: refused: sold out")
    assert (4, "ValueError: refused: sold out") in table.logs()
    assert "in refuse\n" in table.messages()  # the traceback, without what is above the task
    assert "celery/app" not in table.messages()


def test_a_retry_of_its_own_runs_it_again_at_once_as_often_as_it_says(table: Desk, worker: Worker) -> None:
    assert run(table, worker, "name: shop.patient, kwargs: {wanted: 2}")["outputs"] == {"value": {"retries": 2}}
    assert [text for _, text in table.logs()] == ["Retry 1: not yet", "Retry 2: not yet"]
    assert run(table, worker, "name: shop.patient, args: [3]")["error"] == "ValueError: not yet"


def test_an_unknown_task_fails_and_names_the_known_ones(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "name: os.system, args: [id]")
    assert result["state"] == "FAILED"
    assert "There is no Celery task `os.system`" in result["error"]
    assert "shop.price" in result["error"]
    assert run(table, worker, "name: celesta.run")["state"] == "FAILED"


def test_wrong_properties_are_refused_when_the_flow_is_saved() -> None:
    source = "id: f\nnamespace: n\ntasks:\n- {id: one, type: celery.Task, %s}\n"
    for task, name in (("name: x, args: {a: 1}", "args"), ("args: []", "name"), ("name: x, arg: [1]", "arg")):
        with pytest.raises(InvalidFlow, match=name):
            parse_flow(source % task)


def test_wrong_arguments_are_refused_with_the_reason(table: Desk, worker: Worker) -> None:
    assert run(table, worker, "name: shop.price, args: '{{ 7 }}'")["error"] == "`args` must be a list, not int"
    assert "kwargs" in run(table, worker, "name: shop.price, kwargs: '{{ 1 }}'")["error"]
    assert "amount" in run(table, worker, "name: shop.price")["error"]


def test_a_process_is_used_again(table: Desk, worker: Worker) -> None:
    first = run(table, worker, "name: shop.whoami")["outputs"]["value"]
    assert run(table, worker, "name: shop.whoami")["outputs"]["value"] == first != os.getpid()


def test_a_process_that_dies_fails_its_task_and_the_next_one_runs(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "name: shop.crash")
    assert result["state"] == "FAILED"
    assert "ended before the task did" in result["error"]
    assert run(table, worker, "name: shop.whoami")["state"] == "SUCCESS"


def test_a_value_that_cannot_be_stored_is_refused_with_the_reason(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "name: shop.cyclic")
    assert (result["state"], "cannot be stored" in result["error"]) == ("FAILED", True)
    result = run(table, worker, "name: shop.thing")
    assert (result["state"], "of the type object is no JSON" in result["error"]) == ("FAILED", True)


@pytest.mark.parametrize("how", ["kill", "timeout"])
def test_a_task_that_cannot_be_interrupted_is_killed_with_all_it_started(
    table: Desk, worker: Worker, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "pids"
    timeout = ", timeout: PT1S" if how == "timeout" else ""
    table.define(f'- {{id: one, type: celery.Task, name: shop.spin, args: ["{file}"]{timeout}}}')
    (job,) = table.hand_out()
    thread = threading.Thread(target=run_claimed, args=[worker])
    thread.start()
    wait(file.exists)
    pids = [int(word) for word in file.read_text().split()]
    if how == "kill":
        table.connection.execute("UPDATE worker_jobs SET kill = true WHERE id = %s", [job])
        table.connection.execute("SELECT pg_notify('celesta_kill', '')")
    result = table.result(20)
    assert result["state"] == ("KILLED" if how == "kill" else "FAILED")
    thread.join(10)
    wait(lambda: not any(is_alive(pid) for pid in pids), 10, "the end of its processes")


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_nothing_is_left_when_the_worker_is_killed(
    process_environment: dict[str, str], fresh_database: str, tmp_path: Path
) -> None:
    import subprocess
    import sys

    root = Path(__file__).resolve().parents[2]
    file = tmp_path / "pids"
    with desk(fresh_database) as table:
        with (tmp_path / "worker.log").open("w") as log:
            worker = subprocess.Popen(
                [sys.executable, str(root / "manage.py"), "run_worker", "-c", "2"],
                env={**process_environment, "CELESTA_TASK_MODULES": MODULE},
                cwd=root, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            table.define(f'- {{id: one, type: celery.Task, name: shop.spin, args: ["{file}"]}}').hand_out()
            wait(file.exists, 40)
            pids = [int(word) for word in file.read_text().split()]
            os.kill(worker.pid, signal.SIGKILL)
            wait(lambda: not any(is_alive(pid) for pid in pids), 15, "the end of its processes")
        finally:
            worker.kill()
            worker.wait()
            print((tmp_path / "worker.log").read_text()[-3000:])
