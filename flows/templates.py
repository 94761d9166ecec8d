"""The stored templates: found, saved, deleted, and how flows take them in. `template_of` works on any psycopg connection."""

import time
from collections.abc import Callable
from typing import Any

import orjson
from django.db import transaction
from psycopg.rows import tuple_row

from flows.definition.errors import InvalidFlow, Violation
from flows.definition.parse import parse_template
from flows.definition.template import Template
from flows.models import TemplateRecord

Json = Any
_STAMP = "SELECT count(*), max(version) FROM flow_templates"
_TASKS = "SELECT (document->'tasks')::text FROM flow_templates WHERE namespace = %s AND template_id = %s"


class TemplateNotFound(LookupError):
    http_status = 404

    def __init__(self, namespace: str, template_id: str) -> None:
        super().__init__(f"Not Found: template {namespace}.{template_id}")


class TemplateExists(Exception):
    http_status = 422

    def __init__(self) -> None:
        super().__init__("Invalid entity: template.id: Template id already exists")


def stamp(connection: Any) -> tuple[int, int | None]:
    """Another one after every change of any template."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        count, version = cursor.execute(_STAMP).fetchone()
    return count, version


def template_of(connection: Any) -> Callable[[str, str], list[Json] | None]:
    """The tasks of a template as plain data, None when there is none of that name."""

    def tasks(namespace: str, template_id: str) -> list[Json] | None:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_TASKS, [namespace, template_id]).fetchone()
        return None if row is None else orjson.loads(row[0])

    return tasks


def find(namespace: str, template_id: str) -> TemplateRecord:
    """Raises TemplateNotFound."""
    row = TemplateRecord.objects.filter(namespace=namespace, template_id=template_id).first()
    if row is None:
        raise TemplateNotFound(namespace, template_id)
    return row


def create(source: str) -> TemplateRecord:
    """Raises InvalidFlow, TemplateExists."""
    template = parse_template(source)
    with transaction.atomic():
        row, made = TemplateRecord.objects.get_or_create(
            namespace=template.namespace, template_id=template.id, defaults=_columns(template)
        )
    if not made:
        raise TemplateExists
    return row


def revise(namespace: str, template_id: str, source: str) -> TemplateRecord:
    """Raises InvalidFlow, TemplateNotFound."""
    find(namespace, template_id)
    template = parse_template(source)
    if (template.namespace, template.id) != (namespace, template_id):
        raise InvalidFlow([Violation("Illegal namespace or id update", "template.id", kind="structure")])
    return save(template)


def save(template: Template) -> TemplateRecord:
    """Create or replace, whichever it takes."""
    with transaction.atomic():
        row, _ = TemplateRecord.objects.update_or_create(
            namespace=template.namespace, template_id=template.id, defaults=_columns(template)
        )
    return row


def delete(namespace: str, template_id: str) -> None:
    """Raises TemplateNotFound."""
    find(namespace, template_id).delete()


def _columns(template: Template) -> dict[str, Any]:
    return {
        "source": template.source,
        "document": template.document,
        "description": template.description or "",
        # A clock serves: two changes within one microsecond are two rows, which their number tells.
        "version": time.time_ns() // 1000,
    }
