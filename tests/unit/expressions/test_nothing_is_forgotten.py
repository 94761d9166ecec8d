"""Each filter, function and test of the language is rendered by some table of these tests."""

import re

from flows.expressions.filters.table import FILTERS
from flows.expressions.functions import FUNCTIONS
from flows.expressions.tests import TESTS

from . import test_dates_and_numbers, test_filters, test_functions, test_values_and_tags

TEMPLATES = "\n".join(
    template
    for module in (test_dates_and_numbers, test_filters, test_functions, test_values_and_tags)
    for template, _ in module.PRINTED
)


def test_every_filter_is_rendered() -> None:
    assert {name for name in FILTERS if not re.search(rf"\| {name}\b", TEMPLATES)} == set()


def test_every_function_is_rendered() -> None:
    assert {name for name in FUNCTIONS if not re.search(rf"\b{name}\(", TEMPLATES)} == set()


def test_every_test_is_rendered() -> None:
    assert {name for name in TESTS if not re.search(rf"\bis (not )?{name}\b", TEMPLATES)} == set()
