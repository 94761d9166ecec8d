"""Flows as the API shows them, and what the caller may see. What may not be seen is not found."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from rest_framework.request import Request

from flows import access, catalog
from flows.access import Access, Role
from flows.api import filters
from flows.api.errors import BadRequest, Unprocessable
from flows.definition.errors import InvalidFlow
from flows.definition.json_form import flow_json
from flows.definition.yaml_guard import YamlRefused, read_document
from flows.models import FlowRecord

SYSTEM_NAMESPACE = "system"
SORT = {
    "id": "flow_id",
    "flowId": "flow_id",
    "namespace": "namespace",
    "revision": "revision",
    "disabled": "disabled",
    "updated": "created",
}
LEGACY = {
    "q": ("q", "EQUALS"),
    "scope": ("scope", "IN"),
    "namespace": ("namespace", "PREFIX"),
    "flowId": ("flowId", "EQUALS"),
    "labels": ("labels", "EQUALS"),
}


def access_of(request: Request) -> Access:
    return request.auth if isinstance(request.auth, Access) else access.of_user(request.user)


def authorize(request: Request, role: Role, namespace: str) -> None:
    if not access_of(request).allows(role, namespace):
        raise PermissionDenied(f"needs the role {role.name.lower()} in {namespace}")


def visible(request: Request, role: Role = Role.VIEWER) -> "QuerySet[FlowRecord]":
    """Latest revisions that are not deleted."""
    rows: QuerySet[FlowRecord] = access_of(request).filter(catalog.latest_records(), role)
    return rows


def selected(request: Request, role: Role = Role.VIEWER) -> "QuerySet[FlowRecord]":
    """`visible`, narrowed by the filters of the query string."""
    tree = filters.parse(request.query_params, LEGACY)
    return visible(request, role).filter(filters.condition(tree, _FIELDS))


def _q(filter: filters.Filter) -> Q:
    operation = filters.supported(filter, {"EQUALS", "NOT_EQUALS", "CONTAINS"})
    found = Q()
    for word in filters.plain(filter).split():
        found &= Q(flow_id__icontains=word) | Q(namespace__icontains=word) | Q(description__icontains=word)
    return ~found if operation == "NOT_EQUALS" and found else found


def _scope(filter: filters.Filter) -> Q:
    wanted = set(filter.texts())
    if not wanted <= {"USER", "SYSTEM"}:
        raise Unprocessable("Illegal argument: scope must be USER or SYSTEM")
    if len(wanted) != 1:
        return Q()
    system = Q(namespace=SYSTEM_NAMESPACE)
    chosen = system if wanted == {"SYSTEM"} else ~system
    return ~chosen if filter.operation.startswith("NOT") else chosen


def _labels(filter: filters.Filter) -> Q:
    """Labels of flows are stored as {key: value}."""
    operation = filters.supported(filter, {"EQUALS", "NOT_EQUALS", "IN", "NOT_IN", "CONTAINS", "NOT_CONTAINS"})
    given = filter.value if isinstance(filter.value, dict) else dict([filters.label_of(filters.plain(filter))])
    found = Q()
    for key, value in given.items():
        values = str(value).split(",") if operation in ("IN", "NOT_IN") else [str(value)]
        inner = Q(pk__in=())
        for item in values:
            inner |= Q(labels__contains={key: item})
        found &= inner
    return ~found if operation.startswith("NOT") else found


_FIELDS = {
    "q": _q,
    "scope": _scope,
    "namespace": filters.text("namespace"),
    "flowId": filters.text("flow_id"),
    "labels": _labels,
}


def as_json(record: FlowRecord, *, source: bool = False) -> dict[str, Any]:
    """A stored text that this version no longer reads is shown with the reason."""
    trouble: str | None = None
    try:
        document = catalog.parsed(record).document
    except InvalidFlow as error:
        trouble = str(error)
        document = _raw_document(record)
    shown = flow_json(
        document,
        record.revision,
        disabled=record.disabled,
        deleted=record.deleted,
        source=record.source if source else None,
        updated=record.created.isoformat().replace("+00:00", "Z"),
    )
    if trouble is not None:
        shown["exception"] = trouble
    return shown


def _raw_document(record: FlowRecord) -> dict[str, Any]:
    try:
        document = read_document(record.source).value
    except YamlRefused:
        document = None
    named = {"id": record.flow_id, "namespace": record.namespace}
    return {**document, **named} if isinstance(document, dict) else {**named, "tasks": []}


def etag(record: FlowRecord) -> str:
    return f'"{record.revision}{"d" if record.deleted else ""}"'


def revision_of(request: Request) -> int | None:
    return number(request, "revision")


def number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise Unprocessable(f"Illegal argument: {name} {text[:40]!r} is not a number")
    return int(text)


def switch(request: Request, name: str, default: bool = False) -> bool:
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if text.lower() not in ("true", "false"):
        raise BadRequest(f"Illegal argument: {name} must be true or false")
    return text.lower() == "true"
