"""Pebble's operators on plain values: arithmetic as in Java, comparison, containment, ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, DecimalException

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.java_text import java_string
from flows.expressions.taint import Tainted, join, spread
from flows.expressions.values import (
    LONG_MAX,
    LONG_MIN,
    UNDEFINED,
    Float32,
    attribute,
    equals,
    is_list,
    is_map,
    is_number,
    is_true,
)

Number = int | float | Decimal
MAX_BITS = 4096
FLOAT_MAX = 3.4e38


def concat(frame: Frame, values: list[object]) -> str:
    """`~`: null is nothing."""
    parts = [part if isinstance(part, str) else "" if part is None else java_string(part) for part in values]
    frame.budget.check_text(sum(map(len, parts)))
    return join(parts)


def add(frame: Frame, left: object, right: object) -> object:
    if isinstance(left, str) or isinstance(right, str):
        return concat(frame, [java_string(left), java_string(right)])
    if isinstance(left, (list, tuple)):
        added = list(right) if isinstance(right, (list, tuple)) else [right]
        frame.budget.check_items(len(left) + len(added))
        return [*left, *added]
    if isinstance(left, dict) and isinstance(right, dict):
        frame.budget.check_items(len(left) + len(right))
        return {**left, **right}
    return arithmetic(left, right, "+", lambda a, b: a + b)


def subtract(frame: Frame, left: object, right: object) -> object:
    if isinstance(left, (list, tuple)):
        removed = list(right) if isinstance(right, (list, tuple)) else [right]
        return [item for item in left if not contains(frame, removed, item)]
    return arithmetic(left, right, "-", lambda a, b: a - b)


def multiply(frame: Frame, left: object, right: object) -> object:
    return arithmetic(left, right, "*", lambda a, b: a * b)


def divide(frame: Frame, left: object, right: object) -> object:
    return arithmetic(left, right, "/", _quotient)


def modulo(frame: Frame, left: object, right: object) -> object:
    return arithmetic(left, right, "%", _remainder)


def arithmetic(left: object, right: object, sign: str, compute: Callable[..., Number]) -> object:
    """Java's widening: BigDecimal, else double, else integer (64 bits unless an operand is larger)."""
    if not is_number(left) or not is_number(right):
        raise ExpressionError(f'Invalid operands for the operator "{sign}": both sides must be numbers')
    secret = isinstance(left, Tainted) or isinstance(right, Tainted)
    a, b = _widen(left, right)
    try:
        result = compute(a, b)
    except (DecimalException, OverflowError):
        raise ExpressionError(f'The result of "{sign}" is out of range') from None
    if isinstance(result, int):
        _check_integer(result, a, b)
    elif isinstance(result, float) and isinstance(left, Float32) and isinstance(right, (Float32, int)):
        result = Float32(result) if abs(result) < FLOAT_MAX else result
    return spread(result) if secret else result


def _widen(left: object, right: object) -> tuple[Number, Number]:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _decimal(left), _decimal(right)
    if isinstance(left, float) or isinstance(right, float):
        try:
            return float(left), float(right)  # type: ignore[arg-type]
        except OverflowError:
            raise ExpressionError("The number is out of range") from None
    return int(left), int(right)  # type: ignore[call-overload]


def _decimal(value: object) -> Decimal:
    return Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)  # type: ignore[arg-type]


def _check_integer(result: int, left: Number, right: Number) -> None:
    fits = all(LONG_MIN <= operand <= LONG_MAX for operand in (left, right))
    if (fits and not LONG_MIN <= result <= LONG_MAX) or result.bit_length() > MAX_BITS:
        raise ExpressionError("The number is out of range")


