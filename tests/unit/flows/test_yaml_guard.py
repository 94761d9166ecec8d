"""Hostile and unusual YAML: refused with a reason, fast, the process alive."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.definition.yaml_guard import YamlRefused, read_document, read_documents

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    "100,000 brackets": ("[" * 100_000, "nested deeper than 100 levels"),
    "100,000 braces": ("{a: " * 100_000, "nested deeper than 100 levels"),
    "100,000 dashes": ("- " * 100_000, "nested deeper than 100 levels"),
    "alias bomb": (BOMB, "aliases expand"),
    "alias of itself": ("a: &a [*a]", "contains itself"),
    "unknown alias": ("a: *b", "undefined alias"),
    "duplicate key": ("a: 1\nb: 2\na: 3", "Duplicate field 'a'"),
    "python object": ("a: !!python/object/apply:os.system ['x']", "is not allowed"),
    "unknown tag": ("a: !secret x", "is not allowed"),
    "10 MB": ("a" * 10_000_000, "larger than"),
    "60,000 nodes": ("\n".join(f"k{number}: 1" for number in range(60_000)), "more than 50000 nodes"),
    "200,000 documents": ("---\n" * 200_000, "more than 50000 nodes"),
    "a key that is a map": ("{a: 1}: b", "a key must be a plain text"),
    "a key that is a list": ("? [a]\n: b", "a key must be a plain text"),
    "nul": ("a: \x00", "Invalid YAML"),
    "lone surrogate": ("a: \ud800", "not valid Unicode"),
    "open quote": ("a: 'x", "Invalid YAML"),
    "tab": ("a:\n\t- b", "Invalid YAML"),
    "500,000 colons": (":" * 500_000, "Invalid YAML"),
    "5,000 digits": ("a: " + "9" * 5_000, "too many digits"),
    "tag that does not fit": ("a: !!int x", "does not fit its tag"),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_with_a_reason_in_under_a_second(text: str, reason: str) -> None:
    start = time.process_time()  # of this process alone: a busy machine proves nothing
    with pytest.raises(YamlRefused, match=reason) as refused:
        read_documents(text)
    assert time.process_time() - start < 1
    assert refused.value.line >= 1 and refused.value.column >= 1


def test_a_refusal_tells_line_and_column() -> None:
    with pytest.raises(YamlRefused) as refused:
        read_document("a: 1\nb:\n  c: 1\n  c: 2\n")
    assert (refused.value.line, refused.value.column) == (4, 3)


def test_a_second_document_is_refused_where_one_is_expected() -> None:
    with pytest.raises(YamlRefused, match="single document") as refused:
        read_document("a: 1\n---\nb: 2\n")
    assert refused.value.line == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        (".inf", float("inf")),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("True", True),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("!!float 12", 12.0),
        ("! 12", "12"),
        ("=", "="),
        ("0.5.1", "0.5.1"),
        ("+12", 12),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = read_document(f"a: {text}").value["a"]
    assert read == value and type(read) is type(value)


def test_keys_are_text_as_written() -> None:
    assert read_document("true: 1\n1: 2\nnull: 3\n1.50: 4\n").value == {
        "true": 1,
        "1": 2,
        "null": 3,
        "1.50": 4,
    }


def test_anchors_and_merge_keys_work_within_bounds() -> None:
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nlist: {<<: [{c: 1}, *base]}\n"
    read = read_document(text).value
    assert read["other"] == {"a": 1, "b": 3}
    assert read["list"] == {"c": 1, "a": 1, "b": 2}
    with pytest.raises(YamlRefused, match="merge key"):
        read_document("a: {<<: 1}")


def test_a_position_is_that_of_the_deepest_written_part() -> None:
    node = read_document("a:\n  - b: 1\n    c: [x, y]\n")
    assert node.at(("a", 0, "c", 1)) == (3, 12)
    assert node.at(("a", 0, "c", 9)) == (3, 5)
    assert node.at(("a", 0, "nope")) == (2, 5)
    assert node.at(()) == (1, 1)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t~0<.", max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        read_documents(text)
    except YamlRefused as refused:
        assert refused.message and refused.line >= 1
