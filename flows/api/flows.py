"""Routes of single flows: create, read, update, delete, revisions, tasks."""

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from flows import catalog
from flows.access import Role
from flows.api import bodies, paging, reading
from flows.api.base import FlowView
from flows.api.errors import ApiError, NotFound, Unprocessable
from flows.definition.advice import deprecation_paths
from flows.definition.errors import InvalidFlow
from flows.definition.json_form import tasks_by_id, without_nulls
from flows.definition.yaml_text import to_yaml
from flows.models import FlowRecord


class PreconditionFailed(ApiError):
    http_status = 412


def answer(record: FlowRecord, *, source: bool = True) -> Response:
    return Response(reading.as_json(record, source=source), headers={"ETag": reading.etag(record)})


class CreateView(FlowView):
    """POST /flows: YAML, or JSON that is written as YAML."""

    def post(self, request: Request, **_: Any) -> Response:
        source = bodies.source_of(request)
        reading.authorize(request, Role.AUTHOR, catalog.check(source).namespace)
        return answer(catalog.create(source))


class FlowsOfNamespaceView(FlowView):
    """GET and POST /flows/{namespace}."""

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        rows = reading.visible(request).filter(namespace=namespace).order_by("flow_id")
        return Response([reading.as_json(row) for row in rows])

    def post(self, request: Request, namespace: str, **_: Any) -> Response:
        """Make the namespace hold exactly these flows (`delete=false`: at least these)."""
        flows = [catalog.check(source) for source in bodies.sources_of(request)]
        _refuse_strangers(namespace, flows)
        wanted = {flow.id for flow in flows}
        shown: list[FlowRecord] = []
        with transaction.atomic():
            if reading.switch(request, "delete", True):
                rows = catalog.latest_records().filter(namespace=namespace).exclude(flow_id__in=wanted)
                ids = rows.order_by("flow_id").values_list("flow_id", flat=True)
                shown = [catalog.delete(namespace, flow_id) for flow_id in ids]
            shown += [catalog.save(flow.source) for flow in flows]
        return Response([reading.as_json(row, source=True) for row in shown])


def _refuse_strangers(namespace: str, flows: list[Any]) -> None:
    errors = [
        {"message": f"Invalid namespace: {flow.namespace} is not {namespace}", "path": "flow.namespace"}
        for flow in flows
        if flow.namespace != namespace
    ]
    seen: set[str] = set()
    for flow in flows:
        if flow.id in seen:
            errors.append({"message": f"Duplicate id {flow.id}", "path": "flow.id"})
        seen.add(flow.id)
    if errors:
        texts = "\n".join(f"{error['path']}: {error['message']}" for error in errors)
        raise Unprocessable(f"Invalid entity: {texts}", errors)


