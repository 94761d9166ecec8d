"""Log lines and metrics of executions: lists, searches, downloads, aggregates, deletion."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Avg, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMinute
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import filters, forms, reading
from executions.api.filters import parse_execution_id
from executions.api.serialize import LEVELS, iso, log_json, log_text, metric_json
from executions.models import LogRecord, MetricRecord
from flows.access import Role
from flows.api import paging
from flows.api.errors import Unprocessable
from flows.api.filters import Condition, Filter, condition, date, parse, plain, refuse_unusable, text, time_range
from flows.api.reading import access_of
from flows.api.streaming import StreamedAnswer

_LOG_SORT = {
    "timestamp": "timestamp",
    "level": "level",
    "namespace": "namespace",
    "flowId": "flow_id",
    "taskId": "task_id",
    "executionId": "execution_id",
    "triggerId": "trigger_id",
    "message": "message",
}
_LEGACY = {
    "q": ("q", "EQUALS"),
    "namespace": ("namespace", "PREFIX"),
    "flowId": ("flowId", "EQUALS"),
    "triggerId": ("triggerId", "EQUALS"),
    "minLevel": ("level", "GREATER_THAN_OR_EQUAL_TO"),
    "startDate": ("startDate", "GREATER_THAN_OR_EQUAL_TO"),
    "endDate": ("endDate", "LESS_THAN_OR_EQUAL_TO"),
    "timeRange": ("timeRange", "EQUALS"),
    "executionId": ("executionId", "EQUALS"),
    "taskId": ("taskId", "EQUALS"),
    "taskRunId": ("taskRunId", "EQUALS"),
    "attempt": ("attemptNumber", "EQUALS"),
    "scope": ("scope", "IN"),
}
_DOWNLOAD_CHUNK = 2000


def level_number(text: str) -> int:
    name = text.strip().upper()
    if name not in LEVELS:
        raise Unprocessable(f"Illegal argument: unknown level {text[:40]!r}; known: {', '.join(LEVELS)}")
    return LEVELS.index(name)


class LogSearchView(APIView):
    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        rows = access_of(request).filter(LogRecord.objects.all()).filter(_condition(query))
        rows = rows.order_by(*paging.ordering(query, _LOG_SORT, ("-timestamp", "-id")))
        found = paging.page_of(rows, query, lambda page: [log_json(row) for row in page])
        return Response({**found, "type": "OFFSET"})


def _condition(query: Any) -> Q:
    return condition(parse(query, _LEGACY), FIELDS)


class LogsView(APIView):
    """GET and DELETE /logs/{executionId}."""

    roles = {"GET": Role.VIEWER, "DELETE": Role.OPERATOR}

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        return Response([log_json(row) for row in logs_of(request, execution_id).order_by("id")])

    def delete(self, request: Request, execution_id: str, **_: Any) -> Response:
        refuse_unusable(request.query_params, _LEGACY)
        logs_of(request, execution_id, Role.OPERATOR).delete()
        return Response(status=200)


def logs_of(request: Request, execution_id: str, role: Role = Role.VIEWER) -> "QuerySet[LogRecord]":
    """Of an execution that is there, or of one that was deleted without its logs."""
    access, uuid = access_of(request), parse_execution_id(execution_id)
    kept = access.filter(LogRecord.objects.filter(execution_id=uuid), role)
    if uuid is None or not kept.exists():
        reading.record_of(access, execution_id, role)
    return kept.filter(_condition(request.query_params))


class LogDownloadView(APIView):
    """Plain text; cheap enough to be asked for at every poll of a client."""

    def get(self, request: Request, execution_id: str, **_: Any) -> StreamedAnswer:
        record = reading.record_of(access_of(request), execution_id)
        rows = LogRecord.objects.filter(execution_id=record.pk).filter(_condition(request.query_params))
        response = StreamedAnswer(_lines(rows), content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{execution_id}.log"'
        if record.end_date is None:
            response["Cache-Control"] = "no-cache"
        return response


def _lines(rows: "QuerySet[LogRecord]") -> Iterator[bytes]:
    after = 0
    while True:
        chunk = list(rows.filter(id__gt=after).order_by("id")[:_DOWNLOAD_CHUNK])
        yield "".join(log_text(chunk)).encode()
        if len(chunk) < _DOWNLOAD_CHUNK:
            return
        after = chunk[-1].pk


class FlowLogsView(APIView):
    """DELETE /logs/{namespace}/{flowId}."""

    roles = {"DELETE": Role.OPERATOR}

    def delete(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        refuse_unusable(request.query_params, ("triggerId",), newer=False)
        rows = LogRecord.objects.filter(namespace=namespace, flow_id=flow_id)
        if request.query_params.get("triggerId"):
            rows = rows.filter(trigger_id=request.query_params["triggerId"])
        rows.delete()
        return Response(status=200)


# --- metrics


class MetricsView(APIView):
    """GET /metrics/{executionId}."""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        query = request.query_params
        record = reading.record_of(access_of(request), execution_id)
        rows = MetricRecord.objects.filter(execution_id=record.pk)
        if query.get("taskId"):
            rows = rows.filter(task_id=query["taskId"])
        if query.get("taskRunId"):
            known = filters.parse_execution_id(query["taskRunId"])
            rows = rows.filter(task_run_id__in=[known] if known else [])
        sort = {
            "name": "name",
            "timestamp": "timestamp",
            "value": "value",
            "taskId": "task_id",
            "type": "kind",
        }
        rows = rows.order_by(*paging.ordering(query, sort, ("id",)))
        return Response(paging.page_of(rows, query, lambda page: [metric_json(row) for row in page]))


class MetricNamesView(APIView):
    """GET /metrics/names/{namespace}/{flowId}[/{taskId}]."""

    def get(self, request: Request, namespace: str, flow_id: str, task_id: str | None = None, **_: Any) -> Response:
        rows = _metrics(namespace, flow_id, task_id)
        return Response(list(rows.order_by("name").values_list("name", flat=True).distinct()))


class MetricTasksView(APIView):
    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        rows = _metrics(namespace, flow_id, None).exclude(task_id=None)
        return Response(list(rows.order_by("task_id").values_list("task_id", flat=True).distinct()))


def _metrics(namespace: str, flow_id: str, task_id: str | None) -> "QuerySet[MetricRecord]":
    rows = MetricRecord.objects.filter(namespace=namespace, flow_id=flow_id)
    return rows.filter(task_id=task_id) if task_id is not None else rows


_AGGREGATIONS = {"sum": Sum, "avg": Avg, "min": Min, "max": Max}


class MetricAggregatesView(APIView):
    """GET /metrics/aggregates/{namespace}/{flowId}[/{taskId}]/{metric}: one value per minute, hour or day."""

    def get(
        self,
        request: Request,
        namespace: str,
        flow_id: str,
        metric: str,
        task_id: str | None = None,
        **_: Any,
    ) -> Response:
        query = request.query_params
        end = forms.moment(query, "endDate") or datetime.now(UTC)
        start = forms.moment(query, "startDate") or end - timedelta(days=30)
        name = query.get("aggregation") or "sum"
        if name not in _AGGREGATIONS:
            raise Unprocessable(f"Illegal argument: aggregation must be one of {', '.join(_AGGREGATIONS)}")
        unit, truncate = _bucket(end - start)
        rows = _metrics(namespace, flow_id, task_id).filter(name=metric, timestamp__gte=start, timestamp__lte=end)
        found = (
            rows.annotate(date=truncate("timestamp"))
            .values("date")
            .annotate(value=_AGGREGATIONS[name]("value"))
            .order_by("date")
        )
        aggregations = [{"name": metric, "value": row["value"], "date": iso(row["date"])} for row in found]
        return Response({"groupBy": unit, "aggregations": aggregations})


def _bucket(span: timedelta) -> tuple[str, Any]:
    if span > timedelta(days=7):
        return "day", TruncDay
    return ("hour", TruncHour) if span > timedelta(hours=6) else ("minute", TruncMinute)


# --- filters


def _level(filter: Filter) -> Q:
    number = level_number(str(filter.value))
    match filter.operation:
        case "GREATER_THAN_OR_EQUAL_TO" | "EQUALS":  # Kestra reads EQUALS as the lowest level to show
            return Q(level__gte=number)
        case "GREATER_THAN":
            return Q(level__gt=number)
        case "LESS_THAN_OR_EQUAL_TO":
            return Q(level__lte=number)
        case "LESS_THAN":
            return Q(level__lt=number)
        case "NOT_EQUALS":
            return ~Q(level=number)
    raise Unprocessable(f"Illegal argument: operation {filter.operation} is not supported for level")


def _word(word: str) -> Q:
    found = (
        Q(message__icontains=word)
        | Q(flow_id__icontains=word)
        | Q(task_id__icontains=word)
        | Q(namespace__icontains=word)
    )
    uuid = filters.parse_execution_id(word)
    return found | Q(execution_id=uuid) if uuid else found


def _attempt(filter: Filter) -> Q:
    return Q(attempt=forms.number({"attempt": plain(filter)}, "attempt"))


FIELDS: dict[str, Condition] = {
    "q": filters.words(_word),
    "scope": filters.scope,
    "namespace": text("namespace"),
    "flowId": text("flow_id"),
    "triggerId": text("trigger_id", nullable=True),
    "taskId": text("task_id", nullable=True),
    "executionId": filters.identity("execution_id"),
    "taskRunId": filters.identity("task_run_id"),
    "attemptNumber": _attempt,
    "level": _level,
    "startDate": date("timestamp"),
    "endDate": date("timestamp"),
    "timeRange": time_range("timestamp"),
}
