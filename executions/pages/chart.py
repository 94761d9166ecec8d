"""Executions over time, stacked by state, as the rectangles of an SVG. Counts in the database, draws nothing."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncDay, TruncHour

Json = dict[str, Any]
HEIGHT = 120
_ORDER = ("FAILED", "KILLED", "WARNING", "CANCELLED", "PAUSED", "QUEUED", "RUNNING", "SUCCESS")


def by_hour(rows: Any, now: datetime, hours: int = 24) -> Json:
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    steps = [first + timedelta(hours=number) for number in range(hours)]
    counted = rows.order_by().annotate(step=TruncHour("start_date")).values_list("step", "state")
    return _drawn(steps, counted.annotate(count=Count("id")), every=4, form="H:i", width=960)


def by_day(rows: Any, now: datetime, days: int = 14) -> Json:
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    steps = [first + timedelta(days=number) for number in range(days)]
    counted = rows.order_by().annotate(step=TruncDay("start_date")).values_list("step", "state")
    return _drawn(steps, counted.annotate(count=Count("id")), every=2, form="j M", width=560)


def _drawn(
    steps: list[datetime], counted: Iterable[tuple[datetime, str, int]], every: int, form: str, width: int
) -> Json:
    found: dict[datetime, dict[str, int]] = {}
    for step, state, count in counted:
        found.setdefault(step, {})[state] = count
    top = max((sum(states.values()) for states in found.values()), default=0)
    wide = width / len(steps)
    bars = [bar for number, step in enumerate(steps) for bar in _column(number * wide, wide, step, found, top)]
    labels = [
        {"x": round(number * wide + wide / 2, 1), "moment": step}
        for number, step in enumerate(steps)
        if (len(steps) - 1 - number) % every == 0
    ]
    states = _known(bar["state"] for bar in bars)
    return {
        "width": width, "bars": bars, "labels": labels, "form": form, "states": states,
        "top": top, "half": {"count": top // 2, "y": HEIGHT - (HEIGHT - 10) // 2} if top % 2 == 0 and top else None,
    }  # fmt: skip


def by_duration(rows: Sequence[Any], now: datetime, width: int = 560, tall: int = 72) -> Json:
    """One bar per execution, oldest first, as tall as it took long."""
    lengths = [(row, max(0.0, ((row.end or now) - row.start).total_seconds() * 1000)) for row in reversed(rows)]
    longest = max((length for _, length in lengths), default=0) or 1
    wide = min(28.0, width / max(1, len(lengths)))
    bars = [
        {
            "id": row.id, "state": row.record.state, "length": length, "start": row.start,
            "x": round(number * wide, 1), "w": round(max(2.0, wide - 4), 1),
            "h": (h := round(max(2.0, length / longest * tall), 1)), "y": round(18 + tall - h, 1),
        }
        for number, (row, length) in enumerate(lengths)
    ]  # fmt: skip
    return {"width": width, "bars": bars, "longest": longest}


def _column(x: float, wide: float, step: datetime, found: dict[datetime, dict[str, int]], top: int) -> list[Json]:
    """What went well stands at the bottom, what failed on top of it."""
    y, bars = float(HEIGHT), []
    for state in reversed(_known(found.get(step, {}))):
        count = found[step][state]
        tall = max(count / top * (HEIGHT - 10), 1.5)
        y -= tall
        bars.append(
            {
                "x": round(x + 3, 1), "y": round(y, 1), "w": round(wide - 6, 1), "h": round(tall, 1),
                "state": state, "count": count, "moment": step,
            }
        )  # fmt: skip
    return bars


def _known(states: Iterable[str]) -> list[str]:
    return sorted(set(states), key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER) - 2)
