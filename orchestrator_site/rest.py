"""Kestra's JSON error bodies for every REST answer that is not a success."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_framework_handler


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    response = rest_framework_handler(error, context)
    if response is not None:
        response.data = {"message": _message(response.data)}
    return response


def _message(detail: Any) -> str:
    match detail:
        case {"detail": text}:
            return str(text)
        case dict():
            return "; ".join(f"{name}: {_message(value)}" for name, value in detail.items())
        case list():
            return ", ".join(_message(value) for value in detail)
        case _:
            return str(detail)
