"""What a template costs: rendered from the cache, and compiled. In this process, without the product."""

import timeit
from collections.abc import Callable
from typing import TYPE_CHECKING

from flows.expressions import compile as compiling
from flows.expressions.parser import parse
from flows.expressions.render import DictScope, render, render_typed
from tests.unit.expressions.services import Answers

if TYPE_CHECKING:
    from tests.benchmarks.scenarios import Bench, Table

TEMPLATE = "Hello {{ inputs.name }}, order {{ outputs.order.value }}"
TYPED = "{{ outputs.order.value }}"
VARIABLES = {"inputs": {"name": "Ada"}, "outputs": {"order": {"value": 42}}}


def measured(bench: "Bench") -> list["Table"]:
    rows = [
        {"what": "two variables in a text, from the cache", "microseconds": round(rendered(), 2), "target": 5},
        {"what": "one variable with its type, from the cache", "microseconds": round(typed(), 2), "target": 5},
        {"what": "the first parsed and compiled", "microseconds": round(compiled(), 1), "target": 200},
        {"what": "of which parsed", "microseconds": round(parsed(), 1)},
    ]
    return [("n. a short template (µs, minimum of seven rounds)", rows)]


def rendered() -> float:
    scope, services = DictScope(VARIABLES), Answers()
    assert render(TEMPLATE, scope, services) == "Hello Ada, order 42"
    return _microseconds(lambda: render(TEMPLATE, scope, services), 5000)


def typed() -> float:
    scope, services = DictScope(VARIABLES), Answers()
    assert render_typed(TYPED, scope, services) == 42
    return _microseconds(lambda: render_typed(TYPED, scope, services), 5000)


def compiled() -> float:
    templates = iter(f"{TEMPLATE} {number}" for number in range(100_000))
    return _microseconds(lambda: compiling.compile_template(next(templates)), 200)


def parsed() -> float:
    return _microseconds(lambda: parse(TEMPLATE), 200)


def _microseconds(call: Callable[[], object], number: int) -> float:
    """The minimum: others may use the machine."""
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6
