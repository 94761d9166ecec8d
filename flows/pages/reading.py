"""Flows as pages list and show them: only the namespaces that the reader may see. Knows no executions."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest

from flows import catalog
from flows.access import Role
from flows.definition.errors import InvalidFlow
from flows.definition.model import Flow
from flows.models import FlowRecord
from flows.pages.rights import access_of, require


@dataclass(frozen=True, slots=True)
class Shown:
    """A stored revision; `flow` is None when this version no longer reads its text."""

    record: FlowRecord
    flow: Flow | None
    errors: tuple[Any, ...] = ()


def selected(request: HttpRequest) -> "QuerySet[FlowRecord]":
    """The latest revisions that fit the address: q (each word), namespace (prefix), label."""
    query = request.GET
    rows: QuerySet[FlowRecord] = access_of(request).filter(catalog.latest_records())
    for word in query.get("q", "").split():
        rows = rows.filter(Q(flow_id__icontains=word) | Q(namespace__icontains=word) | Q(description__icontains=word))
    if namespace := query.get("namespace", ""):
        rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=namespace + "."))
    key, colon, value = query.get("label", "").partition(":")
    if key and colon:
        rows = rows.filter(labels__contains={key: value})
    return rows.defer("source").order_by("namespace", "flow_id")


def namespaces(request: HttpRequest) -> list[str]:
    rows = access_of(request).filter(catalog.latest_records())
    return sorted(rows.order_by().values_list("namespace", flat=True).distinct())


def flow_or_404(
    request: HttpRequest, namespace: str, flow_id: str, role: Role = Role.VIEWER, revision: int | None = None
) -> Shown:
    if not access_of(request).allows(Role.VIEWER, namespace):
        raise Http404("There is no such flow, or you may not see it.")
    require(request, role, namespace)
    try:
        record = catalog.record(namespace, flow_id, revision, allow_deleted=revision is not None)
    except catalog.FlowNotFound:
        raise Http404("There is no such flow, or you may not see it.") from None
    return shown(record)


def shown(record: FlowRecord) -> Shown:
    try:
        return Shown(record, catalog.parsed(record))
    except InvalidFlow as error:
        return Shown(record, None, tuple(error.errors))


def revision_in(request: HttpRequest, name: str = "revision") -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
