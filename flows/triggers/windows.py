"""Time windows in which the parts of a condition must meet. Pure: `now` is an argument."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator

from flows.definition.durations import Duration
from flows.definition.strict import Strict
from flows.triggers.dates import read_time

_DAY = timedelta(days=1)


def _is_time(text: str | None) -> str | None:
    if text is not None:
        read_time(text)
    return text


ClockTime = Annotated[str | None, AfterValidator(_is_time)]


class TimeWindow(Strict):
    type: Literal["DURATION_WINDOW", "SLIDING_WINDOW", "DAILY_TIME_WINDOW", "DAILY_TIME_DEADLINE"] = "DURATION_WINDOW"
    window: Duration | None = None
    window_advance: Duration | None = None
    start_time: ClockTime = None
    end_time: ClockTime = None
    deadline: ClockTime = None

    def around(self, now: datetime) -> tuple[datetime, datetime]:
        """Start and end (exclusive) of the window that `now` falls in."""
        if self.type == "SLIDING_WINDOW":
            return now - (self.window or _DAY), now + timedelta(microseconds=1)
        if self.type == "DAILY_TIME_DEADLINE":
            return _at(now, "00:00:00Z"), _at(now, self.deadline or "23:59:59.999999Z")
        if self.type == "DAILY_TIME_WINDOW":
            return _at(now, self.start_time or "00:00:00Z"), _at(now, self.end_time or "23:59:59.999999Z")
        return self._aligned(now)

    def _aligned(self, now: datetime) -> tuple[datetime, datetime]:
        """Windows follow each other from midnight on, moved by `window_advance`."""
        length = self.window or _DAY
        midnight = datetime.combine(now.astimezone(UTC).date(), time(0), UTC)
        origin = midnight + (self.window_advance or timedelta(0))
        number = (now - origin) // length
        start = origin + number * length
        return start, start + length


def _at(now: datetime, text: str) -> datetime:
    clock = read_time(text)
    day = now.astimezone(clock.tzinfo).date()
    return datetime.combine(day, clock).astimezone(UTC)
