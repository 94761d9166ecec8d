"""The OpenAPI document: paths, methods and texts come from the views, what they take and give from `openapi_operations`."""

import inspect
import re
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework.request import Request
from rest_framework.views import APIView

from executions.api.auth import role_of
from flows.access import Role
from orchestrator_site.openapi_operations import METHODS, OPERATIONS, Operation
from orchestrator_site.openapi_parts import ANSWERS, BODIES, PARAMETERS, PATH_EXAMPLES
from orchestrator_site.rendering import JsonRenderer

Json = dict[str, Any]
_REFUSALS = {
    "400": "The request is incomplete, or some ids of a bulk action are unknown",
    "401": "Who is calling is not known",
    "403": "The caller's role does not allow it",
    "404": "There is no such thing, or the caller may not see it",
    "409": "It cannot be done in this state",
    "422": "The request is wrong; `_embedded.errors` tells where",
}


def one_dialect(endpoints: list[Any]) -> list[Any]:
    """Every path also exists with a tenant after `/api/v1`; it is described once."""
    return [
        found for found in endpoints if found[0].startswith("/api/v1/") and not found[0].startswith("/api/v1/main/")
    ]


class Describing(AutoSchema):
    """One operation. Nothing is guessed from serializers: there are none."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Json | None:
        name = f"{type(self.view).__module__.rpartition('.')[2]}.{type(self.view).__name__}"
        layer = type(self.view).__module__.partition(".")[0]
        known = OPERATIONS.get(f"{layer}.{name}") or OPERATIONS.get(name) or Operation()
        action = getattr(self.view, "action", "")
        if method not in METHODS.get(f"{name} {action}", METHODS.get(name, {method})):
            return None
        how = known.of(method, action)
        found: Json = {
            "operationId": _operation_id(path, method),
            "tags": [path.split("/")[3]],
            "summary": _summary(self.view, method, path),
            "description": _description(self.view, method),
            "parameters": [*_path_parameters(path), *(PARAMETERS[one] for one in how.query.split())],
            "responses": _responses(how),
        }
        if how.body and method != "GET":
            found["requestBody"] = BODIES[how.body]
        if getattr(self.view, "public", False):
            found["security"] = []
        return found


def _operation_id(path: str, method: str) -> str:
    parts = re.findall(r"[A-Za-z0-9]+", path.removeprefix("/api/v1/"))
    return method.lower() + "".join(part[:1].upper() + part[1:] for part in parts)


def _summary(view: APIView, method: str, path: str) -> str:
    """The first line of the view's documentation after the address; without one, the address in words."""
    first = inspect.cleandoc(type(view).__dict__.get("__doc__") or "").split("\n")[0]
    found = re.match(r"(?:GET|POST|PUT|PATCH|DELETE)\b[^:]*:\s*(.+)", first)
    told = found[1] if found else "" if re.match(r"[A-Z]{3,}|[/{(]", first) else first
    if not told or hasattr(view, "action"):
        parts = [part for part in path.split("/")[3:] if not part.startswith("{")]
        told = f"{method} {' '.join(parts)}"
    return (told[:1].upper() + told[1:])[:120]


def _description(view: APIView, method: str) -> str:
    role = "Open to everybody." if getattr(view, "public", False) else f"Needs the role `{_role(view, method)}`."
    return "\n\n".join(filter(None, [inspect.cleandoc(type(view).__dict__.get("__doc__") or ""), role]))


def _role(view: APIView, method: str) -> str:
    role: Role = role_of(view, method)
    return role.name.lower()


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": PATH_EXAMPLES.get(name, name),
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _responses(how: Operation) -> Json:
    answer: Json = {"description": "Done"}
    if how.answer != "nothing":
        answer["content"] = ANSWERS[how.answer]
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {code: {"description": text, "content": refusal} for code, text in _REFUSALS.items()}
    return {str(how.status): answer, **refused}


@cache
def document() -> Json:
    found: Json = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return found


class SchemaView(APIView):
    """GET /api/schema: the OpenAPI document as JSON (which is YAML too)."""

    roles = {"GET": Role.VIEWER}
    schema = None

    def get(self, request: Request, **_: Any) -> HttpResponse:
        body = JsonRenderer().render(document())
        return HttpResponse(body, content_type="application/vnd.oai.openapi+json", headers={"Cache-Control": "private"})


@login_required
def explorer(request: HttpRequest) -> HttpResponse:
    """GET /api: a page on which the operations can be read and tried."""
    return render(request, "explorer.html", {"version": settings.SPECTACULAR_SETTINGS["VERSION"]})
