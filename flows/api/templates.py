"""Routes of templates (deprecated in Kestra, kept for flows that use them)."""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from flows import templates
from flows.access import Role
from flows.api import bodies, filters, paging, reading
from flows.api.base import FlowView, violation_json
from flows.api.errors import Unprocessable
from flows.definition.errors import InvalidFlow
from flows.definition.json_form import without_nulls
from flows.definition.parse import parse_template
from flows.models import TemplateRecord

_SORT = {"id": "template_id", "namespace": "namespace"}


def as_json(row: TemplateRecord) -> dict[str, Any]:
    shown: dict[str, Any] = without_nulls("", row.document)
    return {**shown, "deleted": False}


def _visible(request: Request, role: Role = Role.VIEWER) -> "QuerySet[TemplateRecord]":
    rows: QuerySet[TemplateRecord] = reading.access_of(request).filter(TemplateRecord.objects.all(), role)
    return rows


def selected(request: Request, role: Role = Role.VIEWER) -> "QuerySet[TemplateRecord]":
    rows = _visible(request, role)
    if namespace := request.query_params.get("namespace"):
        rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=namespace + "."))
    for word in (request.query_params.get("q") or "").split():
        rows = rows.filter(Q(template_id__icontains=word) | Q(namespace__icontains=word))
    return rows


class CreateView(FlowView):
    """POST /templates"""

    def post(self, request: Request, **_: Any) -> Response:
        source = bodies.source_of(request)
        reading.authorize(request, Role.AUTHOR, parse_template(source).namespace)
        return Response(as_json(templates.create(source)))


class SearchView(FlowView):
    def get(self, request: Request, **_: Any) -> Response:
        order = paging.ordering(request.query_params, _SORT, ("namespace", "template_id"))
        rows = selected(request).order_by(*order)
        return Response(paging.page_of(rows, request.query_params, lambda found: [as_json(row) for row in found]))


class DistinctNamespacesView(FlowView):
    def get(self, request: Request, **_: Any) -> Response:
        return Response(sorted(set(_visible(request).values_list("namespace", flat=True))))


class ValidateView(FlowView):
    """POST /templates/validate: one answer per YAML document."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        return Response([_validated(source, index) for index, source in enumerate(bodies.sources_of(request))])


def _validated(source: str, index: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"index": index}
    try:
        template = parse_template(source)
        answer |= {"flow": template.id, "namespace": template.namespace}
    except InvalidFlow as error:
        answer |= {"constraints": str(error), "violations": [violation_json(one) for one in error.errors]}
    return answer


class TemplatesOfNamespaceView(FlowView):
    """POST /templates/{namespace}: make it hold exactly these (`delete=false`: at least these)."""

    def post(self, request: Request, namespace: str, **_: Any) -> Response:
        found = [parse_template(source) for source in bodies.sources_of(request)]
        if any(template.namespace != namespace for template in found):
            raise Unprocessable(f"Invalid entity: template.namespace: Invalid namespace: it is not {namespace}")
        with transaction.atomic():
            if reading.switch(request, "delete", True):
                kept = [template.id for template in found]
                TemplateRecord.objects.filter(namespace=namespace).exclude(template_id__in=kept).delete()
            rows = [templates.save(template) for template in found]
        return Response([as_json(row) for row in rows])


class OneTemplateView(FlowView):
    def get(self, request: Request, namespace: str, template_id: str, **_: Any) -> Response:
        return Response(as_json(templates.find(namespace, template_id)))

    def put(self, request: Request, namespace: str, template_id: str, **_: Any) -> Response:
        return Response(as_json(templates.revise(namespace, template_id, bodies.source_of(request))))

    def delete(self, request: Request, namespace: str, template_id: str, **_: Any) -> Response:
        templates.delete(namespace, template_id)
        return Response(status=204)


class DeleteView(FlowView):
    """DELETE /templates/delete/by-ids and by-query; with `by_query` those that the query string selects."""

    by_query = False

    def delete(self, request: Request, **_: Any) -> Response:
        with transaction.atomic():
            if self.by_query:
                filters.refuse_unusable(request.query_params, ("q", "namespace"), newer=False)
                count = selected(request, Role.AUTHOR).delete()[0]
            else:
                pairs = bodies.ids_of(request)
                for namespace, template_id in pairs:
                    reading.authorize(request, Role.AUTHOR, namespace)
                    templates.delete(namespace, template_id)
                count = len(pairs)
        return Response({"count": count})
