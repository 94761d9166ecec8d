"""Dashboards over REST: stored as YAML, their charts drawn from what the caller may see."""

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api import forms
from executions.api.charts import Window, chart_data, window_of
from executions.api.serialize import iso
from executions.ids import new_id
from executions.models import DashboardRecord
from flows.access import EVERYWHERE, Role
from flows.api import bodies, paging
from flows.api.base import FlowView, violation_json
from flows.api.errors import NotFound, Unprocessable
from flows.api.reading import access_of
from flows.api.streaming import StreamedAnswer
from flows.api.tables import csv_answer
from flows.definition.dashboard import Chart, Dashboard, TimeWindow
from flows.definition.durations import format_duration
from flows.definition.errors import InvalidFlow
from flows.definition.json_form import without_nulls
from flows.definition.parse import parse_chart, parse_dashboard
from flows.definition.yaml_text import to_yaml

Json = dict[str, Any]
_SORT = {"id": "id", "title": "title", "created": "created", "updated": "updated"}


class DashboardView(FlowView):
    """Read by everybody who may see anything; changed by who wrote it, and by administrators."""

    roles = {"GET": Role.VIEWER, "*": Role.AUTHOR}

    def found(self, dashboard_id: str) -> DashboardRecord:
        row = DashboardRecord.objects.filter(pk=dashboard_id).first()
        if row is None:
            raise NotFound(f"dashboard {dashboard_id[:100]}")
        return row

    def own(self, request: Request, dashboard_id: str) -> DashboardRecord:
        row, access = self.found(dashboard_id), access_of(request)
        if row.owner != access.name and not access.allows(Role.ADMIN, EVERYWHERE):
            self.permission_denied(request, "it may be changed by who wrote it, and by administrators")
        return row


def as_json(row: DashboardRecord) -> Json:
    window = parse_dashboard(row.source).time_window
    return {
        **without_nulls("", row.document),
        "id": row.id,
        "title": row.title,
        "timeWindow": {"default": format_duration(window.default), "max": format_duration(window.max)},
        "charts": without_nulls("", row.document.get("charts") or []),
        "deleted": False,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "sourceCode": row.source,
    }


class DashboardsView(DashboardView):
    """GET /dashboards?q=, POST /dashboards (YAML)."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        rows = DashboardRecord.objects.all()
        for word in (query.get("q") or "").split():
            rows = rows.filter(title__icontains=word) | rows.filter(id__icontains=word)
        rows = rows.order_by(*paging.ordering(query, _SORT, ("title", "id")))
        return Response(paging.page_of(rows, query, lambda page: [as_json(row) for row in page]))

    def post(self, request: Request, **_: Any) -> Response:
        source = bodies.source_of(request)
        dashboard = parse_dashboard(source)
        columns = {**_columns(dashboard, source), "owner": access_of(request).name}
        with transaction.atomic():
            row, made = DashboardRecord.objects.get_or_create(id=dashboard.id or new_id(), defaults=columns)
        if not made:
            raise Unprocessable("Invalid entity: dashboard.id: Dashboard id already exists")
        return Response(as_json(row))


def _columns(dashboard: Dashboard, source: str) -> Json:
    return {
        "title": dashboard.title,
        "description": dashboard.description or "",
        "source": source,
        "document": dashboard.document,
    }


class OneDashboardView(DashboardView):
    """GET, PUT (YAML) and DELETE /dashboards/{id}"""

    def get(self, request: Request, dashboard_id: str, **_: Any) -> Response:
        return Response(as_json(self.found(dashboard_id)))

    def put(self, request: Request, dashboard_id: str, **_: Any) -> Response:
        row = self.own(request, dashboard_id)
        source = bodies.source_of(request)
        dashboard = parse_dashboard(source)
        if dashboard.id not in (None, dashboard_id):
            raise Unprocessable("Invalid entity: dashboard.id: Illegal dashboard id update")
        for name, value in _columns(dashboard, source).items():
            setattr(row, name, value)
        row.save()
        return Response(as_json(row))

    def delete(self, request: Request, dashboard_id: str, **_: Any) -> Response:
        self.own(request, dashboard_id).delete()
        return Response(status=204)


class ValidateView(FlowView):
    """POST /dashboards/validate and /dashboards/validate/chart (YAML): always 200."""

    roles = {"POST": Role.VIEWER}
    what = "dashboard"

    def post(self, request: Request, **_: Any) -> Response:
        source = bodies.source_of(request)
        answer: Json = {"index": 0, "outdated": False, "deprecationPaths": [], "warnings": [], "infos": []}
        try:
            if self.what == "chart":
                parse_chart(source)
            else:
                parse_dashboard(source)
        except InvalidFlow as error:
            answer["constraints"] = str(error)
            answer["violations"] = [violation_json(one) for one in error.errors]
        return Response(answer)


# --- the data of charts


class ChartView(DashboardView):
    """POST /dashboards/{id}/charts/{chartId} `{startDate, endDate, namespace, labels, filters, pageSize, pageNumber}`."""

    roles = {"POST": Role.VIEWER}
    action = ""

    def post(self, request: Request, dashboard_id: str, chart_id: str, **_: Any) -> Response | StreamedAnswer:
        dashboard = parse_dashboard(self.found(dashboard_id).source)
        chart = dashboard.chart(chart_id)
        if chart is None:
            raise NotFound(f"chart {chart_id[:100]} of dashboard {dashboard_id[:100]}")
        return _drawn(request, chart, _body(request), dashboard.time_window, as_table=self.action == "table")


class PreviewView(FlowView):
    """POST /dashboards/charts/preview `{chart, globalFilter}`: the data of a chart that is not stored."""

    roles = {"POST": Role.VIEWER}
    action = ""

    def post(self, request: Request, **_: Any) -> Response | StreamedAnswer:
        body = _body(request)
        chart, given = body.get("chart"), body.get("globalFilter")
        if isinstance(chart, dict):
            chart = to_yaml(chart)
        if not isinstance(chart, str) or not isinstance(given, dict | None):
            raise Unprocessable("Invalid entity: chart must be a text of YAML, globalFilter a map")
        return _drawn(request, parse_chart(chart), given or {}, TimeWindow(), as_table=self.action == "table")


def _body(request: Request) -> Json:
    body = forms.json_body(request.body) if request.body.strip() else {}
    if not isinstance(body, dict):
        raise Unprocessable("Invalid entity: an object is asked for")
    return body


def _drawn(
    request: Request, chart: Chart, body: Json, limits: TimeWindow, *, as_table: bool
) -> Response | StreamedAnswer:
    window = window_of(body, limits.default, limits.max)
    if as_table:
        return _csv(request, chart, window)
    return Response(chart_data(access_of(request), chart, window))


def _csv(request: Request, chart: Chart, window: Window) -> StreamedAnswer:
    wanted = (request.query_params.get("format") or "csv").lower()
    if wanted != "csv":
        raise Unprocessable(f"Illegal argument: format {wanted[:20]!r}; there is csv")
    found = chart_data(access_of(request), chart, window)["results"]
    columns = tuple(chart.data.columns_read) if chart.data else ()

    def rows() -> Iterator[list[Any]]:
        for row in found:
            yield [row.get(name, "") for name in columns]

    return csv_answer(chart.id, columns, rows())
