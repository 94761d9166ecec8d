"""The tests behind `is`: defined, empty, even, odd, null, iterable, map, json, equalTo."""

from __future__ import annotations

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.json_text import parse_json
from flows.expressions.operations import Operation, operation
from flows.expressions.operators import equal
from flows.expressions.values import is_empty, is_list, is_map


def defined(frame: Frame, value: object) -> bool:
    return value is not None


def empty(frame: Frame, value: object) -> bool:
    return is_empty(value)


def null(frame: Frame, value: object) -> bool:
    return value is None


def even(frame: Frame, value: object) -> bool:
    return _integer(value, "even") % 2 == 0


def odd(frame: Frame, value: object) -> bool:
    return _integer(value, "odd") % 2 == 1


def iterable(frame: Frame, value: object) -> bool:
    return is_list(value)


def map_(frame: Frame, value: object) -> bool:
    return is_map(value)


def json(frame: Frame, value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse_json(value)
    except ExpressionError:
        return False
    return True


def equal_to(frame: Frame, value: object, other: object) -> bool:
    return equal(frame, value, other)


def _integer(value: object, test: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ExpressionError(f"Can not pass null or non-integer value to the '{test}' test.")


TESTS: dict[str, Operation] = {
    "defined": operation(defined, takes_null=True),
    "empty": operation(empty, takes_null=True),
    "null": operation(null, takes_null=True),
    "even": operation(even, takes_null=True),
    "odd": operation(odd, takes_null=True),
    "iterable": operation(iterable, takes_null=True),
    "map": operation(map_, takes_null=True),
    "json": operation(json, takes_null=True),
    "equalTo": operation(equal_to, takes_null=True),
    "equalsTo": operation(equal_to, takes_null=True),
}
