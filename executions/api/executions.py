"""Routes that create, read, list and delete executions. They decide nothing: `actions` acts, `reading` reads."""

import time
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import actions, encryption
from executions.api import filters, forms, reading
from executions.api.filters import parse_execution_id
from executions.api.serialize import execution_json, iso
from executions.models import ExecutionRecord
from executions.starting import refuse_system_labels
from flows.access import Access, Role
from flows.api import paging
from flows.api.errors import Unprocessable
from flows.api.filters import Condition, Filter, condition, date, parse, parse_date, text, time_range
from flows.api.reading import access_of

WAIT_SECONDS = 3600.0
LENGTH = ExpressionWrapper(F("end_date") - F("start_date"), output_field=DurationField())
_SORT = {
    "id": "id",
    "state.startDate": "start_date",
    "state.endDate": "end_date",
    "state.duration": "length",
    "state.current": "state",
    "namespace": "namespace",
    "flowId": "flow_id",
}
LEGACY = {
    "q": ("q", "EQUALS"),
    "scope": ("scope", "IN"),
    "namespace": ("namespace", "PREFIX"),
    "flowId": ("flowId", "EQUALS"),
    "startDate": ("startDate", "GREATER_THAN_OR_EQUAL_TO"),
    "endDate": ("endDate", "LESS_THAN_OR_EQUAL_TO"),
    "timeRange": ("timeRange", "EQUALS"),
    "state": ("state", "IN"),
    "labels": ("labels", "EQUALS"),
    "triggerExecutionId": ("triggerExecutionId", "EQUALS"),
    "childFilter": ("childFilter", "EQUALS"),
}


def page_url(namespace: str, flow_id: str, execution_id: str) -> str:
    return f"{settings.CELESTA.public_url}/ui/executions/{namespace}/{flow_id}/{execution_id}"


