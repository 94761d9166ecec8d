"""Texts to dates: ISO texts, java.time patterns, RFC 1123. The server's zone comes as an argument."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from flows.expressions.errors import ExpressionError
from flows.expressions.java_dates import NAMED, STANDARD_NAMES, Part, pattern_parts, zone_of
from flows.expressions.java_locales import language_of

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"(Z|z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?(?:\[([\w/+:-]+)\])?"
)
Fields = dict[str, str]


def parse_date(text: str, pattern: str | None, zone: tzinfo, locale: str | None = None) -> datetime:
    """Aware; a text without a zone of its own is taken to be in `zone`."""
    try:
        if pattern is None or pattern.lower() in STANDARD_NAMES - {"rfc_1123_date_time", "basic_iso_date"}:
            return _parse_iso(text, zone)
        name = pattern.lower()
        if name == "rfc_1123_date_time":
            return _parse_pattern(text, "[EEE, ]d MMM yyyy HH:mm[:ss] z", zone, "en")
        if name == "basic_iso_date":
            return _parse_pattern(text, "yyyyMMdd[XX]", zone, "en")
        return _parse_pattern(text, NAMED.get(name, pattern), zone, locale)
    except (ValueError, OverflowError):
        raise ExpressionError(f"Text '{text[:100]}' could not be parsed as a date") from None


def _parse_iso(text: str, zone: tzinfo) -> datetime:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError
    year, month, day, hour, minute, second, fraction, offset, region = match.groups()
    micros = int((fraction or "0").ljust(9, "0")[:6])
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros, zone)
    if offset:
        moment = moment.replace(tzinfo=zone_of(offset))
    return moment.astimezone(zone_of(region)) if region else moment


def _parse_pattern(text: str, pattern: str, zone: tzinfo, locale: str | None) -> datetime:
    expression, letters = _expression(pattern, locale or "en")
    match = expression.fullmatch(text)
    if match is None:
        raise ValueError
    fields: Fields = {}
    for letter, value in zip(letters, match.groups(), strict=True):
        if value is not None:
            fields[letter] = value
    return _resolve(fields, zone, locale)


@lru_cache(maxsize=256)
def _expression(pattern: str, locale: str) -> tuple[re.Pattern[str], list[str]]:
    letters: list[str] = []
    return re.compile(_regex(pattern_parts(pattern), letters, locale), re.IGNORECASE), letters


def _regex(parts: list[Part], letters: list[str], locale: str) -> str:
    out: list[str] = []
    for part in parts:
        if isinstance(part, str):
            out.append(re.escape(part))
        elif isinstance(part, list):
            out.append(f"(?:{_regex(part, letters, locale)})?")
        else:
            letters.append(_field_name(*part))
            out.append(f"({_field(part[0], part[1], locale)})")
    return "".join(out)


def _field_name(letter: str, width: int) -> str:
    if letter in "yu":
        return "yy" if width == 2 else "y"
    if letter in "ML":
        return "M" if width <= 2 else "MMM"
    return letter


def _field(letter: str, width: int, locale: str) -> str:
    language = language_of(locale)
    if letter in "yu":
        return r"\d{2}" if width == 2 else rf"[+-]?\d{{{min(width, 4)},{max(4, min(width, 9))}}}"
    if letter in "ML" and width > 2:
        return _names(language.short_months if width == 3 else language.months)
    if letter == "E":
        return _names(language.short_days if width <= 3 else language.days)
    if letter == "a":
        return _names(language.halves)
    if letter in "MLdHhKkms":
        return r"\d{1,2}" if width == 1 else rf"\d{{{width}}}"
    if letter in "SDnAN":
        return rf"\d{{{width}}}" if letter == "S" or width > 1 else r"\d{1,19}"
    if letter in "XxZOzvV":
        return r"[A-Za-z][\w/+:-]*|[+-]\d{1,2}(?::?\d{2})?(?::?\d{2})?"
    raise ExpressionError(f"Unknown pattern letter for reading a date: {letter}")


def _names(names: tuple[str, ...]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _resolve(fields: Fields, zone: tzinfo, locale: str | None) -> datetime:
    day = _date(fields, locale)
    hour, minute, second, micros = _time(fields)
    named = next((fields[letter] for letter in "VXxZOzv" if letter in fields), None)
    if named is not None:
        zone = zone_of(named)
    moment = datetime(day.year, day.month, day.day, hour, minute, second, micros, zone)
    return moment


def _date(fields: Fields, locale: str | None) -> date:
    if "yy" in fields:
        year = 2000 + int(fields["yy"])
    else:
        year = int(fields.get("y", "1970"))
    if "D" in fields:
        return date(year, 1, 1) + timedelta(days=int(fields["D"]) - 1)
    if "MMM" in fields:
        month = _month_number(fields["MMM"], locale)
    else:
        month = int(fields.get("M", "1"))
    return date(year, month, int(fields.get("d", "1")))


def _month_number(name: str, locale: str | None) -> int:
    language = language_of(locale)
    for names in (language.months, language.short_months):
        lowered = [each.lower() for each in names]
        if name.lower() in lowered:
            return lowered.index(name.lower()) + 1
    raise ValueError


def _time(fields: Fields) -> tuple[int, int, int, int]:
    if "H" in fields:
        hour = int(fields["H"])
    elif "k" in fields:
        hour = int(fields["k"]) % 24
    else:
        hour = int(fields.get("h", fields.get("K", "0"))) % 12
        late = fields.get("a", "").lower().startswith("p")
        hour += 12 if late else 0
    micros = int(fields["S"].ljust(9, "0")[:6]) if "S" in fields else int(fields.get("n", "0")) // 1000
    return hour, int(fields.get("m", "0")), int(fields.get("s", "0")), micros
