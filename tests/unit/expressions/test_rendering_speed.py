"""How fast templates are compiled and rendered (`make bench`). Minimum of several rounds: others may use the machine."""

import timeit
from collections.abc import Callable

import pytest

from flows.expressions import compile as compiling
from flows.expressions.parser import parse
from flows.expressions.render import DictScope, render, render_typed

from .services import Answers

pytestmark = pytest.mark.benchmark
TEMPLATE = "Hello {{ inputs.name }}, order {{ outputs.order.value }}"
VARIABLES = {"inputs": {"name": "Ada"}, "outputs": {"order": {"value": 42}}}


def microseconds(call: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6


def test_a_short_template_with_two_variables_renders_in_five_microseconds() -> None:
    scope, services = DictScope(VARIABLES), Answers()
    assert render(TEMPLATE, scope, services) == "Hello Ada, order 42"
    each = microseconds(lambda: render(TEMPLATE, scope, services), 5000)
    print(f"\nrendered from the cache: {each:.2f} µs")
    assert each <= 5


def test_a_typed_expression_renders_in_five_microseconds() -> None:
    scope, services = DictScope(VARIABLES), Answers()
    each = microseconds(lambda: render_typed("{{ outputs.order.value }}", scope, services), 5000)
    print(f"\ntyped from the cache: {each:.2f} µs")
    assert each <= 5


def test_a_template_compiles_in_two_hundred_microseconds() -> None:
    templates = iter(f"{TEMPLATE} {number}" for number in range(100_000))
    each = microseconds(lambda: compiling.compile_template(next(templates)), 200)
    print(f"\nparsed and compiled: {each:.1f} µs (parsing alone {microseconds(lambda: parse(TEMPLATE), 200):.1f} µs)")
    assert each <= 200
