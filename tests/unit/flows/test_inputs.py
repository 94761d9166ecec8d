"""Typed inputs: what each type takes, its limits, and inputs that depend on others."""

from collections.abc import Mapping
from typing import Any

import pytest

from flows.definition.errors import InvalidFlow
from flows.definition.inputs import InvalidInputs, check_inputs
from flows.definition.parse import parse_flow
from flows.definition.yaml_text import to_yaml
from flows.expressions.render import DictScope, render_value
from tests.unit.engine.driver import START, PureServices


def render(value: Any, known: Mapping[str, Any]) -> Any:
    return render_value(value, DictScope({"inputs": dict(known)}), PureServices(START), typed=True)


def check(inputs: list[dict[str, Any]], given: dict[str, Any], encrypt: Any = None) -> dict[str, Any]:
    tasks = [{"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "x"}]
    flow = parse_flow(to_yaml({"id": "f", "namespace": "n", "inputs": inputs, "tasks": tasks}))
    return check_inputs(flow.inputs, given, render=render, encrypt=encrypt)


TAKEN = [
    ({"type": "STRING"}, 5, "5"),
    ({"type": "INT"}, "42", 42),
    ({"type": "INT", "min": 1, "max": 3}, 3, 3),
    ({"type": "FLOAT"}, "4.2", 4.2),
    ({"type": "FLOAT"}, 4, 4.0),
    ({"type": "BOOLEAN"}, "TRUE", True),
    ({"type": "BOOLEAN"}, "yes", False),
    ({"type": "BOOL"}, False, False),
    ({"type": "DATETIME"}, "2024-01-01T12:00:00+02:00", "2024-01-01T10:00:00Z"),
    ({"type": "DATE", "after": "2023-12-31"}, "2024-01-01", "2024-01-01"),
    ({"type": "TIME"}, "12:30", "12:30:00"),
    ({"type": "DURATION", "max": "PT2H"}, "PT90M", "PT1H30M"),
    ({"type": "JSON"}, '{"a": [1]}', {"a": [1]}),
    ({"type": "YAML"}, "a: [1]", {"a": [1]}),
    ({"type": "URI"}, "https://example.org/x", "https://example.org/x"),
    ({"type": "EMAIL"}, "a@b.org", "a@b.org"),
    ({"type": "EMAIL"}, "", ""),
    ({"type": "ARRAY", "itemType": "INT"}, '["1", 2]', [1, 2]),
    ({"type": "SELECT", "values": ["a", "b"]}, "b", "b"),
    ({"type": "SELECT", "values": ["a"], "allowCustomValue": True}, "z", "z"),
    ({"type": "SELECT", "expression": "{{ ['x', 'y'] }}"}, "y", "y"),
    ({"type": "SELECT", "values": ["a"], "required": False}, "z", "z"),
    ({"type": "MULTISELECT", "values": ["a", "b"]}, '["a"]', ["a"]),
    ({"type": "FILE"}, "kestra:///x/y.txt", "kestra:///x/y.txt"),
    ({"type": "STRING", "validator": "[A-Z]\\d+"}, "A1", "A1"),
    ({"type": "STRING", "defaults": "{{ 1 + 1 }}"}, None, "2"),
    ({"type": "INT", "required": False}, None, None),
]


@pytest.mark.parametrize(("properties", "given", "expected"), TAKEN, ids=str)
def test_what_a_type_takes(properties: dict[str, Any], given: Any, expected: Any) -> None:
    found = check([{"id": "x", **properties}], {} if given is None else {"x": given})
    assert found == {"x": expected} and type(found["x"]) is type(expected)


REFUSED = [
    ({"type": "STRING"}, None, "missing required input"),
    ({"type": "INT"}, "4.2", "Expected `INT`"),
    ({"type": "INT", "min": 1}, 0, "it must be more than `1`"),
    ({"type": "FLOAT", "max": 1.5}, 2, "it must be less than `1.5`"),
    ({"type": "FLOAT"}, "NaN", "Expected `FLOAT`"),
    ({"type": "DATETIME"}, "2024-01-01", "Expected `DATETIME`"),
    ({"type": "DATE", "before": "2024-01-01"}, "2024-06-01", "it must be before `2024-01-01`"),
    ({"type": "TIME", "after": "12:00:00"}, "11:00:00", "it must be after `12:00:00`"),
    ({"type": "DURATION", "min": "PT1H"}, "PT1M", "It must be more than `PT1H`"),
    ({"type": "JSON"}, "{", "Expected `JSON`"),
    ({"type": "YAML"}, "a: [", "Expected `YAML`"),
    ({"type": "EMAIL"}, "nobody", "valid email"),
    ({"type": "ARRAY", "itemType": "INT"}, '["a"]', "Unable to parse array element as `INT` on `a`"),
    ({"type": "SELECT", "values": ["a"]}, "z", "it must match the values `[a]`"),
    ({"type": "MULTISELECT", "values": ["a"]}, '["z"]', "it must match the values `[a]`"),
    ({"type": "FILE"}, "/etc/passwd", "Expected `FILE`"),
    ({"type": "STRING", "validator": "[A-Z]"}, "ab", "it must match the pattern `[A-Z]`"),
    ({"type": "STRING", "validator": "(a+)+$"}, "a" * 60 + "b", "it must match the pattern"),
    ({"type": "SECRET"}, "s", "encryption is not configured"),
]


@pytest.mark.parametrize(("properties", "given", "reason"), REFUSED, ids=str)
def test_what_a_type_refuses(properties: dict[str, Any], given: Any, reason: str) -> None:
    with pytest.raises(InvalidInputs, match="x: Invalid input for `x`") as refused:
        check([{"id": "x", **properties}], {} if given is None else {"x": given})
    assert reason in str(refused.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInputs) as refused:
        check([{"id": "a", "type": "INT"}, {"id": "b", "type": "INT"}], {"a": "x"})
    assert [name for name, _ in refused.value.errors] == ["a", "b"]


def test_dots_nest_and_strangers_are_left_out() -> None:
    inputs = [{"id": "a.b", "type": "INT"}, {"id": "a.c", "type": "STRING"}]
    assert check(inputs, {"a.b": "1", "a": {"c": "x"}, "z": 1}) == {"a": {"b": 1, "c": "x"}}


def test_a_secret_is_encrypted_and_never_told() -> None:
    secret = {"id": "x", "type": "SECRET", "validator": "[a-z]+"}
    assert check([secret], {"x": "abc"}, encrypt=lambda text: f"<{text}>") == {"x": "<abc>"}
    with pytest.raises(InvalidInputs) as refused:
        check([secret], {"x": "S3CRET"}, encrypt=lambda text: text)
    assert "S3CRET" not in str(refused.value)


DEPENDENT = [
    {"id": "b", "type": "STRING", "dependsOn": {"inputs": ["a"], "condition": "{{ inputs.a == 'yes' }}"}},
    {"id": "c", "type": "STRING", "defaults": "{{ inputs.b }}!", "dependsOn": {"inputs": ["b"]}},
    {"id": "a", "type": "STRING"},
]


def test_an_input_is_asked_for_when_what_it_depends_on_says_so() -> None:
    assert check(DEPENDENT, {"a": "yes", "b": "x"}) == {"a": "yes", "b": "x", "c": "x!"}
    found = check(DEPENDENT, {"a": "no"})
    assert (found["a"], found["b"]) == ("no", None)
    with pytest.raises(InvalidInputs, match="`b`, missing required input"):
        check(DEPENDENT, {"a": "yes"})


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ([{"id": "a", "type": "INT", "dependsOn": {"inputs": ["a"]}}], "Input cannot depend on itself"),
        ([{"id": "a", "type": "INT", "dependsOn": {"inputs": ["z"]}}], "Input with id 'z' does not exist"),
        (
            [
                {"id": "a", "type": "INT", "dependsOn": {"inputs": ["b"]}},
                {"id": "b", "type": "INT", "dependsOn": {"inputs": ["a"]}},
            ],
            "Cycle dependency detected",
        ),
        ([{"id": "a", "type": "ARRAY", "itemType": "ARRAY"}], "`itemType` cannot be `ARRAY`"),
        ([{"id": "a", "type": "FILE", "defaults": "x"}], "no `defaults` can be set"),
        ([{"id": "a", "type": "SELECT"}], "exactly one of `values` and `expression`"),
        ([{"id": "a", "type": "FOO"}], "Invalid type: FOO"),
        ([{"id": "a", "type": "STRING", "validator": "("}], "Invalid regular expression"),
    ],
)
def test_inputs_that_make_no_sense_are_refused_with_the_flow(inputs: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(InvalidFlow) as refused:
        check(inputs, {})
    assert reason in str(refused.value)
