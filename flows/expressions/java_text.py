"""Values as Java prints them (`toString`, `Double.toString`, java.time); no JSON, no output rules."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from flows.expressions.budget import TextWriter
from flows.expressions.errors import BudgetExceeded, ExpressionError
from flows.expressions.taint import SecretStr, Tainted
from flows.expressions.values import Float32, Instant, JavaDate

MAX_DEPTH = 64


def java_string(value: object) -> str:
    """`String.valueOf(value)`: null is `null`, maps are `{a=1, b=2}`; keeps what is secret."""
    if isinstance(value, str):
        return value
    if isinstance(value, (Mapping, list, tuple)):
        writer = TextWriter()
        _write(value, writer, 0)
        return writer.text()
    text = scalar_text(value)
    return SecretStr(text) if isinstance(value, Tainted) else text


def scalar_text(value: object) -> str:
    """The Java text of anything but a text, a map or a list."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    for kind, printer in _PRINTERS:
        if isinstance(value, kind):
            return printer(value)
    raise ExpressionError("The value cannot be printed: it is not plain data")


def _write(value: object, writer: TextWriter, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply to be printed")
    if isinstance(value, Mapping):
        writer.add("{")
        for number, key in enumerate(value):
            writer.add(", " if number else "")
            _write(key, writer, depth + 1)
            writer.add("=")
            _write(value[key], writer, depth + 1)
        writer.add("}")
    elif isinstance(value, (list, tuple)):
        writer.add("[")
        for number, item in enumerate(value):
            writer.add(", " if number else "")
            _write(item, writer, depth + 1)
        writer.add("]")
    else:
        writer.add(value if isinstance(value, str) else scalar_text(value), value)


def double_text(value: float) -> str:
    """Double.toString since Java 19: the fewest digits, `1.0E10` from 10^7 on and below 10^-3."""
    if isinstance(value, Float32):
        return _scientific_or_plain(value, _shortest_float32(value))
    return _scientific_or_plain(value, repr(float(value)))


def _scientific_or_plain(value: float, digits: str) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    number = Decimal(digits)
    if 1e-3 <= size < 1e7:
        text = format(number, "f")
        return text if "." in text else text + ".0"
    sign, figures, exponent = number.as_tuple()
    figures_text = "".join(map(str, figures)).rstrip("0") or "0"
    power = int(exponent) + len(figures) - 1
    return f"{'-' if sign else ''}{figures_text[0]}.{figures_text[1:] or '0'}E{power}"


def _shortest_float32(value: float) -> str:
    if not math.isfinite(value):
        return repr(float(value))
    for precision in range(1, 10):
        text = f"{float(value):.{precision}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == float(value):
            return text
    return repr(float(value))


def decimal_text(value: Decimal) -> str:
    return str(value)


# Dates: java.time's toString leaves out zero seconds and prints fractions in groups of three digits.


def fraction_groups(microsecond: int) -> str:
    if not microsecond:
        return ""
    return f".{microsecond // 1000:03d}" if microsecond % 1000 == 0 else f".{microsecond:06d}"


def fraction_digits(microsecond: int) -> str:
    """ISO formatters print as many digits as there are."""
    return f".{microsecond:06d}".rstrip("0") if microsecond else ""


def offset_text(moment: datetime, zero: str = "Z", colon: str = ":") -> str:
    offset = moment.utcoffset() or timedelta()
    seconds = int(offset.total_seconds())
    if not seconds:
        return zero
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{sign}{hours:02d}{colon}{minutes:02d}"
    return f"{text}{colon}{seconds:02d}" if seconds else text


def region_of(zone: tzinfo | None) -> str | None:
    """The name of a zone with rules of its own; None for plain offsets."""
    return zone.key if isinstance(zone, ZoneInfo) else None


def time_text(value: time | datetime) -> str:
    text = f"{value.hour:02d}:{value.minute:02d}"
    if value.second or value.microsecond:
        text += f":{value.second:02d}{fraction_groups(value.microsecond)}"
    return text


def date_text(value: date) -> str:
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def datetime_text(value: datetime) -> str:
    text = f"{date_text(value)}T{time_text(value)}"
    if value.tzinfo is None:
        return text
    region = region_of(value.tzinfo)
    return text + offset_text(value) + (f"[{region}]" if region else "")


def instant_text(value: datetime) -> str:
    moment = value.astimezone(UTC)
    return (
        f"{date_text(moment)}T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
        f"{fraction_groups(moment.microsecond)}Z"
    )


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def java_date_text(value: datetime) -> str:
    moment = value.astimezone(UTC)
    return (
        f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {moment.day:02d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} UTC {moment.year:04d}"
    )


def iso_datetime_text(value: datetime) -> str:
    """ISO_OFFSET_DATE_TIME (or ISO_LOCAL_DATE_TIME without a zone), as JSON has it."""
    if isinstance(value, Instant):
        return instant_text(value)
    text = (
        f"{date_text(value)}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}{fraction_digits(value.microsecond)}"
    )
    if isinstance(value, JavaDate):
        return f"{text.partition('.')[0]}.{value.microsecond // 1000:03d}+00:00"
    return text if value.tzinfo is None else text + offset_text(value)


def iso_time_text(value: time) -> str:
    return f"{value.hour:02d}:{value.minute:02d}:{value.second:02d}{fraction_digits(value.microsecond)}"


def duration_text(value: timedelta) -> str:
    """java.time.Duration: hours are the largest unit, `PT24H` for a day."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    if not micros:
        return "PT0S"
    sign = -1 if micros < 0 else 1
    seconds, fraction = divmod(abs(micros), 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = "PT"
    if hours:
        text += f"{sign * hours}H"
    if minutes:
        text += f"{sign * minutes}M"
    if seconds or fraction:
        digits = f".{fraction:06d}".rstrip("0") if fraction else ""
        text += f"{'-' if sign < 0 else ''}{seconds}{digits}S"
    return text


_PLAIN: dict[type, Callable[..., str]] = {int: str, float: double_text, Float32: double_text}
_PRINTERS: list[tuple[type, Callable[..., str]]] = [
    (int, lambda value: str(int(value))),
    (float, double_text),
    (Decimal, decimal_text),
    (JavaDate, java_date_text),
    (Instant, instant_text),
    (datetime, datetime_text),
    (date, date_text),
    (time, time_text),
    (timedelta, duration_text),
]
