"""Why an execution waits: the page names the limit and its holders, the missing worker, the pause, the date."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from executions.ids import to_base62
from executions.models import ConcurrencySlot, ExecutionRecord, ServiceInstance, TaskRunRecord, Timer, WorkerJob
from executions.pages import waiting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty")]


def execution(state: str, **more: Any) -> ExecutionRecord:
    start = datetime.now(UTC) - timedelta(minutes=1)
    return ExecutionRecord.objects.create(
        namespace="team", flow_id="work", flow_revision=1, state=state, start_date=start,
        histories=[["CREATED", start.isoformat()], [state, start.isoformat()]], **more,
    )  # fmt: skip


def worker(**more: Any) -> None:
    now = datetime.now(UTC)
    ServiceInstance.objects.create(
        id=f"w{ServiceInstance.objects.count()}",
        kind="worker",
        started=now,
        beat=now,
        queues=["default"],
        threads=4,
        **more,
    )


def a_job(of: ExecutionRecord, queue: str = "default") -> None:
    created = datetime.now(UTC) - timedelta(seconds=30)
    WorkerJob.objects.create(
        queue=queue, execution_id=of.pk, task_run_id=of.pk, token=of.pk, task_type="x", payload={}, created=created
    )


def told(of: ExecutionRecord) -> str:
    return " ".join(f"{reason.text} {reason.command}" for reason in waiting.reasons(of))


def test_a_queued_one_names_the_limit_and_who_holds_it() -> None:
    holder, waits = execution("RUNNING"), execution("QUEUED")
    now = datetime.now(UTC)
    for one, running in ((holder, True), (waits, False)):
        ConcurrencySlot.objects.create(
            execution_id=one.pk, namespace="team", flow_id="work", running=running, since=now
        )
    (reason,) = waiting.reasons(waits)
    assert "work runs at most 1 at a time" in reason.text and "it is the next" in reason.text
    assert len(reason.holders) == 1


def test_the_limit_is_told_also_when_more_hold_it_than_are_named() -> None:
    now, waits = datetime.now(UTC), execution("QUEUED")
    for _ in range(25):
        ConcurrencySlot.objects.create(
            execution_id=execution("RUNNING").pk, namespace="team", flow_id="work", running=True, since=now
        )
    (reason,) = waiting.reasons(waits)
    assert "at most 25 at a time" in reason.text and len(reason.holders) == 20


def test_a_task_without_a_worker_names_the_queue_and_how_to_start_one() -> None:
    running = execution("RUNNING")
    a_job(running, "gpu")
    worker()
    assert "no worker listens to queue gpu" in told(running)
    assert "manage.py run_worker --queues gpu" in told(running)


def test_a_task_for_busy_or_drained_workers_says_so() -> None:
    running = execution("RUNNING")
    a_job(running)
    worker(state="DRAINING")
    assert "are drained" in told(running)
    worker()
    assert "waits for a free thread" in told(running)


def test_a_scheduled_one_says_when_and_one_that_moves_says_nothing() -> None:
    later = execution("CREATED", schedule_date=datetime.now(UTC) + timedelta(hours=1))
    (reason,) = waiting.reasons(later)
    assert reason.until == later.schedule_date
    assert waiting.reasons(execution("RUNNING")) == []
    assert waiting.reasons(execution("SUCCESS")) == []


def test_without_an_executor_the_reason_is_that_there_is_none() -> None:
    assert "No executor is running" in told(execution("CREATED"))


def test_one_that_failed_and_will_be_tried_again_says_which_attempt_comes_when() -> None:
    retrying = execution("RETRYING")
    run = TaskRunRecord.objects.create(
        id=uuid4(), execution_id=retrying.pk, task_id="call", state="RETRYING", seq=1, version=1,
        histories=retrying.histories, attempts=[{"state": "FAILED", "histories": retrying.histories}],
    )  # fmt: skip
    due = datetime.now(UTC) + timedelta(minutes=4)
    Timer.objects.create(execution_id=retrying.pk, kind="retry", key=to_base62(run.pk), due=due)
    (reason,) = waiting.reasons(retrying)
    assert reason.text == "call failed: its attempt 2 starts" and reason.until == due
