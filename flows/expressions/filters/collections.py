"""Filters on lists and maps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cmp_to_key

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.java_text import java_string
from flows.expressions.operations import Operation, operation
from flows.expressions.operators import compare
from flows.expressions.output import text_of
from flows.expressions.taint import join as join_parts
from flows.expressions.values import LazyMap, equals, is_empty


def default(frame: Frame, value: object, default: object) -> object:
    return default if is_empty(value) else value


def first(frame: Frame, value: object) -> object:
    if isinstance(value, str):
        return value[:1]
    items = _items(value, "first")
    return items[0] if items else None


def last(frame: Frame, value: object) -> object:
    if isinstance(value, str):
        return value[-1:]
    items = _items(value, "last")
    return items[-1] if items else None


def length(frame: Frame, value: object) -> object:
    return len(value) if isinstance(value, (str, list, tuple, Mapping)) else 0


def join(frame: Frame, value: object, separator: object = "") -> object:
    if not isinstance(value, (list, tuple)):
        return value
    glue = text_of(separator)
    parts: list[str] = []
    for number, item in enumerate(value):
        if number and glue:
            parts.append(glue)
        parts.append(item if isinstance(item, str) else java_string(item))
        frame.budget.grow(len(parts[-1]) + len(glue))
    frame.budget.check_text(sum(map(len, parts)))
    return join_parts(parts)


def keys(frame: Frame, value: object) -> object:
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, (list, tuple)):
        return list(range(len(value)))
    raise ExpressionError("'keys' filter can only be applied to a List, Map, Array.")


def values(frame: Frame, value: object) -> object:
    if isinstance(value, Mapping):
        return [value[key] for key in value]
    if isinstance(value, (list, tuple)):
        return list(value)
    raise ExpressionError("'values' filter can only be applied to a List, Map, Array.")


def merge(frame: Frame, value: object, items: object) -> object:
    if isinstance(value, Mapping):
        frame.budget.check_items(len(value))
        if isinstance(items, Mapping):
            return {**_settled(value), **_settled(items)}
        if isinstance(items, (list, tuple)):
            return {**_settled(value), **{_key(item): item for item in items}}
    if isinstance(value, (list, tuple)):
        added = list(items) if isinstance(items, (list, tuple, Mapping)) else None
        if added is not None:
            frame.budget.check_items(len(value) + len(added))
            return [*value, *added]
    raise ExpressionError("The 'merge' filter expects two maps or two lists.")


def _settled(value: Mapping[object, object]) -> dict[object, object]:
    return {key: value[key] for key in value} if isinstance(value, LazyMap) else dict(value)


def _key(item: object) -> object:
    return java_string(item) if isinstance(item, (dict, list)) else item


def reverse(frame: Frame, value: object) -> object:
    if isinstance(value, str):
        return value[::-1]
    return _items(value, "reverse")[::-1]


def sort(frame: Frame, value: object) -> object:
    return _sorted(frame, _items(value, "sort"))


def rsort(frame: Frame, value: object) -> object:
    return _sorted(frame, _items(value, "rsort"))[::-1]


def _sorted(frame: Frame, items: list[object]) -> list[object]:
    frame.budget.check_items(len(items))
    spent = 0

    def order(left: object, right: object) -> int:
        nonlocal spent
        spent += 1
        if spent % 1000 == 0:
            frame.budget.spend()
        return compare(left, right)

    return sorted(items, key=cmp_to_key(order))


def slice_(frame: Frame, value: object, from_index: object = 0, to_index: object = None) -> object:
    items = value if isinstance(value, str) else _items(value, "slice")
    start = _index(from_index, "fromIndex")
    end = len(items) if to_index is None else _index(to_index, "toIndex")
    if end > len(items):
        end = len(items)
    if start > end:
        raise ExpressionError("fromIndex must be less than or equal to toIndex")
    return items[start:end]


def chunk(frame: Frame, value: object, size: object) -> object:
    if not isinstance(value, (list, tuple)):
        raise ExpressionError("'chunk' filter can only be applied to List.")
    width = _index(size, "size")
    if width == 0:
        raise ExpressionError("The argument 'size' must be greater than zero")
    frame.budget.check_items(len(value))
    return [list(value[start : start + width]) for start in range(0, len(value), width)]


def flatten(frame: Frame, value: object) -> object:
    """One level."""
    flat: list[object] = []
    for item in _items(value, "flatten"):
        if isinstance(item, (list, tuple)):
            frame.budget.check_items(len(item))
            flat.extend(item)
        else:
            flat.append(item)
    return flat


def distinct(frame: Frame, value: object) -> object:
    items = _items(value, "distinct")
    seen: set[object] = set()
    rest: list[object] = []
    kept: list[object] = []
    for item in items:
        if isinstance(item, (str, int, float)) or item is None:
            mark = (
                isinstance(item, bool),
                isinstance(item, str),
                str(item) if isinstance(item, str) else item,
            )
            if mark in seen:
                continue
            seen.add(mark)
        else:
            if any(equals(item, each, frame.budget.spend) for each in rest):
                continue
            rest.append(item)
        kept.append(item)
    return kept


def _items(value: object, name: str) -> list[object]:
    if isinstance(value, (list, tuple)):
        return list(value)
    raise ExpressionError(f"'{name}' filter can only be applied to a List.")


def _index(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise ExpressionError(f"{name} must be an integer that is not negative")


COLLECTIONS: dict[str, Operation] = {
    "chunk": operation(chunk),
    "default": operation(default, takes_null=True),
    "distinct": operation(distinct),
    "first": operation(first),
    "flatten": operation(flatten),
    "join": operation(join),
    "keys": operation(keys),
    "last": operation(last),
    "length": operation(length, takes_null=True),
    "merge": operation(merge),
    "reverse": operation(reverse),
    "rsort": operation(rsort),
    "slice": operation(slice_),
    "sort": operation(sort),
    "values": operation(values),
}
