"""One value against one typed input: conversion and limits, with Kestra's texts. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import orjson
import regex

from flows.definition.durations import format_duration, parse_duration
from flows.definition.input_types import (
    ArrayInput,
    DurationInput,
    EnumInput,
    FileInput,
    FloatInput,
    Input,
    IntInput,
    MomentInput,
    MultiselectInput,
    SelectInput,
    StringInput,
)
from flows.definition.yaml_guard import YamlRefused, read_document
from flows.expressions.taint import is_tainted, mask, reveal, spread

Json = Any
RenderHere = Callable[[Any], Json]

_REGEX_SECONDS = 0.25
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S*[^\s:/]\S*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class Refused(Exception):
    """Why a value does not fit, without the value."""


def text_of(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        try:
            return orjson.dumps(value, default=str).decode()
        except TypeError:  # numbers beyond 64 bits, lone surrogates
            return json.dumps(value, default=str)
    return str(value)


def read(one: Input, value: Json, render: RenderHere) -> Json:
    """The converted value. Raises Refused."""
    converted = _convert(one.type, value, one)
    for kind, check in _CHECKS:
        if isinstance(one, kind):
            check(one, converted, render)
    return converted


def convert(type_name: str, value: Json) -> Json:
    """As an input of this type would read it (flow outputs, items of an array). Raises Refused."""
    return _convert(type_name, value, None)


def _convert(type_name: str, value: Json, one: Input | None) -> Json:
    try:
        if is_tainted(value):  # what is read from a secret is one
            return spread(_READERS[type_name](reveal(value), one))
        return _READERS[type_name](value, one)
    except (ValueError, TypeError, OverflowError, RecursionError, YamlRefused):
        raise Refused(f"Expected `{type_name}` but received `{text_of(mask(value))}`") from None


# --- conversion by type: ValueError means "not of this type"


def _text(value: Json, one: Input | None) -> str:
    return text_of(value)


def _int(value: Json, one: Input | None) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError
        return value
    text = text_of(value).strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError
    return _int(int(text), one)


def _float(value: Json, one: Input | None) -> float:
    if isinstance(value, bool):
        raise ValueError
    number = float(value if isinstance(value, int | float) else text_of(value).strip().replace("_", "x"))
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _boolean(value: Json, one: Input | None) -> bool:
    """Anything but true is false (trap 32)."""
    return value if isinstance(value, bool) else text_of(value).strip().lower() == "true"


def _datetime(value: Json, one: Input | None) -> str:
    return instant_text(_instant(value))


def _instant(value: Json) -> datetime:
    text = text_of(value).strip()
    if "T" not in text.upper() or len(text) > 64:
        raise ValueError
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def instant_text(moment: datetime) -> str:
    """As Java's Instant.toString: a fraction only where there is one, in groups of three digits."""
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    if fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + "Z"


def _date(value: Json, one: Input | None) -> str:
    text = text_of(value).strip()
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError
    return date.fromisoformat(text).isoformat()


def _time(value: Json, one: Input | None) -> str:
    text = text_of(value).strip()
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None or not re.match(r"\d\d:\d\d", text):
        raise ValueError
    return moment.isoformat()


def _duration(value: Json, one: Input | None) -> str:
    return format_duration(parse_duration(value))


def _json(value: Json, one: Input | None) -> Json:
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _yaml(value: Json, one: Input | None) -> Json:
    return read_document(value).value if isinstance(value, str) else value


def _uri(value: Json, one: Input | None) -> str:
    text = text_of(value)
    if not _URI.fullmatch(text):
        raise ValueError
    return text


def _file(value: Json, one: Input | None) -> str:
    text = text_of(value)
    if not text.startswith(("kestra://", "nsfile://", "file://")):
        raise ValueError
    return text


def _email(value: Json, one: Input | None) -> str:
    text = text_of(value)
    if text and (len(text) > 320 or not _EMAIL.fullmatch(text)):
        raise Refused("The input must be a valid email")
    return text


def _list(value: Json) -> list[Json]:
    items = orjson.loads(value) if isinstance(value, str) else value
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise ValueError
    return list(items)


def _array(value: Json, one: Input | None) -> list[Json]:
    kind = one.item_type if isinstance(one, ArrayInput | MultiselectInput) else None
    items = _list(value)
    if kind is None:
        return items
    read_items = []
    for item in items:
        try:
            read_items.append(convert(kind, item))
        except Refused:
            raise Refused(f"Unable to parse array element as `{kind}` on `{text_of(item)}`") from None
    return read_items


