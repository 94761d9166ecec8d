"""Outputs that JSON or PostgreSQL cannot hold: replaced, or refused with the reason; a result can always be stored."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from executor.worker.attempt import Attempt
from executor.worker.storable import Unstorable, storable
from tests.integration.worker_support import Desk, desk

CYCLIC: list[Any] = []
CYCLIC.append(CYCLIC)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture(scope="module")
def table(database: str) -> Iterator[Desk]:
    with desk(database) as opened:
        yield opened


@pytest.fixture
def attempt() -> Attempt:
    return Attempt("run", "token", 0, {})


@pytest.mark.parametrize(
    ("value", "kept", "note"),
    [
        ("a\x00b", "a\ufffdb", "NUL"),
        ("a\ud800b", "a\ufffdb", "surrogates"),
        (float("nan"), None, "nan"),
        (float("-inf"), None, "inf"),
        (2**100, 2**100, ""),
        (Decimal("NaN"), None, ""),
        (Decimal("1.50"), 1.5, ""),
        ({1: "number key"}, {"1": "number key"}, ""),
        ({"a\x00": 1}, {"a\ufffd": 1}, ""),
        (b"\xffbytes", "\ufffdbytes", ""),
        ({"x"}, ["x"], ""),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001", ""),
    ],
)
def test_a_value_is_stored_as_near_as_can_be(table: Desk, attempt: Attempt, value: Any, kept: Any, note: str) -> None:
    text = storable({"value": value}, attempt)
    assert text is not None
    stored = table.value("SELECT %s::jsonb::text", text)
    if isinstance(value, dict):
        assert orjson.loads(stored)["value"] == kept
    else:
        assert (stored == f'{{"value": {kept}}}') if kept == 2**100 else orjson.loads(stored)["value"] == kept
    lines = " ".join(line["message"] for line in attempt.drain()[0])
    assert note in lines


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (CYCLIC, "cannot be stored"),
        (deep(5000), "cannot be stored"),
        (object(), "cannot be stored: a value of the type object is no JSON"),
        ([{"a": Attempt}], "cannot be stored: a value of the type type is no JSON"),
        ("x" * (11 * 1024 * 1024), "too large to be stored: 11,534,"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason(attempt: Attempt, value: Any, reason: str) -> None:
    with pytest.raises(Unstorable, match=reason):
        storable({"value": value}, attempt)
