"""Given values against typed inputs: defaults, order of dependence, conversion, limits. Pure.

Rendering and encryption are handed in; files are stored by the caller before, their values are addresses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.definition import input_values
from flows.definition.input_types import Input, SecretInput
from flows.definition.input_values import Refused
from flows.expressions.errors import ExpressionError
from flows.expressions.taint import SecretStr, is_tainted, mask

Json = Any
# Renders templates in texts, maps and lists, with these inputs in scope; a lone expression keeps its type.
Render = Callable[[Any, Mapping[str, Json]], Json]
Encrypt = Callable[[str], Json]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one input. A disabled one (its condition does not hold) has no value and no error."""

    input: Input
    value: Json = None
    enabled: bool = True
    error: str | None = None
    given: bool = False  # not by default


class InvalidInputs(Exception):
    """`errors` are pairs of input id and message, in the order of the flow's inputs."""

    http_status = 422

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        self.violations = [{"message": message, "path": name} for name, message in errors]
        super().__init__("Invalid entity: " + "\n".join(f"{name}: {message}" for name, message in errors))


def check_inputs(
    inputs: Sequence[Input],
    given: Mapping[str, Json],
    *,
    render: Render,
    encrypt: Encrypt | None = None,
) -> dict[str, Json]:
    """The values as expressions see them (dots in ids nest). Optional ones without value are there, as None.

    `given` may be flat (`{"a.b": 1}`) or nested; what no input asks for is left out. Raises InvalidInputs.
    """
    answers = answer_inputs(inputs, given, render=render, encrypt=encrypt)
    errors = [(answer.input.id, answer.error) for answer in answers if answer.error is not None]
    if errors:
        raise InvalidInputs(errors)
    return nested((answer.input.id, answer.value) for answer in answers)


def answer_inputs(
    inputs: Sequence[Input],
    given: Mapping[str, Json],
    *,
    render: Render,
    encrypt: Encrypt | None = None,
) -> tuple[Answer, ...]:
    """One answer per input, in the order of the flow; nothing is raised."""
    answers: dict[str, Answer] = {}
    for one in _in_order_of_need(inputs):
        answers[one.id] = _answer(one, given, answers, render, encrypt)
    return tuple(answers[one.id] for one in inputs)


def _in_order_of_need(inputs: Sequence[Input]) -> list[Input]:
    """Those that others depend on come first; cycles were refused with the flow."""
    known = {one.id: one for one in inputs}
    ordered: dict[str, Input] = {}

    def place(one: Input) -> None:
        if one.id in ordered:
            return
        waiting = [one]
        while waiting:
            needed = waiting[-1].depends_on.inputs if waiting[-1].depends_on else ()
            missing = [
                known[name] for name in needed if name in known and name not in ordered and known[name] not in waiting
            ]
            if missing:
                waiting.append(missing[0])
            else:
                ready = waiting.pop()
                ordered[ready.id] = ready

    for one in inputs:
        place(one)
    return list(ordered.values())


def _answer(
    one: Input,
    given: Mapping[str, Json],
    before: Mapping[str, Answer],
    render: Render,
    encrypt: Encrypt | None,
) -> Answer:
    known = nested((answer.input.id, answer.value) for answer in before.values() if answer.error is None)
    value = _given(one.id, given)
    is_given = value is not None
    try:
        if not _is_enabled(one, known, render):
            return Answer(one, enabled=False)
        if value is None and one.defaults is not None:
            value = render(one.defaults, known)
        if value is None:
            if one.required:
                raise Refused("missing required input")
            return Answer(one, given=is_given)
        converted = input_values.read(one, value, lambda template: render(template, known))
        if isinstance(one, SecretInput) and one.type == "SECRET":
            if encrypt is None:
                raise Refused("Unable to use a `SECRET` input as encryption is not configured")
            converted = encrypt(SecretStr(converted) if is_tainted(value) else converted)
        return Answer(one, converted, given=is_given)
    except Refused as error:
        return Answer(one, error=_message(one, str(error), value), given=is_given)
    except ExpressionError as error:
        return Answer(one, error=f"Invalid input for `{one.id}`, {error}", given=is_given)


def _is_enabled(one: Input, known: Mapping[str, Json], render: Render) -> bool:
    if one.depends_on is None or one.depends_on.condition is None:
        return True
    return input_values.text_of(render(one.depends_on.condition, known)) not in ("", "0", "-0", "false")


def _message(one: Input, reason: str, value: Json) -> str:
    shown = "******" if one.type == "SECRET" and value is not None else input_values.text_of(mask(value))
    if value is None:
        shown = "null"
    return f"Invalid input for `{one.id}`, {reason}, but received `{shown}`"


def _given(name: str, given: Mapping[str, Json]) -> Json:
    if name in given:
        return given[name]
    value: Json = given
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def nested(pairs: Any) -> dict[str, Json]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    result: dict[str, Json] = {}
    for name, value in pairs:
        *outer, last = name.split(".")
        place = result
        for part in outer:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = value
    return result
