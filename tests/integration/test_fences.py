"""Who may end, announce, give back or take a job: only its present claim. Two workers, on the real table, step by step."""

from collections.abc import Iterator
from typing import Any

import pytest

from executions.ids import new_id, to_base62
from executions.queue import postgres as queue
from executor.worker.claims import Claims
from executor.worker.flusher import SQL, Flusher, Report
from executor.worker.slots import Held, Slots
from tests.integration.worker_support import Desk

LOG = "- {id: hello, type: core.log.Log, message: hi}"


@pytest.fixture
def claims(table: Desk) -> Iterator[Claims]:
    one = Claims(Slots(4))
    table.define(LOG).hand_out()
    yield one
    one.close()


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    one = Flusher(lambda jobs: None)
    yield one
    one._connection.close()


def claim(claims: Claims, worker: str) -> Held:
    (job,) = claims.claim(worker, "default", 1)
    return job


def pass_on(claims: Claims, job: Held, worker: str) -> Held:
    """The job goes back to the queue, and the worker takes it."""
    claims._slots.unstarted()
    claims.give_back([job])
    return claim(claims, worker)


def holder(table: Desk) -> Any:
    return table.connection.execute("SELECT claimed_by, claim FROM worker_jobs").fetchone()


@pytest.mark.parametrize("other", ["a", "b"], ids=["the same worker again", "another worker"])
def test_only_the_present_claim_ends_a_job(table: Desk, claims: Claims, flusher: Flusher, other: str) -> None:
    old = claim(claims, "a")
    new = pass_on(claims, old, other)
    flusher._write([Report(old, {"task_run_id": "r", "token": "t", "state": "SUCCESS"})])
    assert (table.results(), table.jobs()) == ([], 1)
    flusher._write([Report(new, {"task_run_id": "r", "token": "t", "state": "SUCCESS"})])
    assert (len(table.results()), table.jobs()) == (1, 0)
    flusher._write([Report(new, {"task_run_id": "r", "token": "t", "state": "SUCCESS"})])
    assert len(table.results()) == 1, "a result whose commit was not answered is written again"


@pytest.mark.parametrize("other", ["a", "b"], ids=["the same worker again", "another worker"])
def test_only_the_present_claim_announces_a_start(table: Desk, claims: Claims, flusher: Flusher, other: str) -> None:
    old = claim(claims, "a")
    new = pass_on(claims, old, other)
    started = "SELECT count(*) FROM queues WHERE type = 'task.started'"
    flusher._write([Report(old, {"task_run_id": "r"}, final=False)])
    assert table.value(started) == 0
    flusher._write([Report(new, {"task_run_id": "r"}, final=False)])
    assert table.value(started) == 1


@pytest.mark.parametrize("other", ["a", "b"], ids=["the same worker again", "another worker"])
def test_only_the_present_claim_is_given_back(table: Desk, claims: Claims, other: str) -> None:
    old = claim(claims, "a")
    pass_on(claims, old, other)
    claims.give_back([old])
    assert holder(table) == (other, 2)


def test_a_job_is_taken_by_name_with_its_token_only_and_once(table: Desk, claims: Claims) -> None:
    id_, token = table.connection.execute("SELECT id, token FROM worker_jobs").fetchall()[0]
    assert claims.take("a", [(id_, new_id())], None) == []
    assert [job.id for job in claims.take("a", [(id_, to_base62(token))], None)] == [id_]
    assert claims.take("b", [(id_, to_base62(token))], None) == [], "a message of a broker that came twice"
    assert holder(table) == ("a", 1)


def test_jobs_that_another_worker_is_claiming_are_passed_over(table: Desk, claims: Claims) -> None:
    with table.connection.transaction():
        parameters = {"worker": "a", "queue": "default", "low": 0, "limit": 1}
        assert len(table.connection.execute(SQL["claim"], parameters).fetchall()) == 1
        assert claims.claim("b", "default", 1) == []
    assert holder(table) == ("a", 1)


def test_only_workers_that_are_gone_lose_their_jobs(table: Desk, claims: Claims) -> None:
    table.hand_out()
    claim(claims, "gone")
    claim(claims, "alive")
    table.connection.execute(
        "INSERT INTO service_instances (id, kind, host, pid, queues, threads, state, started, beat, facts)"
        " VALUES ('alive', 'worker', 'h', 1, '[]', 1, 'RUNNING', now(), now(), '{}')"
    )
    assert [worker for _, _, worker in queue.lose_jobs(table.connection, 0.0)] == ["gone"]
    assert holder(table) == ("alive", 1)
    assert [(one["lost"], one["worker"]) for one in table.results()] == [(True, "gone")]
