"""Filters on dates, and what the `now` and calendar functions share with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.java_date_parse import parse_date
from flows.expressions.java_dates import format_date, zone_of
from flows.expressions.operations import Operation, operation
from flows.expressions.output import text_of

LAST_SECOND = 253_402_300_799
MONTHS = {"MONTHS": 1, "YEARS": 12, "DECADES": 120, "CENTURIES": 1200, "MILLENNIA": 12_000}
DAYS = {"DAYS": 1, "WEEKS": 7}
MICROS = {
    "NANOS": 0, "MICROS": 1, "MILLIS": 1000, "SECONDS": 1_000_000, "MINUTES": 60_000_000,
    "HOURS": 3_600_000_000, "HALF_DAYS": 43_200_000_000,
}  # fmt: skip


def zone(frame: Frame, name: object) -> tzinfo:
    return zone_of(frame.services.timezone() if name is None else text_of(name))


def _since_1970(number: int) -> timedelta:
    """Seconds; 13 digits are milliseconds, 19 are nanoseconds or what `timestampMicro` makes, as AbstractDate has it."""
    digits = len(str(number))
    if digits == 13:
        return timedelta(milliseconds=number)
    if digits == 19 and number % 1000 == 0:
        return timedelta(microseconds=number // 1000)
    if digits == 19:
        return timedelta(seconds=number // 1_000_000_000, microseconds=number % 1_000_000)
    if not -62_135_596_800 <= number <= LAST_SECOND:
        raise ExpressionError("The number of seconds is out of range for a date")
    return timedelta(seconds=number)


def to_moment(value: object, where: tzinfo, existing_format: object = None, locale: object = None) -> datetime:
    """Any date as an aware datetime in a zone; whole numbers count from 1970, in what their length tells."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=where) if value.tzinfo is None else value.astimezone(where)
        # A plain datetime again, whatever kind of date it was.
        return datetime.combine(moment.date(), moment.timetz())
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=where)
    if isinstance(value, int) and not isinstance(value, bool):
        return (datetime(1970, 1, 1, tzinfo=UTC) + _since_1970(int(value))).astimezone(where)
    if isinstance(value, str):
        pattern = None if existing_format is None else text_of(existing_format)
        return parse_date(value, pattern, where, _text(locale)).astimezone(where)
    if isinstance(value, time):
        raise ExpressionError("A time of day is not a date")
    raise ExpressionError("The value is not a date")


def _text(value: object) -> str | None:
    return None if value is None else text_of(value)


def date_(
    frame: Frame,
    value: object,
    format_: object = None,
    time_zone: object = None,
    existing_format: object = None,
    locale: object = None,
) -> object:
    moment = to_moment(value, zone(frame, time_zone), existing_format, locale)
    return format_date(moment, "iso" if format_ is None else text_of(format_), _text(locale))


def date_add(
    frame: Frame,
    value: object,
    amount: object,
    unit: object,
    format_: object = None,
    time_zone: object = None,
    existing_format: object = None,
    locale: object = None,
) -> object:
    """A text again, as `date` gives it."""
    moment = to_moment(value, zone(frame, time_zone), existing_format, locale)
    try:
        moment = _plus(moment, _amount(amount), text_of(unit).upper())
    except (OverflowError, ValueError):
        raise ExpressionError("The date is out of range") from None
    return format_date(moment, "iso" if format_ is None else text_of(format_), _text(locale))


def _amount(amount: object) -> int:
    if isinstance(amount, int) and not isinstance(amount, bool):
        return int(amount)
    if isinstance(amount, str) and amount.lstrip("-").isdigit() and len(amount) < 19:
        return int(amount)
    raise ExpressionError("The argument 'amount' must be an integer")


def _plus(moment: datetime, amount: int, unit: str) -> datetime:
    """Days and more keep the time of day, hours and less count on the clock of the world."""
    if unit in MONTHS:
        index = moment.year * 12 + moment.month - 1 + amount * MONTHS[unit]
        year, month = divmod(index, 12)
        return moment.replace(year=year, month=month + 1, day=min(moment.day, _days_in(year, month + 1)))
    if unit in DAYS:
        return moment + timedelta(days=amount * DAYS[unit])
    if unit in MICROS:
        micros = amount // 1000 if unit == "NANOS" else amount * MICROS[unit]
        return (moment.astimezone(UTC) + timedelta(microseconds=micros)).astimezone(moment.tzinfo)
    raise ExpressionError(f"Unknown unit '{unit[:30]}': use SECONDS, MINUTES, HOURS, DAYS, WEEKS, MONTHS, YEARS …")


def _days_in(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


def _since_epoch(frame: Frame, value: object, existing_format: object, time_zone: object) -> tuple[int, int]:
    moment = to_moment(value, zone(frame, time_zone), existing_format)
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return passed.days * 86_400 + passed.seconds, passed.microseconds


def timestamp(frame: Frame, value: object, existing_format: object = None, time_zone: object = None) -> object:
    return _since_epoch(frame, value, existing_format, time_zone)[0]


def timestamp_milli(frame: Frame, value: object, existing_format: object = None, time_zone: object = None) -> object:
    seconds, micros = _since_epoch(frame, value, existing_format, time_zone)
    return seconds * 1000 + micros // 1000


def timestamp_micro(frame: Frame, value: object, existing_format: object = None, time_zone: object = None) -> object:
    """Kestra's TimestampMicroFilter mixes the units: seconds as nanoseconds, the rest as microseconds."""
    seconds, micros = _since_epoch(frame, value, existing_format, time_zone)
    return seconds * 1_000_000_000 + micros


def timestamp_nano(frame: Frame, value: object, existing_format: object = None, time_zone: object = None) -> object:
    seconds, micros = _since_epoch(frame, value, existing_format, time_zone)
    return seconds * 1_000_000_000 + micros * 1000


DATES: dict[str, Operation] = {
    "date": operation(date_),
    "dateAdd": operation(date_add),
    "timestamp": operation(timestamp),
    "timestampMicro": operation(timestamp_micro),
    "timestampMilli": operation(timestamp_milli),
    "timestampNano": operation(timestamp_nano),
}
