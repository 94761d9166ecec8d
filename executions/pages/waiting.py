"""Why an execution does not move: the limit and its holders, the delay, the missing worker, the approval."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Min

from executions.ids import to_base62
from executions.models import (
    ConcurrencySlot,
    ExecutionRecord,
    ServiceInstance,
    TaskRunRecord,
    Timer,
    WorkerJob,
)

_ALIVE = timedelta(seconds=10)
_NAMED_HOLDERS = 20


@dataclass(frozen=True, slots=True)
class Reason:
    state: str  # colours the banner
    text: str
    until: datetime | None = None
    since: datetime | None = None
    holders: list[str] = field(default_factory=list)  # execution ids
    action: str = ""  # resume | unqueue
    command: str = ""  # what mends it, to type


def reasons(execution: ExecutionRecord) -> list[Reason]:
    """Most important first; none for an execution that is over or moves."""
    match execution.state:
        case "QUEUED":
            return [_queued(execution)]
        case "PAUSED" | "BREAKPOINT":
            return _paused(execution)
        case "CREATED":
            return _created(execution)
        case "KILLING":
            return _killing(execution)
        case "RUNNING" | "RESTARTED" | "RETRYING":
            return [*_delayed(execution), *_without_worker(execution), *_inside_pauses(execution)]
    return []


def _since(execution: ExecutionRecord) -> datetime:
    return datetime.fromisoformat(execution.histories[-1][1])


def _queued(execution: ExecutionRecord) -> Reason:
    slots = ConcurrencySlot.objects.filter(namespace=execution.namespace, flow_id=execution.flow_id)
    running = slots.filter(running=True)
    holders = list(running.order_by("since").values_list("execution_id", flat=True)[:_NAMED_HOLDERS])
    held = len(holders) if len(holders) < _NAMED_HOLDERS else running.count()
    own = slots.filter(execution_id=execution.pk).first()
    before = slots.filter(running=False, since__lt=own.since).count() if own else 0
    ahead = f"{before} execution{'s are' if before > 1 else ' is'} ahead of it" if before else "it is the next"
    return Reason(
        "queued",
        f"Waits for a slot: {execution.flow_id} runs at most {held} at a time, and all places are taken; {ahead}.",
        since=_since(execution),
        holders=[to_base62(holder) for holder in holders],
        action="unqueue",
    )


def _paused(execution: ExecutionRecord) -> list[Reason]:
    found = _inside_pauses(execution)
    return found or [Reason("paused", "Paused by hand.", since=_since(execution), action="resume")]


def _inside_pauses(execution: ExecutionRecord) -> list[Reason]:
    rows = TaskRunRecord.objects.filter(execution_id=execution.pk, state="PAUSED").order_by("seq")[:3]
    ends = {
        timer.key: timer.due for timer in Timer.objects.filter(execution_id=execution.pk, kind__in=("pause", "resume"))
    }
    return [
        Reason(
            "paused",
            f"Paused at {run.task_id}: it waits for somebody to resume it."
            if to_base62(run.pk) not in ends
            else f"Paused at {run.task_id}.",
            until=ends.get(to_base62(run.pk)),
            since=datetime.fromisoformat(run.histories[-1][1]),
            action="resume",
        )
        for run in rows
    ]


def _created(execution: ExecutionRecord) -> list[Reason]:
    if execution.schedule_date and execution.schedule_date > datetime.now(UTC):
        return [Reason("created", "Scheduled: it starts", until=execution.schedule_date)]
    if datetime.now(UTC) - execution.start_date < timedelta(seconds=2):
        return []
    if not _living("executor").exists():
        return [
            Reason(
                "warning",
                "No executor is running. Start one:",
                since=_since(execution),
                command="manage.py run_executor",
            )
        ]
    return [Reason("created", "Waits for an executor to take it up.", since=_since(execution))]


def _killing(execution: ExecutionRecord) -> list[Reason]:
    jobs = WorkerJob.objects.filter(execution_id=execution.pk).count()
    return [Reason("killed", f"Ends its running tasks: {jobs} left.", since=_since(execution))] if jobs else []


def _delayed(execution: ExecutionRecord) -> list[Reason]:
    timers = Timer.objects.filter(execution_id=execution.pk, kind__contains="retry").order_by("due")[:3]
    runs = TaskRunRecord.objects.filter(execution_id=execution.pk, state="RETRYING").only("task_id", "attempts")[:50]
    next_tries = {
        to_base62(run.pk): f"{run.task_id} failed: its attempt {len(run.attempts) + 1} starts" for run in runs
    }
    return [
        Reason("retrying", next_tries.get(timer.key, "The execution is tried again"), until=timer.due)
        for timer in timers
    ]


def _without_worker(execution: ExecutionRecord) -> list[Reason]:
    """Jobs that nobody took for two seconds: is there a worker for their queue at all, and is it full?"""
    waiting = (
        WorkerJob.objects.filter(
            execution_id=execution.pk, claimed_by=None, created__lt=datetime.now(UTC) - timedelta(seconds=2)
        )
        .values("queue")
        .annotate(count=Count("id"), oldest=Min("created"))
    )
    found = []
    for row in waiting:
        listening = [worker for worker in _living("worker") if listens(worker, row["queue"])]
        workers = [worker for worker in listening if worker.state != "DRAINING"]
        queue, count, command = row["queue"], row["count"], ""
        what = f"{count} task{'s wait' if count > 1 else ' waits'}"
        if workers:
            text = f"{what} for a free thread: {len(workers)} of the workers listen to queue {queue}."
        elif listening:
            text = f"{what}: all workers of queue {queue} are drained. Let one take work again on the system page."
        else:
            text, command = (
                f"{what}: no worker listens to queue {queue}. Start one:",
                f"manage.py run_worker --queues {queue}",
            )
        found.append(Reason("queued" if workers else "warning", text, since=row["oldest"], command=command))
    return found


def _living(kind: str) -> Any:
    return ServiceInstance.objects.filter(kind=kind, beat__gt=datetime.now(UTC) - _ALIVE)


def listens(worker: ServiceInstance, queue: str) -> bool:
    return not worker.queues or queue in worker.queues