def _object(value: Json, one: Input | None) -> Json:
    read_value = _json(value, one)
    if not isinstance(read_value, Mapping):
        raise ValueError
    return read_value


_READERS: dict[str, Callable[[Json, Input | None], Json]] = {
    "STRING": _text,
    "SECRET": _text,
    "SELECT": _text,
    "ENUM": _text,
    "INT": _int,
    "FLOAT": _float,
    "BOOLEAN": _boolean,
    "BOOL": _boolean,
    "DATETIME": _datetime,
    "DATE": _date,
    "TIME": _time,
    "DURATION": _duration,
    "FILE": _file,
    "JSON": _json,
    "ION": _json,
    "OBJECT": _object,
    "URI": _uri,
    "ARRAY": _array,
    "MULTISELECT": _array,
    "YAML": _yaml,
    "EMAIL": _email,
}


# --- limits


def _check_pattern(one: StringInput, value: str, render: RenderHere) -> None:
    if one.validator is None:
        return
    try:
        fits = regex.fullmatch(one.validator, value, timeout=_REGEX_SECONDS) is not None
    except TimeoutError:
        raise Refused(f"the pattern `{one.validator}` takes too long") from None
    if not fits:
        raise Refused(f"it must match the pattern `{one.validator}`")


def _check_number(one: IntInput | FloatInput, value: float, render: RenderHere) -> None:
    if one.min is not None and value < one.min:
        raise Refused(f"it must be more than `{one.min}`")
    if one.max is not None and value > one.max:
        raise Refused(f"it must be less than `{one.max}`")


def _check_duration(one: DurationInput, value: str, render: RenderHere) -> None:
    length = parse_duration(value)
    if one.min is not None and length < one.min:
        raise Refused(f"It must be more than `{format_duration(one.min)}`")
    if one.max is not None and length > one.max:
        raise Refused(f"It must be less than `{format_duration(one.max)}`")


def _check_moment(one: MomentInput, value: str, render: RenderHere) -> None:
    order: dict[str, Callable[[str], Any]] = {
        "DATETIME": _instant,
        "DATE": date.fromisoformat,
        "TIME": time.fromisoformat,
    }
    moment_of = order[one.type]
    try:
        after = moment_of(one.after) if one.after is not None else None
        before = moment_of(one.before) if one.before is not None else None
    except ValueError:
        raise Refused("the limits of this input cannot be read") from None
    if after is not None and moment_of(value) < after:
        raise Refused(f"it must be after `{one.after}`")
    if before is not None and moment_of(value) > before:
        raise Refused(f"it must be before `{one.before}`")


def _check_enum(one: EnumInput, value: str, render: RenderHere) -> None:
    # Kestra looks only when the input is required (trap 31).
    if value not in one.values and one.required:
        raise Refused(f"it must match the values `[{', '.join(one.values)}]`")


def _check_select(one: SelectInput, value: str, render: RenderHere) -> None:
    allowed = allowed_values(one, render)
    if value not in allowed and one.required and not one.allow_custom_value:
        raise Refused(f"it must match the values `[{', '.join(allowed)}]`")


def _check_multiselect(one: MultiselectInput, value: list[Json], render: RenderHere) -> None:
    allowed = allowed_values(one, render)
    if not one.allow_custom_value and any(text_of(item) not in allowed for item in value):
        raise Refused(f"it must match the values `[{', '.join(allowed)}]`")


def allowed_values(one: SelectInput | MultiselectInput, render: RenderHere) -> list[str]:
    """What may be chosen, an `expression` rendered. Raises Refused, or what rendering raises."""
    older = one.options if isinstance(one, MultiselectInput) else ()
    if one.expression is None:
        return list(one.values or older)
    try:
        return [text_of(item) for item in _list(render(one.expression))]
    except (ValueError, TypeError):
        raise Refused("its `expression` does not give a list of values") from None


def _check_file(one: FileInput, value: str, render: RenderHere) -> None:
    allowed = one.allowed_file_extensions
    if allowed and not value.lower().endswith(tuple(suffix.lower() for suffix in allowed)):
        raise Refused(f"its file extension must be one of `[{', '.join(allowed)}]`")


_CHECKS: tuple[tuple[Any, Callable[..., None]], ...] = (
    (StringInput, _check_pattern),
    ((IntInput, FloatInput), _check_number),
    (DurationInput, _check_duration),
    (MomentInput, _check_moment),
    (EnumInput, _check_enum),
    (SelectInput, _check_select),
    (MultiselectInput, _check_multiselect),
    (FileInput, _check_file),
)
