"""Claims, results and fencing of one worker, on the real database and without Celery."""

from executor.worker.process import Worker
from tests.integration.worker_support import Desk, run_claimed

LOG = "- {id: hello, type: core.log.Log, message: 'hi {{ flow.id }}'}"


def test_a_job_becomes_a_result_and_log_lines_and_is_gone(table: Desk, worker: Worker) -> None:
    table.define(LOG).hand_out()
    assert run_claimed(worker) == 1
    result = table.result()
    assert result["state"] == "SUCCESS"
    assert result["worker"] == worker.identity.id
    assert table.logs() == [(2, f"hi {table.flow.id}")]
    assert table.jobs() == 0
