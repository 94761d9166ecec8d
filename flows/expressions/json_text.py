"""JSON as Jackson writes and reads it; knows nothing of templates."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from flows.expressions.budget import DEFAULT_LIMITS, TextWriter
from flows.expressions.errors import BudgetExceeded, ExpressionError
from flows.expressions.java_text import date_text, iso_datetime_text, iso_time_text, scalar_text
from flows.expressions.taint import SecretStr, Tainted, pieces
from flows.expressions.values import Float32

MAX_DEPTH = 64


def to_json(value: object, pretty: bool = False) -> str:
    """Compact, or with Jackson's default pretty printer; secret parts stay marked."""
    writer = TextWriter(DEFAULT_LIMITS.output)
    (_pretty if pretty else _compact)(value, writer, 0)
    return writer.text()


def json_scalar(value: object) -> str:
    """The JSON of anything but a map or a list."""
    if isinstance(value, str):
        return encode_basestring(str(value))
    if value is None or isinstance(value, (bool, int)):
        return scalar_text(value)
    if isinstance(value, float):
        text = scalar_text(value)
        return text if math.isfinite(value) else f'"{text}"'
    if isinstance(value, Decimal):
        return scalar_text(value)
    return encode_basestring(iso_text(value))


def iso_text(value: object) -> str:
    """Dates as ISO texts with seconds, other values as Java prints them."""
    if isinstance(value, datetime):
        return iso_datetime_text(value)
    if isinstance(value, date):
        return date_text(value)
    if isinstance(value, time):
        return iso_time_text(value)
    return scalar_text(value)


def key_text(key: object) -> str:
    if isinstance(key, str):
        return key
    text = "" if key is None else iso_text(key)
    return SecretStr(text) if isinstance(key, Tainted) else text


def _compact(value: object, writer: TextWriter, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply for JSON")
    if isinstance(value, Mapping):
        writer.add("{")
        separator = ""
        for key in value:
            writer.add(separator)
            _scalar(key_text(key), writer)
            writer.add(":")
            _compact(value[key], writer, depth + 1)
            separator = ","
        writer.add("}")
    elif isinstance(value, (list, tuple)):
        writer.add("[")
        for number, item in enumerate(value):
            if number:
                writer.add(",")
            _compact(item, writer, depth + 1)
        writer.add("]")
    else:
        _scalar(value, writer)


def _pretty(value: object, writer: TextWriter, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply for JSON")
    if isinstance(value, Mapping):
        writer.add("{")
        separator, inner = "\n", "  " * (depth + 1)
        for key in value:
            writer.add(separator + inner)
            _scalar(key_text(key), writer)
            writer.add(" : ")
            _pretty(value[key], writer, depth + 1)
            separator = ",\n"
        writer.add(" }" if separator == "\n" else "\n" + "  " * depth + "}")
    elif isinstance(value, (list, tuple)):
        writer.add("[ ")
        for number, item in enumerate(value):
            writer.add(", " if number else "")
            _pretty(item, writer, depth)
        writer.add(" ]" if value else "]")
    else:
        _scalar(value, writer)


def _scalar(value: object, writer: TextWriter) -> None:
    if not isinstance(value, SecretStr):
        writer.add(json_scalar(value), value)
        return
    writer.add('"')
    for part in pieces(value):
        writer.add(encode_basestring(str(part))[1:-1], part)
    writer.add('"')


def parse_json(text: str) -> Any:
    """The value of a JSON text; raises ExpressionError with the place."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise ExpressionError(f"Unable to read the JSON text: {reason}") from None
    except RecursionError:
        raise BudgetExceeded("The JSON text is nested too deeply") from None
    except ValueError as error:
        raise ExpressionError(f"Unable to read the JSON text: {error}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parse_int(digits: str) -> int:
    if len(digits) > 1000:
        raise ValueError("the number is too long")
    return int(digits)


def to_plain(value: object, depth: int = 0, done: dict[int, Any] | None = None) -> Any:
    """The value as its JSON would be read back: dates are texts; 32-bit numbers keep their width.

    What stands in it several times is converted once (`done`): a value may be larger than memory when written out."""
    if value is None or isinstance(value, (str, bool, int, Float32, float, Decimal)):
        return value
    if not isinstance(value, (Mapping, list, tuple)):
        return iso_text(value)
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply")
    done = {} if done is None else done
    if id(value) not in done:
        if isinstance(value, Mapping):
            done[id(value)] = {key_text(key): to_plain(value[key], depth + 1, done) for key in value}
        else:
            done[id(value)] = [to_plain(item, depth + 1, done) for item in value]
    return done[id(value)]


def check_written(value: object, most: int) -> None:
    """Raises BudgetExceeded when the value has more items than that, or text than that, as it would be written."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        most -= len(item) // 8 + 1 if isinstance(item, str) else 1
        if most < 0:
            raise BudgetExceeded("The value is too large")
        if isinstance(item, Mapping):
            waiting.extend(item)
            waiting.extend(item[key] for key in item)
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
