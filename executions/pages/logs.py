"""Log lines of all executions that the reader may see: searched, newest first, each leading to its task run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from executions.ids import to_base62
from executions.models import LogRecord
from executions.pages.lists import RANGES, range_of
from executions.pages.runs import LEVELS
from flows.pages import reading
from flows.pages.rights import access_of, page

SIZE = 200


@dataclass(frozen=True, slots=True)
class Line:
    record: LogRecord
    execution: str | None
    run: str | None

    @property
    def level(self) -> str:
        return LEVELS[self.record.level]

    @property
    def href(self) -> str:
        return f"/executions/{self.execution}" + (f"?run={self.run}&line={self.record.pk}" if self.run else "")


@page()
def logs(request: HttpRequest) -> HttpResponse:
    query = request.GET
    rows = _selected(access_of(request).filter(LogRecord.objects.all()), query)
    before = reading.revision_in(request, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: SIZE + 1])
    context = {
        "lines": [_line(row) for row in found[:SIZE]],
        "older": found[SIZE - 1].pk if len(found) > SIZE else None,
        "newest": before is None,
        "filtered": any(query.get(name) for name in ("q", "namespace", "flow", "level", "around")),
        "namespaces": reading.namespaces(request),
        "levels": LEVELS,
        "ranges": RANGES,
        "since": query.get("since", "P1D"),
    }
    part = request.headers.get("HX-Target") == "rows"
    return render(request, "executions/_log_rows.html" if part else "executions/logs.html", context)


def _line(row: LogRecord) -> Line:
    return Line(
        row,
        to_base62(row.execution_id) if row.execution_id else None,
        to_base62(row.task_run_id) if row.task_run_id else None,
    )


def _selected(rows: Any, query: Any) -> Any:
    for word in query.get("q", "").split()[:10]:
        rows = rows.filter(Q(message__icontains=word) | Q(task_id__icontains=word))
    if namespace := query.get("namespace", ""):
        rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=namespace + "."))
    if flow := query.get("flow", ""):
        rows = rows.filter(flow_id=flow)
    if query.get("level") in LEVELS:
        rows = rows.filter(level__gte=LEVELS.index(query["level"]))
    around = _around(query.get("around", ""), query.get("zone", ""))
    if around is not None:
        return rows.filter(timestamp__gte=around - timedelta(minutes=5), timestamp__lte=around + timedelta(minutes=5))
    since = query.get("since", "P1D")
    return rows.filter(timestamp__gte=datetime.now(UTC) - range_of(since)) if since else rows


def _around(text: str, zone: str) -> datetime | None:
    """Five minutes to both sides of a moment of the reader's."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
        return moment if 1970 <= moment.astimezone(UTC).year < 9999 else None
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        return None
