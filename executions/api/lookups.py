"""What clients look up around executions: their flows, the values of a filter, average durations, a table as CSV."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Avg, Count, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import forms, reading
from executions.api.executions import LENGTH, selected, visible
from executions.api.serialize import duration, iso
from executions.models import ExecutionRecord
from flows import catalog
from flows.access import Role
from flows.api import filters
from flows.api.errors import NotFound, Unprocessable
from flows.api.for_execution import flow_for_execution
from flows.api.reading import access_of
from flows.api.streaming import StreamedAnswer
from flows.api.tables import csv_answer
from flows.catalog import FlowNotFound
from flows.definition.errors import InvalidFlow
from flows.models import FlowRecord

_RECENT = 100  # executions whose durations are averaged
_FIELDS = {"namespace": "namespace", "flowId": "flow_id", "state": "state", "kind": "kind"}


def _shown(record: FlowRecord) -> dict[str, Any]:
    return flow_for_execution(
        catalog.parsed(record).document,
        record.revision,
        disabled=record.disabled,
        deleted=record.deleted,
        updated=iso(record.created),
    )


class FlowOfExecutionView(APIView):
    """GET /executions/{id}/flow: the revision that it runs, deleted or not."""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        row = reading.record_of(access_of(request), execution_id)
        return Response(_shown(catalog.record(row.namespace, row.flow_id, row.flow_revision, allow_deleted=True)))


class FlowForExecutionView(APIView):
    """GET /executions/flows/{namespace}/{flowId}"""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        revision = forms.number(request.query_params, "revision")
        try:
            return Response(_shown(catalog.record(namespace, flow_id, revision)))
        except FlowNotFound as error:
            raise NotFound(str(error)) from None


class FlowsOfNamespaceView(APIView):
    """GET /executions/namespaces/{namespace}/flows: those that can be started."""

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        rows = catalog.latest_records().filter(namespace=namespace, disabled=False).order_by("flow_id")
        found = []
        for row in rows:
            try:
                found.append(_shown(row))
            except InvalidFlow:
                continue
        return Response(found)


class NamespacesView(APIView):
    """GET /executions/namespaces: those that hold flows which the caller may start."""

    def get(self, request: Request, **_: Any) -> Response:
        rows = access_of(request).filter(catalog.latest_records().filter(disabled=False), Role.VIEWER)
        return Response(list(rows.order_by("namespace").values_list("namespace", flat=True).distinct()))


class AverageDurationView(APIView):
    """GET /executions/namespaces/{namespace}/flows/{flowId}/average-duration, of the last ended ones."""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        rows = visible(access_of(request)).filter(namespace=namespace, flow_id=flow_id, end_date__isnull=False)
        recent = rows.order_by("-start_date").annotate(length=LENGTH)[:_RECENT]
        found = recent.aggregate(average=Avg("length"), count=Count("length"))
        average: timedelta | None = found["average"]
        answer: dict[str, Any] = {"count": found["count"]}
        if average is not None:
            answer["averageDuration"] = duration(average)
        return Response(answer)


class DistinctValuesView(APIView):
    """GET /executions/distinct-field-values?field=: for the suggestions of a filter."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        name = filters.canonical(forms.required(query, "field"))
        if name not in _FIELDS:
            raise Unprocessable(f"Illegal argument: field {name[:40]!r}; supported: {', '.join(sorted(_FIELDS))}")
        size = min(forms.number(query, "size") or 100, 1000)
        column = _FIELDS[name]
        rows = selected(access_of(request), query).order_by(column).values_list(column, flat=True).distinct()
        return Response(list(rows[:size]))


# --- CSV

_COLUMNS = ("id", "namespace", "flowId", "flowRevision", "state", "startDate", "endDate", "duration", "labels")


class CsvView(APIView):
    """GET /executions/export/by-query/csv"""

    def get(self, request: Request, **_: Any) -> StreamedAnswer:
        rows = selected(access_of(request), request.query_params).order_by("-start_date", "-id")
        return csv_answer("executions", _COLUMNS, _table(rows))


def _table(rows: "QuerySet[ExecutionRecord]") -> Iterator[list[Any]]:
    columns = ("id", "namespace", "flow_id", "flow_revision", "state", "start_date", "end_date", "labels")
    for row in rows.only(*columns).iterator(chunk_size=2000):  # inputs and outputs may hold megabytes each
        end = row.end_date
        yield [
            reading.ids_of([row.pk])[0],
            row.namespace,
            row.flow_id,
            row.flow_revision,
            row.state,
            iso(row.start_date),
            iso(end) if end else "",
            duration(end - row.start_date) if end else "",
            ",".join(f"{label['key']}:{label['value']}" for label in row.labels),
        ]
