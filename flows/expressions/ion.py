"""Ion texts, as Kestra writes its internal storage; knows nothing of templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from flows.expressions.budget import TextWriter
from flows.expressions.errors import BudgetExceeded
from flows.expressions.java_text import (
    date_text,
    double_text,
    duration_text,
    iso_datetime_text,
    iso_time_text,
    offset_text,
    region_of,
    scalar_text,
)
from flows.expressions.json_text import key_text
from flows.expressions.taint import SecretStr, pieces
from flows.expressions.values import Instant, JavaDate

MAX_DEPTH = 64
_SYMBOL = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_KEYWORDS = frozenset({"null", "true", "false", "nan"})
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\\": "\\\\", "\0": "\\0"}
_ESCAPES |= {"\a": "\\a", "\v": "\\v"}


def to_ion(value: object) -> str:
    writer = TextWriter()
    _write(value, writer, 0)
    return writer.text()


def _write(value: object, writer: TextWriter, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply for Ion")
    if isinstance(value, Mapping):
        writer.add("{")
        for number, key in enumerate(value):
            writer.add("," if number else "")
            name = key_text(key)
            writer.add(_symbol(str(name)), name)
            writer.add(":")
            _write(value[key], writer, depth + 1)
        writer.add("}")
    elif isinstance(value, (list, tuple)):
        writer.add("[")
        for number, item in enumerate(value):
            writer.add("," if number else "")
            _write(item, writer, depth + 1)
        writer.add("]")
    elif isinstance(value, SecretStr):
        writer.add('"')
        for piece in pieces(value):
            writer.add(_escaped(str(piece), '"'), piece)
        writer.add('"')
    else:
        writer.add(_scalar(value), value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value, chr(34))}"'
    if value is None or isinstance(value, (bool, int)):
        return scalar_text(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Decimal):
        text = scalar_text(value)
        return text.replace("E", "d") if "E" in text else text if "." in text else text + "."
    return _moment(value)


def _float(value: float) -> str:
    """A double with an exponent; 32-bit numbers are widened."""
    text = double_text(float(value))
    if text in ("NaN", "Infinity", "-Infinity"):
        return {"NaN": "nan", "Infinity": "+inf", "-Infinity": "-inf"}[text]
    return text.replace("E", "e") if "E" in text else text.removesuffix(".0") + "e0"


def _moment(value: object) -> str:
    if isinstance(value, (Instant, JavaDate)):
        return iso_datetime_text(Instant.fromtimestamp(value.timestamp(), value.tzinfo))
    if isinstance(value, datetime):
        text = iso_datetime_text(value)
        region = region_of(value.tzinfo)
        if value.tzinfo is None:
            return f'LocalDateTime::"{text}"'
        return f'ZonedDateTime::"{text}' + (f'[{region}]"' if region else '"')
    if isinstance(value, date):
        return f'LocalDate::"{date_text(value)}"'
    if isinstance(value, time):
        zone = offset_text(datetime.combine(date(2000, 1, 1), value)) if value.tzinfo else ""
        return f'{"OffsetTime" if zone else "LocalTime"}::"{iso_time_text(value)}{zone}"'
    if isinstance(value, timedelta):
        return f'Duration::"{duration_text(value)}"'
    return f'"{_escaped(scalar_text(value), chr(34))}"'


def _symbol(name: str) -> str:
    if _SYMBOL.fullmatch(name) and name not in _KEYWORDS:
        return name
    return "'" + _escaped(name, "'") + "'"


def _escaped(text: str, quote: str) -> str:
    escaped = []
    for character in text:
        if character == quote:
            escaped.append("\\" + quote)
        elif character in _ESCAPES:
            escaped.append(_ESCAPES[character])
        elif character < " " or character == "\x7f":
            escaped.append(f"\\x{ord(character):02x}")
        else:
            escaped.append(character)
    return "".join(escaped)
