"""Properties of tasks rendered to what they mean: texts, lists, dates, durations, switches. Raises TaskFailure naming them."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from flows.definition.durations import parse_duration
from flows.tasks.base import Json, RunContext, TaskFailure

_SIZE = re.compile(r"\s*([0-9]+)\s*([KMGT]?)I?B?\s*", re.IGNORECASE)
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def text(context: RunContext, value: str | None) -> str | None:
    """None stays None; an empty text counts as none."""
    if value is None:
        return None
    return str(context.render(value)) or None


def required(context: RunContext, value: str, name: str) -> str:
    rendered = str(context.render(value))
    if not rendered.strip():
        raise TaskFailure(f"The property `{name}` is empty")
    return rendered


def texts(context: RunContext, value: Any, name: str) -> list[str]:
    """A list, a text that holds one as JSON, or one text; nothing for None."""
    rendered = context.render_typed(value) if isinstance(value, str) else context.render(value)
    if isinstance(rendered, str):
        stripped = rendered.strip()
        rendered = json_of(stripped, name) if stripped.startswith("[") else [rendered] if stripped else []
    if rendered is None:
        return []
    if not isinstance(rendered, list | tuple):
        raise TaskFailure(f"The property `{name}` must be a list of texts")
    return ["" if item is None else item if isinstance(item, str) else str(item) for item in rendered]


def mapping(context: RunContext, value: Any, name: str) -> dict[str, Json]:
    """A map, or a text that holds one as JSON."""
    rendered = context.render_typed(value) if isinstance(value, str) else context.render(value)
    if isinstance(rendered, str):
        rendered = json_of(rendered, name)
    if rendered is None:
        return {}
    if not isinstance(rendered, Mapping):
        raise TaskFailure(f"The property `{name}` must be a map")
    return {str(key): item for key, item in rendered.items()}


def json_of(content: str, name: str) -> Json:
    try:
        return orjson.loads(str(content))
    except orjson.JSONDecodeError as error:
        raise TaskFailure(f"The property `{name}` is not valid JSON: {error}") from None


def switch(context: RunContext, value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    rendered = str(context.render(str(value))).strip().lower()
    if rendered not in ("true", "false"):
        raise TaskFailure(f"The property `{name}` must be true or false, not {rendered[:40]!r}")
    return rendered == "true"


def number(context: RunContext, value: Any, name: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    rendered = str(context.render(str(value))).strip()
    try:
        return int(rendered)
    except ValueError:
        raise TaskFailure(f"The property `{name}` must be a whole number, not {rendered[:40]!r}") from None


def moment(context: RunContext, value: str | None, name: str) -> datetime | None:
    """A date with its zone, as `{{ now() }}` prints it."""
    rendered = text(context, value)
    if rendered is None:
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"\[.*]$", "", rendered.strip()))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise TaskFailure(f"The property `{name}` must be a date with a time zone, not {rendered[:60]!r}")
    return found


def duration(context: RunContext, value: str | None, name: str) -> timedelta | None:
    rendered = text(context, value)
    if rendered is None:
        return None
    try:
        return parse_duration(rendered)
    except ValueError as error:
        raise TaskFailure(f"The property `{name}` is not a duration: {error}") from None


def byte_size(content: str, name: str) -> int:
    """`10MB`, with units of 1024 as Kestra reads them."""
    match = _SIZE.fullmatch(content)
    if match is None:
        raise TaskFailure(f"The property `{name}` must be a size such as 10MB, not {content[:40]!r}")
    return int(match[1]) << (10 * _UNITS[match[2].upper()])


def one_of(content: str, choices: tuple[str, ...], name: str) -> str:
    found = content.strip().upper()
    if found not in choices:
        raise TaskFailure(f"The property `{name}` must be one of {', '.join(choices)}, not {content[:40]!r}")
    return found
