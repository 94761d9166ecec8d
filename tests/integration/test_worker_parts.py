"""Claims, results and fencing of one worker, on the real database and without Celery."""

from collections.abc import Iterator

import pytest

from executor.worker.process import Worker
from tests.integration.worker_support import Desk, desk, run_claimed

LOG = "- {id: hello, type: core.log.Log, message: 'hi {{ flow.id }}'}"


@pytest.fixture
def table(database: str) -> Iterator[Desk]:
    with desk(database) as opened:
        opened.connection.execute("TRUNCATE worker_jobs, queues, logs, metrics, payloads, service_instances")
        yield opened


@pytest.fixture
def worker(table: Desk) -> Iterator[Worker]:
    made = Worker(["default"], 2)
    made.start()
    yield made
    made.stop()


def test_a_job_becomes_a_result_and_log_lines_and_is_gone(table: Desk, worker: Worker) -> None:
    table.define(LOG).hand_out()
    assert run_claimed(worker) == 1
    result = table.result()
    assert result["state"] == "SUCCESS"
    assert result["worker"] == worker.identity.id
    assert table.logs() == [(2, f"hi {table.flow.id}")]
    assert table.jobs() == 0
