"""Filters on numbers."""

from __future__ import annotations

from decimal import Decimal

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.java_numbers import format_number, parse_number
from flows.expressions.operations import Operation, operation
from flows.expressions.output import text_of


def absolute(frame: Frame, value: object) -> object:
    return abs(_number(value, "abs"))


def number(frame: Frame, value: object, type_: object = None) -> object:
    return parse_number(text_of(value), None if type_ is None else text_of(type_))


def number_format(frame: Frame, value: object, format_: object, locale: object = None) -> object:
    subject = parse_number(value) if isinstance(value, str) else _number(value, "numberFormat")
    return format_number(subject, text_of(format_), None if locale is None else text_of(locale))


def _number(value: object, name: str) -> int | float | Decimal:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    raise ExpressionError(f"The '{name}' filter can only be applied to a number.")


NUMBERS: dict[str, Operation] = {
    "abs": operation(absolute),
    "number": operation(number),
    "numberFormat": operation(number_format),
}
