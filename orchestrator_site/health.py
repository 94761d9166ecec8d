"""`/health`: this process answers. `/ready`: every part is usable, else 503 with the reasons."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "UP"})


def ready(request: HttpRequest) -> JsonResponse:
    reasons = list(_reasons())
    return JsonResponse(
        {"status": "DOWN" if reasons else "UP", "reasons": reasons}, status=503 if reasons else 200
    )


def _reasons() -> list[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return [f"database: {str(error).strip().splitlines()[0]}"]
    return []
