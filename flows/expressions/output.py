"""A value as the text of a rendering: null is nothing, maps and lists are JSON, the rest is Java's text."""

from __future__ import annotations

from collections.abc import Mapping

from flows.expressions import taint
from flows.expressions.frame import Frame
from flows.expressions.java_text import java_string
from flows.expressions.json_text import to_json
from flows.expressions.values import FALSE_TEXTS, LazyMap


def text_of(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, tuple)):
        return to_json(value)
    return java_string(value)


def is_truthy(value: object) -> bool:
    """Kestra's TruthUtils: of the rendered text only "", "0", "-0" and "false" are false."""
    return text_of(value) not in FALSE_TEXTS


def finish(frame: Frame, parts: list[str]) -> str:
    """The parts as one text, within the limit, secret where they are."""
    if len(parts) == 1:
        size = len(parts[0])
    else:
        size = sum(map(len, parts))
    if size > frame.budget.limits.output:
        frame.budget.check_text(size)
    if taint.has_tainted(parts):
        return taint.join(parts)
    return "".join(parts)


def settled(value: object, depth: int = 0) -> object:
    """The value without lazy maps in it."""
    if depth < 64 and isinstance(value, (dict, LazyMap)):
        if isinstance(value, LazyMap) or any(isinstance(item, (dict, list, LazyMap)) for item in value.values()):
            return {key: settled(value[key], depth + 1) for key in value}
        return value
    if depth < 64 and isinstance(value, list):
        return [settled(item, depth + 1) for item in value]
    return value
