"""The view that all flow routes share: parsers, and errors of the rooms below in Kestra's words."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import APIView

from flows.access import Role
from flows.api.bodies import PARSERS
from flows.api.errors import NotFound, Unprocessable
from flows.catalog import FlowExists, FlowNotFound
from flows.definition.errors import InvalidFlow, Violation


def violation_json(violation: Violation) -> dict[str, Any]:
    return {
        "message": violation.message,
        "path": violation.path,
        "line": violation.line,
        "column": violation.column,
    }


def invalid(error: InvalidFlow) -> Unprocessable:
    return Unprocessable(f"Invalid entity: {error}", [violation_json(one) for one in error.errors])


def translated(error: Exception) -> Exception:
    if isinstance(error, InvalidFlow):
        return invalid(error)
    if isinstance(error, FlowNotFound):
        return NotFound(str(error))
    if isinstance(error, FlowExists):
        return Unprocessable(f"Invalid entity: flow.id: {error}", [{"message": str(error), "path": "flow.id"}])
    return error


class FlowView(APIView):
    """Reading needs a viewer, writing an author, unless a view says otherwise."""

    parser_classes = PARSERS
    roles = {
        "GET": Role.VIEWER,
        "POST": Role.AUTHOR,
        "PUT": Role.AUTHOR,
        "PATCH": Role.AUTHOR,
        "DELETE": Role.AUTHOR,
    }

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(translated(exc))
