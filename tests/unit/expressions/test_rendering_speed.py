"""How fast templates are compiled and rendered; `make bench BENCH="--only n"` prints the figures."""

import pytest

from tests.benchmarks import rendering

pytestmark = pytest.mark.benchmark


def test_a_short_template_with_two_variables_renders_in_five_microseconds() -> None:
    assert rendering.rendered() <= 5


def test_a_typed_expression_renders_in_five_microseconds() -> None:
    assert rendering.typed() <= 5


def test_a_template_compiles_in_two_hundred_microseconds() -> None:
    assert rendering.compiled() <= 200
