"""Expressions that cannot work are told with their place in the flow; those that can are left alone."""

import pytest

from flows.definition.expression_advice import advice_text, expression_advice
from flows.definition.yaml_guard import read_document

HEAD = "id: a\nnamespace: b\ndescription: '{{ nothing | nowhere }'\ntasks:\n  - id: say\n    type: Log\n"


def advice(message: str) -> list[tuple[str, str, int, int]]:
    source = f"{HEAD}    message: {message}\n"
    return [(one.message, one.path, one.line, one.column) for one in expression_advice(read_document(source), source)]


@pytest.mark.parametrize(
    ("message", "reason", "line", "column"),
    [
        ('"{{ inputs.a | shout }}"', "Filter [shout] does not exist.", 7, 29),
        ("'x {{ greet() }}'", "Function or Macro [greet] does not exist.", 7, 20),
        ("'{{ inputs.a is odder }}'", "Test [odder] does not exist.", 7, 30),
        ("'{{ inputs.a }'", 'Unexpected "}"', 7, 27),
        ("'hello {{ inputs.a'", 'Unclosed expression: "}}" is missing', 7, 21),
        ("'hello { inputs.a }}'", 'An expression begins with "{{"', 7, 21),
        ("'{% if inputs.a %}x'", 'Missing tag "endif"', 7, 15),
        ("|\n      first\n      then {{ x | shout }}", "Filter [shout] does not exist.", 9, 19),
        ("\n      - {a: '{{ now() | shout }}'}", "Filter [shout] does not exist.", 8, 25),
    ],
)
def test_what_cannot_work_is_told_with_its_place(message: str, reason: str, line: int, column: int) -> None:
    found = advice(message)
    assert [(one[0], one[2], one[3]) for one in found] == [(reason, line, column)]
    assert found[0][1].startswith("tasks[0].message")


@pytest.mark.parametrize(
    "message",
    [
        '\'{{ inputs.a | upper }} {{ kv("x") ?? secret("Y") }}\'',
        "'{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}'",
        "'{% raw %}{{ a | b }}{% endraw %}'",
        '\'{"a": {"b": 1}}\'',
        "'${ inputs.a }} and $(x)'",
        "'{{ outputs.anything.at.all }}'",
        "'body { flow: left }'",
        "5",
    ],
)
def test_what_can_work_is_left_alone(message: str) -> None:
    assert advice(message) == []


def test_advice_is_one_line_for_people() -> None:
    source = f"{HEAD}    message: '{{{{ x | shout }}}}'\n"
    (one,) = expression_advice(read_document(source), source)
    assert advice_text(one) == "tasks[0].message: Filter [shout] does not exist. (line 7, column 22)"


def test_a_document_with_thousands_of_wrong_expressions_is_told_a_hundred() -> None:
    source = "tasks:\n" + "".join(f"  - m{n}: '{{{{ x | f{n} }}}}'\n" for n in range(3000))
    assert len(expression_advice(read_document(source), source)) == 100
