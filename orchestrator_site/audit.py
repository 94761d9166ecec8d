"""Writes an audit row for each change that a known caller makes over REST, pages or the administration, also refused ones."""

import logging
import re
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from executions import audit, database

log = logging.getLogger("celesta.audit")
_READING = ("GET", "HEAD", "OPTIONS")
# Routes whose POST changes nothing. Routes, not addresses: a namespace may be called like the beginning of one.
_HARMLESS = re.compile(
    r"stats/.*|flows/(validate(/\w+)?|graph|export/by-ids)|templates/(validate|export/by-ids)"
    r"|executions/latest|namespaces/autocomplete|executions/\{execution_id\}/(actions/)?(eval(/\{task_run_id\})?|resume/validate)"
    r"|executions/\{namespace\}/\{flow_id\}/validate|dashboards/(validate(/chart)?|(\{dashboard_id\}/)?charts/.*)"
    r"|flows/editor/(check|words)|flows/\{namespace\}/\{flow_id\}/execute/check"
    r"|executions/\{execution_id\}/(evaluate|resume/check)"
)
_WEBHOOK_KEY = re.compile(r"(/executions/webhook/[^/]+/[^/]+/)[^/]+")


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
    if request.method == "POST" and _HARMLESS.fullmatch(_route(request)):
        return False
    known = getattr(request, "user", None) is not None and request.user.is_authenticated
    return response.status_code < 400 or (known and response.status_code == 403)


def _entry(request: HttpRequest, response: HttpResponse) -> audit.Entry:
    return audit.Entry(
        actor=request.user.get_username() or "anonymous",
        action=f"{request.method} {_route(request)}",
        target=_WEBHOOK_KEY.sub(r"\1***", request.path),
        detail={"status": response.status_code, **({"query": query} if (query := _query(request)) else {})},
        address=str(request.META.get("REMOTE_ADDR", "")),
    )


def _route(request: HttpRequest) -> str:
    route = request.resolver_match.route if request.resolver_match else request.path
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(route)).removeprefix("api/v1/").removeprefix("main/")


def _query(request: HttpRequest) -> str:
    return str(request.META.get("QUERY_STRING", ""))[:500]
