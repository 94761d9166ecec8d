"""Counts and durations over time, as Kestra's 0.x pages ask for them. Aggregated by the database, gaps filled here."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, Max, Min, QuerySet, Sum
from django.db.models.functions import Trunc
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import filters, forms, reading
from executions.api.executions import LENGTH, visible
from executions.api.serialize import LEVELS, duration, iso
from executions.models import ExecutionRecord, LogRecord
from flows import catalog
from flows.access import Access, Role
from flows.api.errors import Unprocessable
from flows.api.reading import access_of
from flows.definition.states import State

Json = dict[str, Any]
_DEFAULT_SPAN = timedelta(days=30)
_MOST_BUCKETS = 5_000
_MOST_FLOWS = 1_000
_MOST_CELLS = 100_000  # buckets of all flows together: each is a kilobyte of the answer
_STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class StatsView(APIView):
    roles = {"POST": Role.VIEWER}

    def body(self, request: Request) -> Json:
        found = forms.json_body(request.body) if request.body.strip() else {}
        if not isinstance(found, dict):
            raise Unprocessable("Invalid entity: an object is asked for")
        return found


class SummaryView(StatsView):
    """POST /stats/summary: how many flows and triggers there are."""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        rows = access_of(request).filter(catalog.latest_records())
        rows = _of_flow(rows, body)
        triggers = sum(len(types) for types in rows.values_list("trigger_types", flat=True))
        return Response({"flows": rows.count(), "triggers": triggers})


class DailyView(StatsView):
    """POST /stats/executions/daily"""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        return Response(daily(_executions(access_of(request), body), *_span(body)))


class TaskRunsDailyView(StatsView):
    """POST /stats/taskruns/daily: task runs by the start of their execution."""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        start, end = _span(body)
        rows = _executions(access_of(request), body).filter(start_date__gte=start, start_date__lte=end)
        return Response(_task_runs(rows, start, end))


class ByFlowView(StatsView):
    """POST /stats/executions/daily/group-by-flow: {namespace: {flow: [...]}}"""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        start, end = _span(body)
        rows = _executions(access_of(request), body)
        wanted = body.get("flows")
        pairs = _pairs(wanted) if wanted is not None else list(_flows_of(rows, start, end))
        if len(pairs) * len(_moments(start, end, unit_of(end - start))) > _MOST_CELLS:
            raise Unprocessable("Illegal argument: too many flows for so long a time")
        found: dict[str, Json] = {}
        for namespace, flow_id in pairs:
            own = rows.filter(namespace=namespace, flow_id=flow_id)
            found.setdefault(namespace, {})[flow_id] = daily(own, start, end)
        return Response(found)


class ByNamespaceView(StatsView):
    """POST /stats/executions/daily/group-by-namespace: {namespace: {counts, total}}"""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        start, end = _span(body)
        rows = _executions(access_of(request), body).filter(start_date__gte=start, start_date__lte=end)
        found: dict[str, Json] = {}
        for row in rows.order_by().values("namespace", "state").annotate(count=Count("id")):
            shown = found.setdefault(row["namespace"], {"counts": _no_states(), "total": 0})
            shown["counts"][row["state"]] = row["count"]
            shown["total"] += row["count"]
        return Response(found)


class LastExecutionsView(StatsView):
    """POST /stats/executions/latest/group-by-flow `{flows: [{namespace, id}]}`"""

    def post(self, request: Request, **_: Any) -> Response:
        rows = visible(access_of(request))
        found = []
        for namespace, flow_id in _pairs(self.body(request).get("flows")):
            newest = rows.filter(namespace=namespace, flow_id=flow_id).order_by("-start_date", "-id")
            found += list(newest.values_list("id", flat=True)[:1])
        return Response(reading.many(found, runs=False))


class LogsDailyView(StatsView):
    """POST /stats/logs/daily: [{timestamp, counts: {LEVEL: n}, groupBy}]"""

    def post(self, request: Request, **_: Any) -> Response:
        body = self.body(request)
        start, end = _span(body)
        unit = unit_of(end - start)
        rows = _of_flow(access_of(request).filter(LogRecord.objects.all()), body)
        level = body.get("logLevel") or body.get("minLevel")
        if level:
            rows = rows.filter(level__gte=_level(str(level)))
        rows = rows.filter(timestamp__gte=start, timestamp__lte=end).order_by()
        counted: dict[datetime, Json] = {}
        for row in (
            rows.annotate(bucket=_bucket("timestamp", unit)).values("bucket", "level").annotate(count=Count("id"))
        ):
            counted.setdefault(row["bucket"], {})[LEVELS[row["level"]]] = row["count"]
        return Response(
            [
                {"timestamp": iso(moment), "counts": counted.get(moment, {}), "groupBy": unit}
                for moment in _moments(start, end, unit)
            ]
        )


def _level(name: str) -> int:
    if name.upper() not in LEVELS:
        raise Unprocessable(f"Illegal argument: unknown level {name[:40]!r}")
    return LEVELS.index(name.upper())


# --- which rows


def _span(body: Mapping[str, Any]) -> tuple[datetime, datetime]:
    end = _date(body, "endDate") or datetime.now(UTC)
    start = _date(body, "startDate") or end - _DEFAULT_SPAN
    if start > end:
        raise Unprocessable("Illegal argument: Start date must be before End Date")
    if (end - start) / _STEPS.get(unit_of(end - start), timedelta(days=28)) > _MOST_BUCKETS:
        raise Unprocessable("Illegal argument: the time between startDate and endDate is too long")
    return start, end


def _date(body: Mapping[str, Any], name: str) -> datetime | None:
    text = body.get(name)
    return forms.moment({name: str(text)}, name) if text else None


def _of_flow(rows: Any, body: Mapping[str, Any]) -> Any:
    namespace, flow_id = body.get("namespace"), body.get("flowId")
    if namespace:
        rows = rows.filter(namespace=str(namespace)) | rows.filter(namespace__startswith=f"{namespace}.")
    return rows.filter(flow_id=str(flow_id)) if flow_id else rows


def _executions(access: Access, body: Mapping[str, Any]) -> "QuerySet[ExecutionRecord]":
    rows: QuerySet[ExecutionRecord] = _of_flow(visible(access), body)
    states = body.get("state")
    if states:
        names = states if isinstance(states, list) else [states]
        rows = rows.filter(state__in=[filters.parse_state(str(name)) for name in names])
    if body.get("q"):
        rows = rows.filter(flow_id__icontains=str(body["q"])) | rows.filter(namespace__icontains=str(body["q"]))
    return rows


def _pairs(flows: Any) -> list[tuple[str, str]]:
    if not isinstance(flows, list) or len(flows) > _MOST_FLOWS or not all(isinstance(one, dict) for one in flows):
        raise Unprocessable(f"Invalid entity: flows must be a list of at most {_MOST_FLOWS} {{namespace, id}}")
    return [(str(one.get("namespace")), str(one.get("id") or one.get("flowId"))) for one in flows]


def _flows_of(rows: "QuerySet[ExecutionRecord]", start: datetime, end: datetime) -> Iterable[tuple[str, str]]:
    found = rows.filter(start_date__gte=start, start_date__lte=end).order_by("namespace", "flow_id")
    return found.values_list("namespace", "flow_id").distinct()[:_MOST_FLOWS]


# --- in buckets of time


def unit_of(span: timedelta) -> str:
    """As Kestra chooses: by months above a year, by weeks above half a year, by days, by hours, by minutes."""
    if span > timedelta(days=365):
        return "month"
    if span > timedelta(days=180):
        return "week"
    if span > timedelta(days=1):
        return "day"
    return "hour" if span > timedelta(hours=6) else "minute"


def _bucket(column: str, unit: str) -> Trunc:
    return Trunc(column, unit, tzinfo=UTC)


def daily(rows: "QuerySet[ExecutionRecord]", start: datetime, end: datetime) -> list[Json]:
    unit = unit_of(end - start)
    inside = rows.filter(start_date__gte=start, start_date__lte=end).order_by()
    inside = inside.annotate(bucket=_bucket("start_date", unit), length=LENGTH)
    counts: dict[datetime, Json] = {}
    for row in inside.values("bucket", "state").annotate(count=Count("id")):
        counts.setdefault(row["bucket"], _no_states())[row["state"]] = row["count"]
    grouped = inside.values("bucket").annotate(
        min=Min("length"), avg=Avg("length"), max=Max("length"), sum=Sum("length"), count=Count("length")
    )
    lengths = {row["bucket"]: row for row in grouped}
    return [
        {
            "startDate": iso(moment),
            "duration": _lengths(lengths.get(moment, {})),
            "executionCounts": counts.get(moment) or _no_states(),
            "groupBy": unit,
        }
        for moment in _moments(start, end, unit)
    ]


def _task_runs(rows: "QuerySet[ExecutionRecord]", start: datetime, end: datetime) -> list[Json]:
    """Of executions `rows`; durations are theirs alone and left out here."""
    unit = unit_of(end - start)
    sql, parameters = rows.order_by().values("id", "start_date").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc(%s, e.start_date AT TIME ZONE 'UTC'), t.state, count(*) FROM task_runs t "
            f"JOIN ({sql}) AS e ON e.id = t.execution_id GROUP BY 1, 2",
            [unit, *parameters],
        )
        found = cursor.fetchall()
    counts: dict[datetime, Json] = {}
    for moment, state, count in found:
        counts.setdefault(moment.replace(tzinfo=UTC), _no_states())[state] = count
    return [
        {
            "startDate": iso(moment),
            "duration": _lengths({}),
            "executionCounts": counts.get(moment) or _no_states(),
            "groupBy": unit,
        }
        for moment in _moments(start, end, unit)
    ]


def _no_states() -> Json:
    return dict.fromkeys((str(state) for state in State), 0)


def _lengths(row: Mapping[str, Any]) -> Json:
    shown: Json = {name: duration(row.get(name) or timedelta(0)) for name in ("min", "avg", "max", "sum")}
    shown["count"] = row.get("count") or 0
    return shown


def _moments(start: datetime, end: datetime, unit: str) -> list[datetime]:
    """The beginnings of all buckets, those without rows too."""
    moment = _floor(start.astimezone(UTC), unit)
    found = []
    while moment <= end:
        found.append(moment)
        moment = _next_month(moment) if unit == "month" else moment + _STEPS[unit]
    return found


def _floor(moment: datetime, unit: str) -> datetime:
    moment = moment.replace(second=0, microsecond=0)
    if unit == "minute":
        return moment
    moment = moment.replace(minute=0)
    if unit == "hour":
        return moment
    moment = moment.replace(hour=0)
    if unit == "week":
        return moment - timedelta(days=moment.weekday())
    return moment.replace(day=1) if unit == "month" else moment


def _next_month(moment: datetime) -> datetime:
    return (moment.replace(day=28) + timedelta(days=4)).replace(day=1)
