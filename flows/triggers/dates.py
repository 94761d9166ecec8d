"""Reading the dates that conditions and schedules are written with. Pure: `now` is an argument."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo


def read_datetime(text: str) -> datetime:
    """ISO-8601, a `[Zone/Name]` suffix allowed; without an offset it is UTC. Raises ValueError."""
    text = text.strip()
    zone: tzinfo = UTC
    if text.endswith("]") and "[" in text:
        text, _, name = text[:-1].partition("[")
        zone = read_zone(name)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def read_time(text: str) -> time:
    """ISO-8601 time; without an offset it is UTC. Raises ValueError."""
    moment = time.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_zone(name: str) -> tzinfo:
    """Raises ValueError."""
    try:
        return UTC if name in ("Z", "UTC") else ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"unknown time zone '{name[:100]}'") from None


def is_in_week_of_month(day: date, which: str) -> bool:
    """Whether it is the FIRST, SECOND, THIRD, FOURTH or LAST of its weekday in the month."""
    if which == "LAST":
        return date.fromordinal(day.toordinal() + 7).month != day.month
    return (day.day - 1) // 7 == ("FIRST", "SECOND", "THIRD", "FOURTH").index(which)
