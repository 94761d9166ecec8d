"""`/health`: this process answers. `/ready`: every part is usable, else 503 with reasons. Both are open."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

# A killed process is found sooner by its lock; silence this long means that a whole machine is gone.
SILENCE_SECONDS = 15
PARTS = ("executor", "worker")
LIVE_PARTS = """
    SELECT DISTINCT kind FROM service_instances
    WHERE state = 'RUNNING' AND beat > now() - make_interval(secs => %s)
"""


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "UP"})


def ready(request: HttpRequest) -> JsonResponse:
    reasons = _reasons()
    response = JsonResponse({"status": "DOWN" if reasons else "UP", "reasons": reasons})
    if reasons:
        response.status_code = 503
        # Asked several times a second during a start: not an error of this process to log each time.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _reasons() -> list[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(LIVE_PARTS, [SILENCE_SECONDS])
            live = {kind for (kind,) in cursor.fetchall()}
    except DatabaseError:  # strangers read this too: not where it is, nor as whom; `manage.py doctor` tells
        return ["database: it cannot be reached"]
    return [f"{part}: none is running" for part in PARTS if part not in live]
