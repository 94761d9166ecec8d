"""Kestra's JSON error bodies for every REST answer. Lower layers get them by string in the settings."""

import logging
import uuid
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from psycopg import DataError as RawDataError
from psycopg import InterfaceError as RawInterfaceError
from psycopg import OperationalError as RawOperationalError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from executions.storage.base import FileMissing, StorageError
from executions.storage.kv import InvalidKeyValue
from flows.catalog import FlowNotFound
from flows.definition.errors import InvalidFlow

log = logging.getLogger("celesta.rest")


def body(message: str, path: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Micronaut's HATEOAS form, which Kestra's clients parse."""
    return {
        "message": message,
        "_links": {"self": {"href": path, "templated": False}},
        "_embedded": {"errors": errors if errors is not None else [{"message": message}]},
    }


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Never lets an exception out: what nobody foresaw becomes a 500 with an id that is found in the log."""
    set_rollback()
    path = context["request"].path if context.get("request") is not None else ""
    if hasattr(error, "rest_body"):
        return Response(error.rest_body(), status=getattr(error, "http_status", 400))
    status, message, errors = describe(error)
    headers: dict[str, str] = {}
    if isinstance(error, exceptions.APIException):
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait))
    return Response(body(message, path, errors), status=status, headers=headers)


def describe(error: Exception) -> tuple[int, str, list[dict[str, Any]] | None]:
    """Status, message and violations for an exception of any layer; a domain error names its status."""
    status = getattr(error, "http_status", None)
    if status is not None:
        return status, str(error), _violations(error)
    match error:
        case FlowNotFound() | FileMissing():
            return 404, f"Not Found: {error}", None
        case InvalidFlow():
            return (
                422,
                f"Invalid entity: {error}",
                [{"message": e.message, "path": e.path} for e in error.errors],
            )
        case StorageError() | InvalidKeyValue():
            return 422, f"Illegal argument: {error}", None
        case RequestDataTooBig() | TooManyFieldsSent():
            return 413, str(error), None
        case Http404():
            return 404, f"Not Found{': ' + str(error) if str(error) else ''}", None
        case PermissionDenied():
            return 403, str(error) or "Forbidden", None
        case SuspiciousOperation() | BadRequest():
            return 400, str(error) or "Bad Request", None
        case exceptions.ParseError():
            return 422, f"Invalid json: {_text(error.detail)}", None
        case exceptions.ValidationError():
            errors = _flat(error.detail)
            return 422, f"Invalid entity: {'; '.join(item['message'] for item in errors)}", errors
        case exceptions.APIException():
            return error.status_code, _text(error.detail), None
        case DataError() | RawDataError():
            return 422, "Illegal argument: a value that the database cannot hold", None
        case OperationalError() | InterfaceError() | RawOperationalError() | RawInterfaceError():
            log.warning("request failed, the database is away: %s", str(error).strip().partition("\n")[0])
            return 503, "The database cannot be reached at the moment", None
    reference = uuid.uuid4().hex[:12]
    log.exception("request failed (%s)", reference, exc_info=error)
    return 500, f"Internal Server Error ({reference})", None


def _violations(error: Exception) -> list[dict[str, Any]] | None:
    found = getattr(error, "violations", None)
    return [item if isinstance(item, dict) else item.as_json() for item in found] if found else None


def _text(detail: Any) -> str:
    return "; ".join(item["message"] for item in _flat(detail))


def _flat(detail: Any, path: str = "") -> list[dict[str, Any]]:
    if isinstance(detail, dict):
        pairs = [(f"{path}.{key}" if path else str(key), value) for key, value in detail.items()]
        return [item for inner, value in pairs for item in _flat(value, "" if inner == "detail" else inner)]
    if isinstance(detail, list):
        return [item for value in detail for item in _flat(value, path)]
    return [{"message": str(detail), "path": path} if path else {"message": str(detail)}]


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    return JsonResponse(body("Not Found", request.path), status=404)


def server_error(request: HttpRequest) -> JsonResponse:
    return JsonResponse(body("Internal Server Error", request.path), status=500)
