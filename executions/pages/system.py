"""The state of the machinery: queues by type, work in flight, processes and what each runs, slots, dead letters.

Numbers are for everybody who may see anything; which executions are named depends on the reader.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from executions import database, upkeep
from executions.ids import to_base62
from executions.models import ConcurrencySlot, DeadLetter, ExecutionRecord, ServiceInstance, TaskRunRecord, WorkerJob
from executions.pages.flows import SQL
from executions.pages.home import problems
from executions.pages.waiting import listens
from flows import catalog
from flows.access import Access, Role
from flows.definition.errors import InvalidFlow
from flows.pages.rights import access_of, page

Json = dict[str, Any]
_ALIVE = timedelta(seconds=10)
_KINDS = {"executor": 0, "worker": 1, "scheduler": 2, "web": 3}
_SHOWN_JOBS = 200


@page()
def system(request: HttpRequest) -> HttpResponse:
    access, now = access_of(request), datetime.now(UTC)
    is_admin = access.allows_somewhere(Role.ADMIN)
    processes = list(ServiceInstance.objects.filter(beat__gt=now - timedelta(minutes=10)))
    context = {
        "problems": problems(access, now),
        "messages_by_type": by_type(),
        "work": waiting_work(processes, now),
        "processes": with_jobs(processes, access, now),
        "slots": slots(access),
        "dead": dead_letters(access, is_admin),
        "dead_count": DeadLetter.objects.count(),
        "is_admin": is_admin,
    }
    part = request.headers.get("HX-Target") == "system"
    return render(request, "executions/_system.html" if part else "executions/system.html", context)


def by_type() -> list[Json]:
    """Rows of the message table: depth, age of the oldest, size."""
    columns = ("stream", "type", "rows", "oldest", "bytes", "delayed")
    return [dict(zip(columns, row, strict=True)) for row in database.current().execute(SQL["messages_by_type"])]


def waiting_work(processes: list[ServiceInstance], now: datetime) -> list[Json]:
    """Jobs by worker queue, with who listens to it."""
    workers = [one for one in processes if one.kind == "worker" and one.beat > now - _ALIVE]
    counted = (
        WorkerJob.objects.values("queue")
        .annotate(
            waiting=Count("id", filter=Q(claimed_by=None)),
            running=Count("id", filter=Q(claimed_by__isnull=False)),
            oldest=Min("created", filter=Q(claimed_by=None)),
        )
        .order_by("queue")
    )
    rows: list[Json] = [dict(row) for row in counted]
    known = {row["queue"] for row in rows}
    idle = {queue for worker in workers for queue in worker.queues} - known
    rows += [{"queue": queue, "waiting": 0, "running": 0, "oldest": None} for queue in sorted(idle)]
    for row in rows:
        listening = [worker for worker in workers if listens(worker, row["queue"])]
        row.update(workers=len(listening), threads=sum(worker.threads for worker in listening))
    return rows


def with_jobs(processes: list[ServiceInstance], access: Access, now: datetime) -> list[Json]:
    """Processes, and for a worker what it runs (named when the reader may see the execution)."""
    jobs = list(
        WorkerJob.objects.filter(claimed_by__isnull=False).defer("payload").order_by("claimed_at")[:_SHOWN_JOBS]
    )
    visible = {
        row.pk: row
        for row in access.filter(
            ExecutionRecord.objects.filter(pk__in={job.execution_id for job in jobs}).only("namespace", "flow_id")
        )
    }
    tasks = dict(TaskRunRecord.objects.filter(pk__in=[job.task_run_id for job in jobs]).values_list("id", "task_id"))
    running: dict[str, list[Json]] = {}
    for job in jobs:
        row = visible.get(job.execution_id)
        running.setdefault(job.claimed_by or "", []).append(
            {
                "since": job.claimed_at,
                "type": job.task_type.rpartition(".")[2],
                "execution": to_base62(job.execution_id) if row else None,
                "run": to_base62(job.task_run_id),
                "flow": row.flow_id if row else "",
                "task": tasks.get(job.task_run_id, "") if row else "",
            }
        )
    ordered = sorted(processes, key=lambda one: (_KINDS.get(one.kind, 9), one.host, one.pid))
    return [
        {"process": one, "is_alive": one.beat > now - _ALIVE, "jobs": running.get(one.pk, [])}
        for one in ordered
        if one.beat > now - _ALIVE or running.get(one.pk)
    ]


def slots(access: Access) -> list[Json]:
    """Flows with a concurrency limit that is in use: who holds, how many wait."""
    rows = (
        access.filter(ConcurrencySlot.objects.all())
        .values("namespace", "flow_id")
        .annotate(
            held=Count("execution_id", filter=Q(running=True)),
            waiting=Count("execution_id", filter=Q(running=False)),
            oldest=Min("since", filter=Q(running=False)),
        )
        .order_by("-waiting", "namespace", "flow_id")[:50]
    )
    return [{**row, "limit": _limit(row["namespace"], row["flow_id"])} for row in rows]


def _limit(namespace: str, flow_id: str) -> int | None:
    try:
        concurrency = catalog.find(namespace, flow_id).concurrency
    except (catalog.FlowNotFound, InvalidFlow):  # slots may outlive their flow
        return None
    return concurrency.limit if concurrency else None


def dead_letters(access: Access, is_admin: bool) -> list[Json]:
    """The newest; tracebacks only for administrators."""
    letters = list(DeadLetter.objects.order_by("-id")[:50])
    wanted = {letter.execution_id for letter in letters if letter.execution_id}
    visible = set(access.filter(ExecutionRecord.objects.filter(pk__in=wanted)).values_list("pk", flat=True))
    return [
        {
            "letter": letter,
            "execution": to_base62(letter.execution_id)
            if letter.execution_id and letter.execution_id in visible
            else None,
            "cause": (letter.error.strip().splitlines() or [""])[-1],
            "error": letter.error if is_admin else "",
        }
        for letter in letters
        if is_admin or letter.execution_id in visible
    ]


@page(role=Role.ADMIN)
def cleanable(request: HttpRequest) -> HttpResponse:
    """What a cleaning would remove, before anybody is asked."""
    found = upkeep.cleanable()
    return JsonResponse({"types": found, "total": sum(found.values())})


@page("POST", role=Role.ADMIN)
def act(request: HttpRequest, action: str) -> HttpResponse:
    if action == "clean":
        messages.success(request, f"Removed {upkeep.clean():,} old messages.")
    elif action in ("redrive", "drop"):
        ids = [int(text) for text in request.POST.get("ids", "").split() if text.isascii() and text.isdigit()]
        if not ids:
            ids = list(DeadLetter.objects.values_list("pk", flat=True))
        done = (upkeep.redrive if action == "redrive" else upkeep.drop)(ids)
        told = "handed to the executor again" if action == "redrive" else "dropped"
        messages.success(request, f"{done} of {len(ids)} dead letters {told}.")
    elif action in ("drain", "undrain"):
        if not upkeep.drain(request.POST.get("worker", ""), action == "drain"):
            raise Http404("This worker is not there any more.")
        told = "takes no more work; what it runs goes on" if action == "drain" else "takes work again"
        messages.success(request, f"The worker {told}, within two seconds.")
    else:
        raise Http404("There is no such action.")
    return redirect("/system")
