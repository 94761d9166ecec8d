"""Writes an audit row for each change that a known caller makes over REST, pages or the administration, also refused ones."""

import logging
import re
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from executions import audit, database

log = logging.getLogger("celesta.audit")
_READING = ("GET", "HEAD", "OPTIONS")
# Addresses whose POST changes nothing.
_HARMLESS = re.compile(
    r"^/api/v1/(main/)?(stats/|flows/(validate|graph|expressions|export)|templates/(validate|export)|executions/latest"
    r"|namespaces/autocomplete|executions/[^/]+/(actions/)?eval|executions/[^/]+/[^/]+/validate"
    r"|executions/[^/]+/(actions/)?resume/validate|dashboards/(validate|charts/|[^/]+/charts/))|^/flows/editor/(check|words)"
)


class Audit:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method not in _READING and _is_worth(request, response):
            try:
                audit.write(database.current(), [_entry(request, response)])
            except DatabaseError:
                # The change itself is done: its answer must not be lost with the note of it.
                log.exception("a change could not be noted: %s %s", request.method, request.path)
        return response


def _is_worth(request: HttpRequest, response: HttpResponse) -> bool:
    """Changes that were made, and those that a known caller was refused."""
    if _HARMLESS.match(request.path):
        return False
    known = getattr(request, "user", None) is not None and request.user.is_authenticated
    return response.status_code < 400 or (known and response.status_code == 403)


def _entry(request: HttpRequest, response: HttpResponse) -> audit.Entry:
    route = request.resolver_match.route if request.resolver_match else request.path
    shown = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(route)).removeprefix("api/v1/").removeprefix("main/")
    return audit.Entry(
        actor=request.user.get_username() or "anonymous",
        action=f"{request.method} {shown}",
        target=request.path,
        detail={"status": response.status_code, **({"query": query} if (query := _query(request)) else {})},
        address=str(request.META.get("REMOTE_ADDR", "")),
    )


def _query(request: HttpRequest) -> str:
    return str(request.META.get("QUERY_STRING", ""))[:500]