class CreateView(APIView):
    """POST /executions/{namespace}/{id}, and its deprecated alias below /trigger."""

    roles = {"POST": Role.OPERATOR}

    def post(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        labels = forms.labels(request.query_params)
        refuse_system_labels(labels)
        inputs, files = forms.inputs_of(request)
        execution = actions.trigger(
            namespace,
            flow_id,
            inputs,
            files=files,
            labels=labels,
            revision=forms.number(request.query_params, "revision"),
            schedule_date=forms.moment(request.query_params, "scheduleDate"),
            kind=kind_of(request.query_params),
            breakpoints=forms.breakpoints(request.query_params) or (),
        )
        url = page_url(namespace, flow_id, execution.id)
        if forms.switch(request.query_params, "wait"):
            wait_for_end(execution.id, WAIT_SECONDS)
            found = reading.one(parse_execution_id(execution.id), url=url)
            return Response(found or execution_json(execution, url=url))
        return Response(execution_json(execution, url=url))


def kind_of(query: Any) -> str:
    kind = query.get("kind") or "NORMAL"
    if kind not in ("NORMAL", "TEST", "PLAYGROUND"):
        raise Unprocessable(f"Illegal argument: unknown kind {kind[:40]!r}")
    return kind


def wait_for_end(execution_id: str, seconds: float) -> None:
    """Looks at the row, ever more seldom, for who does not come by the streaming front. Holds no connection meanwhile."""
    uuid, deadline, pause = parse_execution_id(execution_id), time.monotonic() + seconds, 0.01
    while time.monotonic() < deadline:
        if ExecutionRecord.objects.filter(pk=uuid, end_date__isnull=False).exists():
            return
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


class SearchView(APIView):
    """GET /executions/search, with both filter grammars."""

    def get(self, request: Request, **_: Any) -> Response:
        rows = selected(access_of(request), request.query_params)
        rows = rows.order_by(*paging.ordering(request.query_params, _SORT, ("-start_date", "-id")))
        return Response(page_of(rows, request.query_params))


class ListView(APIView):
    """GET /executions?namespace=&flowId=."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        namespace, flow_id = forms.required(query, "namespace"), forms.required(query, "flowId")
        rows = visible(access_of(request)).filter(namespace=namespace, flow_id=flow_id)
        return Response(page_of(rows.order_by("-start_date", "-id"), query))


def page_of(rows: "QuerySet[ExecutionRecord]", query: Any) -> dict[str, Any]:
    with_runs = forms.switch(query, "taskRuns", True)
    return paging.page_of(rows.values_list("id", flat=True), query, lambda ids: reading.many(ids, runs=with_runs))


def visible(access: Access, role: Role = Role.VIEWER) -> "QuerySet[ExecutionRecord]":
    return access.filter(ExecutionRecord.objects.filter(deleted=False), role)


def selected(access: Access, query: Any, role: Role = Role.VIEWER) -> "QuerySet[ExecutionRecord]":
    """What a search or a bulk action by query is about."""
    if query.get("timeRange") and query.get("startDate"):
        raise Unprocessable("Illegal argument: timeRange and startDate exclude each other")
    if query.get("startDate") and query.get("endDate"):
        start, end = (parse_date(query.get(name), name) for name in ("startDate", "endDate"))
        if start > end:
            raise Unprocessable("Illegal argument: Start date must be before End Date")
    tree = parse(query, LEGACY)
    rows = visible(access, role).annotate(length=LENGTH)
    return rows.filter(condition(tree, FIELDS))


class ExecutionView(APIView):
    """GET and DELETE /executions/{id}."""

    roles = {"GET": Role.VIEWER, "DELETE": Role.OPERATOR}

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        record = reading.record_of(access_of(request), execution_id)
        found = reading.one(record.pk)
        if found is not None and access_of(request).allows(Role.AUTHOR, record.namespace):
            for run in found.get("taskRunList", ()):
                if "outputs" in run:
                    run["outputs"] = encryption.with_given_shown(run["outputs"])
        return Response(found)

    def delete(self, request: Request, execution_id: str, **_: Any) -> Response:
        reading.record_of(access_of(request), execution_id, Role.OPERATOR)
        actions.delete([execution_id], **what_to_delete(request.query_params))
        return Response(status=204)


def what_to_delete(query: Any) -> dict[str, bool]:
    return {
        "logs": forms.switch(query, "deleteLogs", True),
        "metrics": forms.switch(query, "deleteMetrics", True),
        "storage": forms.switch(query, "deleteStorage", True),
    }


class LatestView(APIView):
    """POST /executions/latest: the last execution of each flow named."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body)
        if not isinstance(body, list) or not all(isinstance(item, dict) for item in body) or len(body) > 1000:
            raise Unprocessable("Invalid entity: a list of {namespace, id}")
        found = []
        for item in body:
            rows = visible(access_of(request)).filter(namespace=str(item.get("namespace")), flow_id=str(item.get("id")))
            row = rows.only("id", "flow_id", "namespace", "start_date", "state").order_by("-start_date", "-id").first()
            if row is not None:
                found.append(_latest(row))
        return Response(found)


def _latest(row: ExecutionRecord) -> dict[str, Any]:
    return {
        "id": reading.ids_of([row.pk])[0],
        "flowId": row.flow_id,
        "namespace": row.namespace,
        "startDate": iso(row.start_date),
        "status": row.state,
    }


# --- filters


def _word(word: str) -> Q:
    uuid = parse_execution_id(word)
    if uuid:
        return Q(pk=uuid)
    return (
        Q(flow_id__icontains=word)
        | Q(namespace__icontains=word)
        | Q(labels__contains=[{"value": word}])
        | Q(state__iexact=word)
    )


def _child(filter: Filter) -> Q:
    if filter.value not in ("CHILD", "MAIN"):
        raise Unprocessable("Illegal argument: childFilter must be CHILD or MAIN")
    is_child = (filter.value == "CHILD") == (filter.operation == "EQUALS")
    return Q(trigger_execution_id__isnull=not is_child)


FIELDS: dict[str, Condition] = {
    "q": filters.words(_word),
    "scope": filters.scope,
    "namespace": text("namespace"),
    "flowId": text("flow_id"),
    "startDate": date("start_date"),
    "endDate": date("end_date"),
    "timeRange": time_range("start_date"),
    "state": filters.states("state"),
    "labels": filters.labels(),
    "triggerExecutionId": filters.identity("trigger_execution_id"),
    "id": filters.identity("id"),
    "executionId": filters.identity("id"),
    "parentId": filters.identity("parent_id"),
    "childFilter": _child,
    "kind": text("kind"),
}