def _quotient(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        if right == 0:
            raise ExpressionError("/ by zero")
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    if isinstance(left, float) and isinstance(right, float):
        if right == 0:
            return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
        return left / right
    if right == 0:
        raise ExpressionError("Division by zero")
    return Decimal(left) / Decimal(right)


def _remainder(left: Number, right: Number) -> Number:
    if right == 0 and not isinstance(left, float):
        raise ExpressionError("/ by zero")
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if isinstance(left, float) and isinstance(right, float):
        return math.fmod(left, right) if right and math.isfinite(left) else math.nan
    return Decimal(left) % Decimal(right)


def negate(frame: Frame, value: object) -> object:
    return arithmetic(0, value, "-", lambda a, b: -b)


def plus(frame: Frame, value: object) -> object:
    return arithmetic(0, value, "+", lambda a, b: b)


def invert(frame: Frame, value: object) -> bool:
    return not is_true(value)


# Comparison


def equal(frame: Frame, left: object, right: object) -> bool:
    return equals(left, right, frame.budget.spend)


def not_equal(frame: Frame, left: object, right: object) -> bool:
    return not equals(left, right, frame.budget.spend)


def compare(left: object, right: object) -> int:
    """Below, at or above zero; null is not comparable."""
    if is_number(left) and is_number(right):
        a, b = _widen(left, right)
        return (a > b) - (a < b)
    if isinstance(left, str) and isinstance(right, str):
        return (str(left) > str(right)) - (str(left) < str(right))
    if isinstance(left, datetime) and isinstance(right, datetime):
        if (left.tzinfo is None) != (right.tzinfo is None):
            raise ExpressionError("A date with a zone cannot be compared with one without")
        return (left > right) - (left < right)
    if type(left) is type(right) and isinstance(left, (date, time, timedelta, bool)):
        return (left > right) - (left < right)  # type: ignore[operator]
    raise ExpressionError("The values cannot be compared: both must be numbers, texts or dates")


def less(frame: Frame, left: object, right: object) -> bool:
    return left is not None and right is not None and compare(left, right) < 0


def less_or_equal(frame: Frame, left: object, right: object) -> bool:
    return left is not None and right is not None and compare(left, right) <= 0


def greater(frame: Frame, left: object, right: object) -> bool:
    return left is not None and right is not None and compare(left, right) > 0


def greater_or_equal(frame: Frame, left: object, right: object) -> bool:
    return left is not None and right is not None and compare(left, right) >= 0


def contains(frame: Frame, left: object, right: object) -> bool:
    """`left contains right`: an item of a list, a key of a map, a part of a text; all of them for a list."""
    if left is None:
        return False
    if isinstance(left, str):
        return java_string(right) in left
    if is_list(left):
        wanted = right if isinstance(right, (list, tuple)) else [right]
        return all(_has_item(frame, left, item) for item in wanted)
    if is_map(left):
        wanted = right if isinstance(right, (list, tuple)) else [right]
        return all(_is_key(left, key) for key in wanted)
    raise ExpressionError("Contains operator can only be used on Collections, Maps and Strings")


def _has_item(frame: Frame, items: object, item: object) -> bool:
    return any(equals(each, item, frame.budget.spend) for each in items)  # type: ignore[attr-defined]


def _is_key(mapping: object, key: object) -> bool:
    from_map = attribute(mapping, key)
    return from_map is not UNDEFINED


def is_in(frame: Frame, left: object, right: object) -> bool:
    return contains(frame, right, [left] if isinstance(right, (list, tuple)) else left)


def make_range(frame: Frame, left: object, right: object, step: object = 1) -> list[object]:
    """`1..5` and `'a'..'e'`, both ends included."""
    if isinstance(left, str) and isinstance(right, str) and len(left) == 1 and len(right) == 1:
        return [chr(code) for code in _counted(frame, ord(left), ord(right), step)]
    if not is_number(left) or not is_number(right) or isinstance(left, float) or isinstance(right, float):
        raise ExpressionError("Range function: from and to must be both integers or both single characters")
    return list(_counted(frame, int(left), int(right), step))  # type: ignore[call-overload]


def _counted(frame: Frame, first: int, last: int, step: object) -> range:
    if not isinstance(step, int) or isinstance(step, bool) or step == 0:
        raise ExpressionError("Range function: the step must be an integer other than zero")
    counted = range(first, last + (1 if step > 0 else -1), step)
    frame.budget.check_items(max(0, (last - first) // step + 1))
    return counted


BINARY: dict[str, Callable[[Frame, object, object], object]] = {
    "+": add, "-": subtract, "*": multiply, "/": divide, "%": modulo,
    "==": equal, "!=": not_equal, "<": less, "<=": less_or_equal, ">": greater, ">=": greater_or_equal,
    "contains": contains, "in": is_in, "..": make_range,
}  # fmt: skip
UNARY: dict[str, Callable[[Frame, object], object]] = {"-": negate, "+": plus, "not": invert}
