"""Templates as files: a zip of their YAML out, YAML files or a zip of them in."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from flows import templates
from flows.access import Role
from flows.api import bodies, reading
from flows.api.base import FlowView
from flows.api.many import uploaded_files
from flows.api.streaming import StreamedAnswer, zip_answer
from flows.api.templates import selected
from flows.definition.parse import parse_template
from flows.definition.yaml_text import to_yaml
from flows.models import TemplateRecord


class ExportView(FlowView):
    """GET /templates/export/by-query, POST /templates/export/by-ids"""

    roles = {"GET": Role.VIEWER, "POST": Role.VIEWER}

    def get(self, request: Request, **_: Any) -> StreamedAnswer:
        return _zipped(selected(request).order_by("namespace", "template_id"))

    def post(self, request: Request, **_: Any) -> StreamedAnswer:
        access = reading.access_of(request)
        pairs = [pair for pair in bodies.ids_of(request) if access.allows(Role.VIEWER, pair[0])]
        return _zipped([templates.find(namespace, template_id) for namespace, template_id in pairs])


def _zipped(rows: Iterable[TemplateRecord]) -> StreamedAnswer:
    files = ((f"{row.namespace}.{row.template_id}.yml", [to_yaml(row.document).encode()]) for row in rows)
    return zip_answer("templates.zip", files)


class ImportView(FlowView):
    """POST /templates/import: all of the files, or none."""

    def post(self, request: Request, **_: Any) -> Response:
        texts = [text.decode("utf-8-sig", "replace") for _, text in uploaded_files(request)]
        found = [parse_template(source) for text in texts for source in bodies.documents(text)]
        for template in found:
            reading.authorize(request, Role.AUTHOR, template.namespace)
        with transaction.atomic():
            for template in found:
                templates.save(template)
        return Response(status=204)