class OneFlowView(FlowView):
    """GET, PUT and DELETE /flows/{namespace}/{id}. The ETag is the revision."""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        allow_deleted = reading.switch(request, "allowDeleted")
        record = catalog.record(namespace, flow_id, reading.revision_of(request), allow_deleted=allow_deleted)
        if request.headers.get("If-None-Match") == reading.etag(record):
            return Response(status=304, headers={"ETag": reading.etag(record)})
        return answer(record, source=reading.switch(request, "source"))

    def put(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        source = bodies.source_of(request)
        with transaction.atomic():
            _check_precondition(request, namespace, flow_id)
            return answer(catalog.revise(namespace, flow_id, source))

    def delete(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        with transaction.atomic():
            _check_precondition(request, namespace, flow_id)
            catalog.delete(namespace, flow_id)
        return Response(status=204)


def _check_precondition(request: Request, namespace: str, flow_id: str) -> None:
    wanted = request.headers.get("If-Match")
    if wanted and wanted not in ("*", reading.etag(catalog.hold(namespace, flow_id))):
        raise PreconditionFailed("the flow was changed in the meantime")


class RevisionsView(FlowView):
    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        rows = catalog.revisions(namespace, flow_id)
        return Response([reading.as_json(row, source=True) for row in rows])

    def delete(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        texts = [text for item in request.query_params.getlist("revisions") for text in item.split(",")]
        if not texts or not all(text.isdigit() and len(text) < 10 for text in texts):
            raise Unprocessable("Illegal argument: revisions must be numbers")
        try:
            catalog.delete_revisions(namespace, flow_id, [int(text) for text in texts])
        except ValueError as error:
            raise Unprocessable(f"Illegal argument: {error}") from None
        return Response(status=204)


class TaskOfFlowView(FlowView):
    """GET /flows/{namespace}/{id}/tasks/{taskId}"""

    def get(self, request: Request, namespace: str, flow_id: str, task_id: str, **_: Any) -> Response:
        flow = catalog.find(namespace, flow_id, reading.revision_of(request))
        found = tasks_by_id(flow.document).get(task_id)
        if found is None:
            raise NotFound(f"Unable to find task {task_id[:100]}")
        return Response(without_nulls("", found))


class UpdateTaskView(FlowView):
    """PATCH /flows/{namespace}/{id}/{taskId}, deprecated: replaces one task in the text."""

    def patch(self, request: Request, namespace: str, flow_id: str, task_id: str, **_: Any) -> Response:
        task = request.data
        if not isinstance(task, dict) or task.get("id") != task_id:
            raise Unprocessable("Invalid entity: task.id: Invalid taskId, it must be the one of the address")
        with transaction.atomic():
            catalog.hold(namespace, flow_id)
            flow = catalog.find(namespace, flow_id)
            changed = _replaced(flow.document, task_id, task)
            if changed == flow.document:
                if task_id not in tasks_by_id(flow.document):
                    raise NotFound(f"Unable to find task {task_id[:100]}")
                return answer(catalog.record(namespace, flow_id))
            return answer(catalog.revise(namespace, flow_id, to_yaml(changed)))


def _replaced(value: Any, task_id: str, task: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if value.get("id") == task_id and "type" in value:
            return task
        return {key: _replaced(item, task_id, task) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, task_id, task) for item in value]
    return value


class SearchView(FlowView):
    """GET /flows/search, with both filter grammars."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        order = paging.ordering(query, reading.SORT, ("namespace", "flow_id"))
        rows = reading.selected(request).order_by(*order, "id")
        return Response(paging.page_of(rows, query, lambda found: [reading.as_json(row) for row in found]))


class DeprecatedView(FlowView):
    """GET /flows/deprecated: flows that use something deprecated."""

    def get(self, request: Request, **_: Any) -> Response:
        found = []
        for row in reading.selected(request).order_by("namespace", "flow_id"):
            try:
                paths = deprecation_paths(catalog.parsed(row).document)
            except InvalidFlow:
                continue
            if paths:
                found.append({"namespace": row.namespace, "id": row.flow_id, "deprecationPaths": paths})
        return Response(paging.page_of_list(found, request.query_params))


class DistinctNamespacesView(FlowView):
    def get(self, request: Request, **_: Any) -> Response:
        rows = reading.visible(request)
        wanted = request.query_params.get("q")
        if wanted:
            rows = rows.filter(namespace__icontains=wanted)
        names = rows.order_by("namespace").values_list("namespace", flat=True).distinct()
        return Response(list(names))


class SourceSearchView(FlowView):
    """GET /flows/source?q=: text in the sources, with the lines around it."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        wanted = query.get("q") or ""
        rows = reading.visible(request)
        if query.get("namespace"):
            rows = rows.filter(namespace=query["namespace"])
        if wanted:
            rows = rows.filter(source__icontains=wanted)
        order = paging.ordering(query, reading.SORT, ("namespace", "flow_id"))
        rows = rows.order_by(*order, "id")
        return Response(paging.page_of(rows, query, lambda found: [_hits(row, wanted) for row in found]))


def _hits(row: FlowRecord, wanted: str) -> dict[str, Any]:
    lines = row.source.splitlines()
    found = [number for number, line in enumerate(lines) if wanted and wanted.lower() in line.lower()]
    return {
        "model": reading.as_json(row),
        "fragments": [_marked(lines[number], wanted) for number in found[:20]],
        "namespace": row.namespace,
        "id": row.flow_id,
        "editable": True,
        "matches": [{"line": number + 1, "content": lines[number]} for number in found[:20]],
    }


def _marked(line: str, wanted: str) -> str:
    start = line.lower().find(wanted.lower())
    end = start + len(wanted)
    return f"{line[:start]}[mark]{line[start:end]}[/mark]{line[end:]}"
