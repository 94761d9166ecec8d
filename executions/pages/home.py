"""The home page: is anything wrong now, what runs and waits, what comes next. Reads only."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from executions import database
from executions.models import (
    DeadLetter,
    ExecutionRecord,
    QueueMessage,
    ServiceInstance,
    TriggerRecord,
    WorkerJob,
)
from executions.pages import chart
from executions.pages.flows import SQL
from executions.pages.lists import rows_of
from flows.access import EVERYWHERE, Access, Role
from flows.definition.states import TERMINAL
from flows.models import FlowRecord
from flows.pages.rights import access_of, page

_ALIVE = timedelta(seconds=10)
_STUCK = timedelta(seconds=30)
_SECONDS = 1.0
_counted: dict[Any, tuple[float, Any, float]] = {}
_ENDED = [state.value for state in TERMINAL]


@page()
def home(request: HttpRequest) -> HttpResponse:
    access = access_of(request)
    now = datetime.now(UTC)
    rows = access.filter(ExecutionRecord.objects.filter(deleted=False))
    day = rows.filter(start_date__gte=now - timedelta(days=1))
    light = ("inputs", "outputs", "memory", "variables")
    context = {
        "problems": problems(access, now),
        "counts": remembered("counts", access, lambda: counts(rows, day)),
        "failed": rows_of(day.filter(state="FAILED").defer(*light).order_by("-start_date")[:8]),
        "live": rows_of(rows.exclude(state__in=_ENDED).defer(*light).order_by("-start_date")[:12]),
        "due": due(access, now),
        "hours": remembered("hours", access, lambda: chart.by_hour(day, now)),
        "busiest": remembered("busiest", access, lambda: busiest(access, now)),
        "pulse": pulse(),
        "has_flows": access.filter(FlowRecord.objects.filter(latest=True, deleted=False)).exists(),
        "may_write": access.allows_somewhere(Role.AUTHOR),
    }
    part = request.headers.get("HX-Target") == "home"
    return render(request, "executions/_home.html" if part else "executions/home.html", context)


def remembered(what: str, access: Access, count: Callable[[], Any]) -> Any:
    """Sums over a day's executions, once in a while for all readers with the same grants: a table of a million is slow."""
    key, now = (what, access.grants), time.monotonic()
    known = _counted.get(key)
    if known is None or now - known[0] > known[2]:
        if len(_counted) > 1000:
            _counted.clear()
        value = count()
        # As rare as it is slow, so that it never takes more than a tenth of the time.
        known = _counted[key] = (now, value, max(_SECONDS, 10 * (time.monotonic() - now)))
    return known[1]


def problems(access: Access, now: datetime) -> list[dict[str, Any]]:
    """What an operator must look at; each with the place that tells more."""
    found = []
    living = ServiceInstance.objects.filter(beat__gt=now - _ALIVE)
    kinds = set(living.values_list("kind", flat=True))
    if "executor" not in kinds:
        found.append(
            {
                "text": "No executor is running: nothing moves. Start one with manage.py run_executor.",
                "href": "/system",
            }
        )
    if "worker" not in kinds:
        found.append(
            {
                "text": "No worker is running: tasks wait. Start one with manage.py run_worker.",
                "href": "/system",
            }
        )
    if dead := DeadLetter.objects.count():
        found.append(
            {
                "text": f"{dead} of the messages could not be handled: dead letters.",
                "href": "/system",
            }
        )
    late = QueueMessage.objects.filter(stream=False, not_before=None).aggregate(oldest=Min("created"))["oldest"]
    if late and now - late > _STUCK:
        found.append(
            {
                "text": "Messages wait for the executor longer than they should.",
                "href": "/system",
                "since": late,
            }
        )
    oldest = WorkerJob.objects.filter(claimed_by=None).aggregate(oldest=Min("created"))["oldest"]
    if oldest and now - oldest > _STUCK:
        found.append({"text": "Tasks wait for a worker.", "href": "/system", "since": oldest})
    return found


def counts(rows: Any, day: Any) -> list[dict[str, Any]]:
    """Tiles: what is open now, and how the last day ended."""
    live = dict(rows.exclude(state__in=_ENDED).order_by().values_list("state").annotate(count=Count("id")))
    ended = dict(day.filter(state__in=_ENDED).order_by().values_list("state").annotate(count=Count("id")))
    tiles = [
        {"state": state, "count": live.get(state, 0), "href": f"/executions?state={state}", "when": "now"}
        for state in ("RUNNING", "QUEUED", "PAUSED")
    ]
    tiles += [
        {"state": state, "count": count, "href": f"/executions?state={state}", "when": "now"}
        for state, count in sorted(live.items())
        if state not in ("RUNNING", "QUEUED", "PAUSED")
    ]
    tiles += [
        {
            "state": state,
            "count": ended.get(state, 0),
            "href": f"/executions?state={state}&since=P1D",
            "when": "last day",
            "alarm": state == "FAILED" and ended.get(state, 0) > 0,
        }
        for state in ("FAILED", "WARNING", "SUCCESS")
    ]
    return tiles


def busiest(access: Access, now: datetime) -> list[dict[str, Any]]:
    """Flows of the last day, those that failed most often first."""
    granted = [namespace for namespace, _ in access.grants]
    values = {"since": now - timedelta(days=1), "everywhere": EVERYWHERE in granted, "namespaces": granted}
    return [
        {
            "namespace": namespace,
            "flow_id": flow_id,
            "count": count,
            "failed": failed,
            "median": None if median is None else float(median) * 1000,
            "slow": None if slow is None else float(slow) * 1000,
        }
        for namespace, flow_id, count, failed, median, slow in database.current().execute(SQL["busiest_flows"], values)
    ]


def pulse() -> dict[str, Any]:
    names = ("running", "waiting", "oldest", "workers", "threads", "messages")
    return dict(zip(names, database.current().execute(SQL["pulse"]).fetchone(), strict=True))


def due(access: Access, now: datetime) -> list[TriggerRecord]:
    rows = TriggerRecord.objects.filter(disabled=False, next_date__gte=now - timedelta(minutes=5))
    return list(access.filter(rows).order_by("next_date")[:8])
