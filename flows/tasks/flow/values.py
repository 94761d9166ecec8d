"""The values that a loop goes through, as texts: what Kestra accepts, and how it says what it does not. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from flows.expressions.render import UNDEFINED
from flows.expressions.taint import is_tainted

Json = Any


def loop_values(given: Json, render: Callable[[Any], Any]) -> list[str]:
    """A JSON text, a list or a map (its entries), rendered; duplicates are dropped. Raises ValueError."""
    values = render(given)
    if is_tainted(values):
        raise ValueError("Each values must not come from a secret: they are stored and shown with every task run")
    if isinstance(values, str):
        values = _parsed(values)
    if isinstance(values, Mapping):
        values = [{"key": key, "value": value} for key, value in values.items()]
    if not isinstance(values, list | tuple):
        raise ValueError(f"Each values must be a list, not `{text_of(values)[:200]}`")
    nulls = sum(value is None or value is UNDEFINED for value in values)
    if nulls:
        raise ValueError(f"Found '{nulls}' null values on Each, with values={_java(list(values))}")
    return list(dict.fromkeys(text_of(value) for value in values))


def _parsed(text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"Each values are not a JSON array: {error}: {text[:200]}") from None


def text_of(value: Json) -> str:
    """A value of a loop as its task runs have it."""
    if isinstance(value, str):
        return str(value)
    return orjson.dumps(value, default=str).decode()


def _java(value: Json) -> str:
    """As Java prints collections."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    if value is None or value is UNDEFINED:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
