"""Refusals of the API that carry their HTTP status. The site's exception handler gives them Kestra's form."""

from typing import Any


class ApiError(Exception):
    http_status = 500

    def __init__(self, message: str, violations: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.violations = violations


class BadRequest(ApiError):
    http_status = 400


class NotFound(ApiError):
    http_status = 404

    def __init__(self, message: str = "", violations: list[dict[str, Any]] | None = None) -> None:
        super().__init__(f"Not Found: {message}" if message else "Not Found", violations)


class Conflict(ApiError):
    http_status = 409


class Gone(ApiError):
    http_status = 410


class TooLarge(ApiError):
    http_status = 413


class Unprocessable(ApiError):
    http_status = 422
