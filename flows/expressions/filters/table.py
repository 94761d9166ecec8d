"""Every filter by its name in templates."""

from __future__ import annotations

from flows.expressions.filters.collections import COLLECTIONS
from flows.expressions.filters.dates import DATES
from flows.expressions.filters.json import FORMATS
from flows.expressions.filters.numbers import NUMBERS
from flows.expressions.filters.strings import STRINGS
from flows.expressions.operations import Operation

FILTERS: dict[str, Operation] = STRINGS | COLLECTIONS | FORMATS | NUMBERS | DATES
