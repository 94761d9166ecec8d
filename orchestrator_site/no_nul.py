"""No address of a page or of the administration holds a NUL character, which PostgreSQL cannot compare. REST says so itself."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse


class NoNul:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        holds = "\0" in request.path or "%00" in request.META.get("QUERY_STRING", "")
        if holds and not request.path.startswith("/api/"):
            raise BadRequest("An address cannot hold a NUL character.")
        return self.get_response(request)
