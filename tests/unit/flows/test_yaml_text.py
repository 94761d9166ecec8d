"""Plain data written as YAML and read again is the same data."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flows.definition.yaml_guard import read_document
from flows.definition.yaml_text import to_yaml

texts = st.text(max_size=20) | st.text(alphabet=" \n\r\tab:#-'\"\\{}&*!|>%@`,[]?~0.", max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | texts
    | st.sampled_from(["on", "null", "1.0", "2024-01-01", "\x85", "\ufeff", "\u2028"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert read_document(to_yaml(value)).value == value


def test_text_of_several_lines_is_a_literal_block() -> None:
    assert to_yaml({"a": "x\ny\n", "b": " x\ny"}) == "a: |\n  x\n  y\nb: |2-\n   x\n  y\n"


def test_lists_of_maps_start_on_the_dash() -> None:
    assert to_yaml({"tasks": [{"id": "a", "type": 1}]}) == "tasks:\n  - id: a\n    type: 1\n"
