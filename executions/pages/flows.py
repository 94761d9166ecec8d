"""Flows with what happened to them: the list, one flow's page, its source beside its topology. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from executions import database, named_sql, triggering
from executions.ids import to_base62
from executions.models import ExecutionRecord, TriggerRecord
from executions.pages import chart
from executions.pages.lists import page_number, rows_of
from flows.access import Role
from flows.models import FlowRecord
from flows.pages import reading, topology
from flows.pages.rights import access_of, page

SQL = named_sql.load(Path(__file__).with_name("pages.sql"))
SIZE = 50
LAST = 10  # executions shown per flow
_DAYS = 14
_BARS = 40  # executions whose durations a flow's page draws


@dataclass(frozen=True, slots=True)
class Past:
    """One execution as a mark in a list of flows."""

    id: str
    state: str
    start: datetime
    end: datetime | None


@dataclass(slots=True)
class Row:
    record: FlowRecord
    last: list[Past] = field(default_factory=list)  # oldest first
    next_date: datetime | None = None

    @property
    def latest(self) -> Past | None:
        return self.last[-1] if self.last else None


@page()
def flows(request: HttpRequest) -> HttpResponse:
    found = reading.selected(request)
    total = found.count()
    number = page_number(request)
    records = list(found[(number - 1) * SIZE : number * SIZE])
    access = access_of(request)
    context = {
        "rows": with_last(records),
        "total": total,
        "page": number,
        "first": (number - 1) * SIZE + 1,
        "last": (number - 1) * SIZE + len(records),
        "more": number * SIZE < total,
        "filtered": any(request.GET.get(name) for name in ("q", "namespace", "label")),
        "namespaces": reading.namespaces(request),
        "may_write": access.allows_somewhere(Role.AUTHOR),
        "may_run": access.allows_somewhere(Role.OPERATOR),
    }
    part = request.headers.get("HX-Target") == "rows"
    return render(request, "executions/_flow_rows.html" if part else "executions/flows.html", context)


def with_last(records: Sequence[FlowRecord]) -> list[Row]:
    """Flows with their last executions and their next date: two queries for a page."""
    rows = {(record.namespace, record.flow_id): Row(record) for record in records}
    if not rows:
        return []
    flow_ids = [key[1] for key in rows]
    names = {"namespaces": [key[0] for key in rows], "flows": flow_ids, "limit": LAST}
    for namespace, flow_id, execution, state, start, end in database.current().execute(SQL["last_of_flows"], names):
        rows[namespace, flow_id].last.insert(0, Past(to_base62(execution), state, start, end))
    for row in rows.values():
        row.last.sort(key=lambda past: past.start)
    dates = TriggerRecord.objects.filter(disabled=False, next_date__isnull=False, flow_id__in=flow_ids)
    for trigger in dates.order_by("-next_date"):
        if row_of := rows.get((trigger.namespace, trigger.flow_id)):
            row_of.next_date = trigger.next_date
    return list(rows.values())


@page()
def flow(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """What it does, how it fares, when it runs next."""
    shown = reading.flow_or_404(request, namespace, flow_id, revision=reading.revision_in(request))
    access, now = access_of(request), datetime.now(UTC)
    mine = ExecutionRecord.objects.filter(namespace=namespace, flow_id=flow_id, deleted=False)
    recent = mine.filter(start_date__gte=now - timedelta(days=_DAYS))
    light = ("inputs", "outputs", "memory", "variables")
    rows = rows_of(mine.defer(*light).order_by("-start_date")[:_BARS])
    context = {
        "record": shown.record,
        "flow": shown.flow,
        "errors": shown.errors,
        "lines": shown.record.source.splitlines(),
        "start": {"tree": topology.tree(shown.flow) if shown.flow else []},
        "rows": rows,
        "pace_chart": chart.by_duration(rows, now),
        "chart": chart.by_day(recent, now, _DAYS),
        "days": _DAYS,
        "pace": _pace(namespace, flow_id, now),
        "triggers": triggers_of(shown),
        "may_write": access.allows(Role.AUTHOR, namespace),
        "may_run": access.allows(Role.OPERATOR, namespace),
    }
    part = request.headers.get("HX-Target") == "fares"
    return render(request, "executions/_flow_fares.html" if part else "executions/flow.html", context)


def _pace(namespace: str, flow_id: str, now: datetime) -> dict[str, Any] | None:
    """How long it takes: median and 95 of 100 in milliseconds."""
    values = {"namespace": namespace, "flow": flow_id, "since": now - timedelta(days=_DAYS)}
    median, slow, count = database.current().execute(SQL["durations"], values).fetchone()
    return {"median": median * 1000, "slow": slow * 1000, "count": count} if count else None


@dataclass(frozen=True, slots=True)
class Armed:
    """A trigger as written, with its state if the scheduler keeps one."""

    definition: Any
    record: TriggerRecord | None

    @property
    def kind(self) -> str:
        return str(self.definition.type).rpartition(".")[2]

    @property
    def disabled(self) -> bool:
        return bool(self.definition.disabled or (self.record and self.record.disabled))

    @property
    def summary(self) -> str:
        """What sets it off, in a few words."""
        if cron := getattr(self.definition, "cron", None):
            zone = getattr(self.definition, "timezone", None)
            return f"{cron} {zone or 'UTC'}"
        if self.kind == "Webhook":
            return "a call of its address"
        return str(self.definition.description or "")


def triggers_of(shown: reading.Shown) -> list[Armed]:
    if shown.flow is None:
        return []
    rows = TriggerRecord.objects.filter(namespace=shown.record.namespace, flow_id=shown.record.flow_id)
    by_id = {row.trigger_id: row for row in rows}
    return [Armed(trigger, by_id.get(trigger.id)) for trigger in shown.flow.triggers]


@page()
def triggers(request: HttpRequest) -> HttpResponse:
    """Every trigger of the live flows: what is armed, what comes next."""
    records = reading.selected(request).exclude(trigger_types=[])
    number = page_number(request)
    total = records.count()
    found = [
        (record, armed)
        for record in records.defer(None)[(number - 1) * SIZE : number * SIZE]
        for armed in triggers_of(reading.shown(record))
    ]
    access = access_of(request)
    context = {
        "may": {record.pk for record, _ in found if access.allows(Role.OPERATOR, record.namespace)},
        "found": found,
        "page": number,
        "more": number * SIZE < total,
        "filtered": any(request.GET.get(name) for name in ("q", "namespace")),
        "namespaces": reading.namespaces(request),
    }
    part = request.headers.get("HX-Target") == "rows"
    return render(request, "executions/_trigger_rows.html" if part else "executions/triggers.html", context)


@page("POST", role=Role.OPERATOR)
def switch_trigger(request: HttpRequest, namespace: str, flow_id: str, trigger_id: str, action: str) -> HttpResponse:
    """Arm or disarm one trigger, without a new revision of its flow."""
    reading.flow_or_404(request, namespace, flow_id, Role.OPERATOR)
    key = (namespace, flow_id, trigger_id)
    if not triggering.switch(database.current(), key, is_disabled=action == "disable"):
        raise Http404("There is no such trigger.")
    messages.success(request, f"Trigger {trigger_id} of {flow_id} is {action}d.")
    return redirect("/triggers")
