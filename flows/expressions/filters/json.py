"""Filters that write a value in a format: JSON, YAML, Ion; and `className`, `jq`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from flows.expressions.filters.jq import jq_run
from flows.expressions.frame import Frame
from flows.expressions.ion import to_ion
from flows.expressions.json_text import parse_json, to_json, to_plain
from flows.expressions.operations import Operation, operation
from flows.expressions.output import text_of
from flows.expressions.values import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, Float32, Instant, JavaDate
from flows.expressions.yaml_text import to_yaml


def json(frame: Frame, value: object) -> object:
    return to_json(value)


def yaml(frame: Frame, value: object) -> object:
    return to_yaml(value)


def ion(frame: Frame, value: object) -> object:
    return to_ion(value)


def jq(frame: Frame, value: object, expression: object) -> object:
    """A list of what the program gives; a text is read as JSON first."""
    document = parse_json(value) if isinstance(value, str) else to_plain(value)
    return jq_run(frame, text_of(expression), document)


_CLASSES: list[tuple[type, str]] = [
    (bool, "java.lang.Boolean"),
    (str, "java.lang.String"),
    (Float32, "java.lang.Float"),
    (float, "java.lang.Double"),
    (Decimal, "java.math.BigDecimal"),
    (Mapping, "java.util.LinkedHashMap"),
    (list, "java.util.ArrayList"),
    (JavaDate, "java.util.Date"),
    (Instant, "java.time.Instant"),
    (datetime, "java.time.ZonedDateTime"),
    (date, "java.time.LocalDate"),
    (time, "java.time.LocalTime"),
    (timedelta, "java.time.Duration"),
]


def class_name(frame: Frame, value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if INT_MIN <= value <= INT_MAX:
            return "java.lang.Integer"
        return "java.lang.Long" if LONG_MIN <= value <= LONG_MAX else "java.math.BigInteger"
    return next((name for kind, name in _CLASSES if isinstance(value, kind)), "java.lang.Object")


FORMATS: dict[str, Operation] = {
    "className": operation(class_name),
    "jq": operation(jq, takes_null=True),
    "json": operation(json, takes_null=True),
    "toIon": operation(ion, takes_null=True),
    "toJson": operation(json, takes_null=True),
    "toYaml": operation(yaml, takes_null=True),
    "yaml": operation(yaml, takes_null=True),
}
