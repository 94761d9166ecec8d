"""The list of executions: filters in the address, pages, actions on many. Reads; `actions` writes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from executions.ids import to_base62, to_uuid
from executions.models import ExecutionRecord
from flows.definition.durations import parse_duration
from flows.definition.states import TERMINAL, State
from flows.pages import reading
from flows.pages.rights import access_of, page

SIZE = 50
MOST_COUNTED = 10_000
_EVER = timedelta(days=36_500)
RANGES = (("PT1H", "last hour"), ("P1D", "last day"), ("P7D", "last week"), ("P30D", "last month"))
COLUMNS = (("labels", "labels"), ("started", "started"), ("duration", "duration"), ("id", "execution"))
_SORTS = {
    "started": ("start_date",),
    "flow": ("namespace", "flow_id", "-start_date"),
    "state": ("state", "-start_date"),
}
_SHORT = {
    "live": [s.value for s in State if s not in TERMINAL],
    "bad": ["FAILED", "WARNING", "KILLED", "CANCELLED"],
}


@dataclass(frozen=True, slots=True)
class Row:
    record: ExecutionRecord
    id: str
    start: datetime
    end: datetime | None

    @property
    def labels(self) -> list[dict[str, str]]:
        return [label for label in self.record.labels if not label["key"].startswith("system.")]


def rows_of(records: Any) -> list[Row]:
    return [Row(record, to_base62(record.pk), record.start_date, record.end_date) for record in records]


def filtered(rows: "QuerySet[ExecutionRecord]", query: Any) -> "QuerySet[ExecutionRecord]":
    """The filters of the address; a state may be repeated, `live` and `bad` stand for several."""
    if text := query.get("q", "").strip():
        rows = rows.filter(_matching(text))
    if namespace := query.get("namespace", "").strip():
        rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=namespace + "."))
    if flow := query.get("flow", "").strip():
        rows = rows.filter(flow_id=flow)
    wanted = [state for name in query.getlist("state") if name for state in _SHORT.get(name, [name.upper()])]
    if wanted:
        rows = rows.filter(state__in=wanted)
    for label in query.getlist("label"):
        key, colon, value = label.partition(":")
        if key and colon:
            rows = rows.filter(labels__contains=[{"key": key, "value": value}])
    if since := query.get("since", ""):
        rows = rows.filter(start_date__gte=datetime.now(UTC) - range_of(since))
    if parent := query.get("parent", ""):
        uuid = _uuid(parent)
        rows = rows.filter(trigger_execution_id=uuid) if uuid else rows.none()
    return rows


def unusable(query: Any) -> str | None:
    """A filter that the list passes over, or that finds something else: no action on all that is found may rest on it."""
    for label in query.getlist("label"):
        if label and not all(label.partition(":")[:2]):
            return f"the label {label[:80]!r} is not key:value"
    if (since := query.get("since", "")) and range_of(since) == _EVER:
        return f"{since[:80]!r} is no duration"
    if (parent := query.get("parent", "")) and _uuid(parent) is None:
        return f"{parent[:80]!r} is no execution"
    for state in query.getlist("state"):
        if state and state not in _SHORT and state.upper() not in State.__members__:
            return f"{state[:80]!r} is no state"
    unknown = query.keys() - _FILTERS
    return f"{min(unknown)[:80]!r} is no filter" if unknown else None


_FILTERS = {"q", "namespace", "flow", "state", "label", "since", "parent", "sort", "page"}


def _matching(text: str) -> Q:
    """An id is looked up as such; anything else is part of a flow's name."""
    found = Q(flow_id__icontains=text) | Q(namespace__icontains=text)
    uuid = _uuid(text)
    return found | Q(pk=uuid) if uuid else found


def _uuid(text: str) -> Any:
    try:
        return to_uuid(text)
    except ValueError:
        return None


def range_of(text: str) -> timedelta:
    """How far back the list goes; what is no duration, or goes back too far for a date, limits nothing."""
    try:
        found = parse_duration(text)
    except (ValueError, OverflowError):
        return _EVER
    return found if timedelta() <= found < _EVER else _EVER


def ordered(rows: "QuerySet[ExecutionRecord]", sort: str) -> "QuerySet[ExecutionRecord]":
    name, _, direction = sort.partition(":")
    fields = _SORTS.get(name, ("start_date",))
    descending = direction != "asc"
    first = ("-" if descending else "") + fields[0]
    return rows.order_by(first, *fields[1:])


@page()
def executions(request: HttpRequest) -> HttpResponse:
    visible = (
        access_of(request).filter(ExecutionRecord.objects.filter(deleted=False)).defer("inputs", "outputs", "memory")
    )
    part = request.headers.get("HX-Target") == "rows"
    rows = filtered(visible, request.GET)
    number = page_number(request)
    found = list(ordered(rows, request.GET.get("sort", ""))[(number - 1) * SIZE : number * SIZE + 1])
    context = {
        "rows": rows_of(found[:SIZE]),
        "page": number,
        "more": len(found) > SIZE,
        "first": (number - 1) * SIZE + 1,
        "last": (number - 1) * SIZE + len(found[:SIZE]),
        "filtered": any(
            request.GET.get(name) for name in ("q", "namespace", "flow", "state", "label", "since", "parent")
        ),
        "columns": COLUMNS,
        "states": [state.value for state in State],
        "chosen": request.GET.getlist("state"),
        "ranges": RANGES,
        "namespaces": [] if part else reading.namespaces(request),
        "labels": [label for label in request.GET.getlist("label") if label],
        "ended": _SHORT["live"],
    }
    total = _total(rows, context)
    context |= {"total": total, "many": total > MOST_COUNTED}
    return render(request, "executions/_rows.html" if part else "executions/list.html", context)


def _total(rows: "QuerySet[ExecutionRecord]", context: dict[str, Any]) -> int:
    """Counted only when the page does not already tell, and not beyond what anybody pages through."""
    if not context["more"]:
        return int(context["last"]) if context["rows"] else 0
    return rows.order_by()[: MOST_COUNTED + 1].count()


def page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), 1_000_000) if text.isascii() and text.isdigit() else 1
