"""java.time patterns: format and parse dates as DateTimeFormatter does. Pure: zones come as arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flows.expressions.errors import ExpressionError
from flows.expressions.java_locales import Language, language_of, week_rule
from flows.expressions.java_text import (
    date_text,
    fraction_digits,
    instant_text,
    iso_time_text,
    offset_text,
    region_of,
)

# A field and its width, a literal, an optional section.
Part = tuple[str, int] | str | list[Any]
LONGEST_PATTERN = 200
NAMED = {
    "iso": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "iso_milli": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "iso_sec": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "sql": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "sql_milli": "yyyy-MM-dd HH:mm:ss.SSS",
    "sql_seq": "yyyy-MM-dd HH:mm:ss",
    "sql_sec": "yyyy-MM-dd HH:mm:ss",
}
_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")


@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """A zone by its id or offset."""
    if name in ("Z", "z"):
        return UTC
    match = _OFFSET.fullmatch(name)
    if match:
        sign, hours, minutes, seconds = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
        if offset > timedelta(hours=18):
            raise ExpressionError(f"Zone offset not in valid range: {name[:50]}")
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ExpressionError(f"Unknown time-zone ID: {name[:50]}") from None


def format_date(moment: datetime, pattern: str, locale: str | None = None) -> str:
    """By a pattern or the name of a formatter (`iso`, `sql`, `iso_local_date`, `rfc_1123_date_time`, …)."""
    named = _STANDARD.get(pattern.lower())
    if named is not None:
        return named(moment)
    parts = pattern_parts(NAMED.get(pattern.lower(), pattern))
    return _format(parts, moment, language_of(locale), week_rule(locale))


@lru_cache(maxsize=512)
def pattern_parts(pattern: str) -> list[Part]:
    if len(pattern) > LONGEST_PATTERN:
        raise ExpressionError(f"The date pattern is longer than {LONGEST_PATTERN} characters")
    stack: list[list[Part]] = [[]]
    for match in re.finditer(r"([A-Za-z])\1*|'((?:[^']|'')*)'|(.)", pattern, re.DOTALL):
        letter, quoted, other = match.groups()
        if letter:
            stack[-1].append((letter, len(match.group())))
        elif quoted is not None:
            stack[-1].append(quoted.replace("''", "'") if quoted else "'")
        elif other == "[":
            stack.append([])
        elif other == "]":
            if len(stack) == 1:
                raise ExpressionError("Pattern invalid as it contains ] without previous [")
            section = stack.pop()
            stack[-1].append(section)
        elif other == "'":
            raise ExpressionError("Pattern ends with an incomplete string literal")
        else:
            stack[-1].append(other)
    while len(stack) > 1:
        section = stack.pop()
        stack[-1].append(section)
    return stack[0]


def _format(parts: list[Part], moment: datetime, language: Language, week: tuple[int, int]) -> str:
    out: list[str] = []
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, list):
            out.append(_format(part, moment, language, week))
        else:
            letter, width = part
            if letter in _NUMBERS:
                out.append(str(_NUMBERS[letter](moment)).zfill(width))
            elif letter in _TEXTS:
                out.append(_TEXTS[letter](moment, width, language))
            elif letter in _WEEKS:
                out.append(_week_field(letter, width, moment, language, week))
            else:
                raise ExpressionError(f"Unknown pattern letter: {letter}")
    return "".join(out)


def _nanos(moment: datetime) -> int:
    return moment.microsecond * 1000


def _seconds_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "D": lambda moment: moment.timetuple().tm_yday,
    "d": lambda moment: moment.day,
    "F": lambda moment: (moment.day - 1) // 7 + 1,
    "g": lambda moment: moment.toordinal() - 678_576,
    "h": lambda moment: moment.hour % 12 or 12,
    "K": lambda moment: moment.hour % 12,
    "k": lambda moment: moment.hour or 24,
    "H": lambda moment: moment.hour,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
    "A": lambda moment: _seconds_of_day(moment) * 1000 + moment.microsecond // 1000,
    "n": _nanos,
    "N": lambda moment: _seconds_of_day(moment) * 1_000_000_000 + _nanos(moment),
}


def _year(moment: datetime, width: int, language: Language) -> str:
    return f"{moment.year % 100:02d}" if width == 2 else str(moment.year).zfill(width)


def _month(moment: datetime, width: int, language: Language) -> str:
    if width <= 2:
        return str(moment.month).zfill(width)
    name = language.months[moment.month - 1]
    return language.short_months[moment.month - 1] if width == 3 else name if width == 4 else name[:1].upper()


def _day_name(moment: datetime, width: int, language: Language) -> str:
    name = language.days[moment.weekday()]
    return language.short_days[moment.weekday()] if width <= 3 else name if width == 4 else name[:1].upper()


def _quarter(moment: datetime, width: int, language: Language) -> str:
    number = (moment.month - 1) // 3 + 1
    if width <= 2:
        return str(number).zfill(width)
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    return f"Q{number}" if width == 3 else f"{number}{suffix} quarter" if width == 4 else str(number)


def _fraction(moment: datetime, width: int, language: Language) -> str:
    return f"{_nanos(moment):09d}"[:width].ljust(width, "0")


def _iso_offset(moment: datetime, width: int, zero: str) -> str:
    text = offset_text(moment, zero, "" if width in (1, 2, 4) else ":")
    if width == 1 and text != zero and text.endswith("00") and len(text) == 5:
        return text[:3]
    return text


def _zone_offset(moment: datetime, width: int, language: Language) -> str:
    if width <= 3:
        return offset_text(moment, "+0000", "")
    return "GMT" + offset_text(moment, "") if width == 4 else offset_text(moment)


def _gmt_offset(moment: datetime, width: int, language: Language) -> str:
    text = offset_text(moment, "")
    if width == 1 and text:
        hours, _, rest = text[1:].partition(":")
        text = text[0] + str(int(hours)) + ("" if rest == "00" else ":" + rest)
    return "GMT" + text


def _zone_name(moment: datetime, width: int, language: Language) -> str:
    return moment.tzname() or ""


def _zone_id(moment: datetime, width: int, language: Language) -> str:
    return region_of(moment.tzinfo) or offset_text(moment)


_TEXTS: dict[str, Callable[[datetime, int, Language], str]] = {
    "G": lambda moment, width, language: "Anno Domini" if width == 4 else "A" if width == 5 else "AD",
    "y": _year,
    "u": _year,
    "M": _month,
    "L": _month,
    "Q": _quarter,
    "q": _quarter,
    "E": _day_name,
    "a": lambda moment, width, language: language.halves[moment.hour >= 12],
    "S": _fraction,
    "X": lambda moment, width, language: _iso_offset(moment, width, "Z"),
    "x": lambda moment, width, language: _iso_offset(
        moment, width, {1: "+00", 2: "+0000", 4: "+0000"}.get(width, "+00:00")
    ),
    "Z": _zone_offset,
    "O": _gmt_offset,
    "z": _zone_name,
    "v": _zone_name,
    "V": _zone_id,
}
_WEEKS = frozenset("YwWec")


def _week_field(letter: str, width: int, moment: datetime, language: Language, week: tuple[int, int]) -> str:
    first_day, minimum = week
    if letter in "ec":
        if width >= 3:
            return _day_name(moment, width, language)
        return str((moment.weekday() - first_day) % 7 + 1).zfill(width)
    if letter == "W":
        return str(_week_number(moment.day, moment.weekday(), first_day, minimum)).zfill(width)
    year, number = _week_of_year(moment.date(), first_day, minimum)
    if letter == "w":
        return str(number).zfill(width)
    return f"{year % 100:02d}" if width == 2 else str(year).zfill(width)


def _week_number(day: int, weekday: int, first_day: int, minimum: int) -> int:
    """The week that a day of a period is in; 0 before its first full enough week."""
    start = (weekday - (day - 1) - first_day) % 7
    offset = 0 if start == 0 else 7 - start
    first_week = 1 if offset >= minimum else 0
    return (day - 1 - offset) // 7 + 1 + first_week if day > offset else first_week


def _week_of_year(day: date, first_day: int, minimum: int) -> tuple[int, int]:
    number = _week_number(day.timetuple().tm_yday, day.weekday(), first_day, minimum)
    if number == 0:
        last = date(day.year - 1, 12, 31)
        return day.year - 1, _week_number(last.timetuple().tm_yday, last.weekday(), first_day, minimum)
    following = date(day.year + 1, 1, 1) if day.year < 9999 else day
    into_next = (following.weekday() - first_day) % 7
    if into_next and 7 - into_next >= minimum and (following - day).days <= into_next:
        return day.year + 1, 1
    return day.year, number


# The formatters that are constants of DateTimeFormatter.


def _zoned(text: str, moment: datetime) -> str:
    region = region_of(moment.tzinfo)
    return text + (f"[{region}]" if region else "")


def _local_time(moment: datetime) -> str:
    return iso_time_text(moment.time())


def _iso_offset_date_time(moment: datetime) -> str:
    return f"{_local_date_time(moment)}{offset_text(moment)}"


def _local_date_time(moment: datetime) -> str:
    seconds = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}{fraction_digits(moment.microsecond)}"
    return f"{date_text(moment)}T{seconds}"


def _week_date(moment: datetime) -> str:
    year, week, day = moment.isocalendar()
    return f"{year:04d}-W{week:02d}-{day}{offset_text(moment)}"


def _rfc_1123(moment: datetime) -> str:
    language = language_of("en")
    day = f"{language.short_days[moment.weekday()]}, {moment.day} {language.short_months[moment.month - 1]}"
    seconds = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    return f"{day} {moment.year:04d} {seconds} {offset_text(moment, 'GMT', '')}"


_STANDARD: dict[str, Callable[[datetime], str]] = {
    "iso_local_date": date_text,
    "iso_offset_date": lambda moment: date_text(moment) + offset_text(moment),
    "iso_date": lambda moment: date_text(moment) + offset_text(moment),
    "iso_local_time": _local_time,
    "iso_offset_time": lambda moment: _local_time(moment) + offset_text(moment),
    "iso_time": lambda moment: _local_time(moment) + offset_text(moment),
    "iso_local_date_time": _local_date_time,
    "iso_offset_date_time": _iso_offset_date_time,
    "iso_zoned_date_time": lambda moment: _zoned(_iso_offset_date_time(moment), moment),
    "iso_date_time": lambda moment: _zoned(_iso_offset_date_time(moment), moment),
    "iso_ordinal_date": lambda moment: f"{moment.year:04d}-{moment.timetuple().tm_yday:03d}{offset_text(moment)}",
    "iso_week_date": _week_date,
    "iso_instant": instant_text,
    "basic_iso_date": lambda moment: (
        f"{moment.year:04d}{moment.month:02d}{moment.day:02d}{offset_text(moment, 'Z', '')}"
    ),
    "rfc_1123_date_time": _rfc_1123,
}
STANDARD_NAMES = frozenset(_STANDARD)
