"""What is below /api and has no view: for a known caller 404 in Kestra's JSON, never a page; others must log in first."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from flows.access import Role
from flows.api.errors import NotFound


class UnknownView(APIView):
    roles = {"*": Role.VIEWER}
    schema = None

    def answer(self, request: Request, **_: Any) -> Any:
        raise NotFound("no such address")

    get = post = put = patch = delete = answer
