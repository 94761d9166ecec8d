"""What is wrong with a flow, and where: violations with path, line and column, from pydantic's errors."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]

# pydantic's kinds of errors in the words of YAML, where its own are Python's.
_WANTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """How it is written: a constraint names its path first, a structure error speaks for itself."""

    message: str
    path: str = ""
    line: int = 1
    column: int = 1
    kind: Literal["constraint", "structure"] = "constraint"

    @property
    def text(self) -> str:
        if self.kind == "structure" or not self.path:
            return self.message
        return f"{self.path}: {self.message}"


class InvalidFlow(Exception):
    """The text is not a valid flow (or task, or trigger). Never empty."""

    http_status = 422

    def __init__(self, errors: Sequence[Violation]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(error.text for error in self.errors))


def structure_error(kind: str, message: str, location: Location, value: Any) -> ValidationError:
    """A pydantic error at a place of one's choosing, for validators that look a model up by its `type`."""
    details = InitErrorDetails(
        type=PydanticCustomError(kind, "{text}", {"text": message}),
        loc=location,
        input=value,
    )
    return ValidationError.from_exception_data("flow", [details])


def path_text(location: Location) -> str:
    """tasks[0].cases.x[1]"""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Site:
    """What the document says around an error; asked of the parser."""

    locate: Callable[[Location], tuple[int, int]]
    id_at: Callable[[Location], str | None]  # id of the object that stands there
    known_properties: Callable[[Location], Sequence[str]]  # of the object that stands there
    is_list: Callable[[Location], bool]  # whether the property is declared as a list


def violation(error: ErrorDetails, site: Site) -> Violation:
    location = tuple(error["loc"])
    message, kind = _message(error, location, site)
    if error["type"] == "missing":
        line, column = site.locate(location[:-1])
    else:
        line, column = site.locate(location)
    return Violation(message, path_text(location), line, column, kind)


def _message(error: ErrorDetails, location: Location, site: Site) -> tuple[str, Literal["constraint", "structure"]]:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unrecognized(str(location[-1]), site.known_properties(location[:-1])), "structure"
    if kind in ("task_type", "input_type"):
        return error["msg"], "structure"
    if kind == "missing" or (error.get("input", 0) is None and kind.endswith("_type")):
        return ("must not be empty" if site.is_list(location) else "must not be null"), "constraint"
    if kind == "too_short":
        return "must not be empty", "constraint"
    if kind == "string_pattern_mismatch":
        return f'must match "{context.get("pattern")}"', "constraint"
    if kind == "string_too_short":
        return "must not be blank", "constraint"
    if kind in ("enum", "literal_error"):
        return (
            f"Invalid value {_shown(error.get('input'))}: it must be one of {context.get('expected')}",
            "constraint",
        )
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, but received {_shown(error.get('input'))}", "constraint"
    if kind in ("value_error", "assertion_error"):
        return _ruled(str(context.get("error", error["msg"])), location, site)
    return f"{error['msg']}, but received {_shown(error.get('input'))}", "constraint"


def _ruled(message: str, location: Location, site: Site) -> tuple[str, Literal["constraint", "structure"]]:
    """A rule of a whole object names the object by its id."""
    owner = site.id_at(location)
    if owner is None and location:
        owner = site.id_at(location[:-1])
    if owner is None:
        return message, "constraint"
    return (message if message.startswith(f"{owner}: ") else f"{owner}: {message}"), "structure"


def _unrecognized(name: str, known: Sequence[str]) -> str:
    listed = ", ".join(f'"{one}"' for one in sorted(known))
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.75)
    hint = f': did you mean "{near[0]}"?' if near else ""
    return f'Unrecognized field "{name}", not marked as ignorable ({len(known)} known properties: {listed}){hint}'


def _shown(value: Any) -> str:
    try:
        text = orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
    except (TypeError, ValueError):
        text = str(value)
    return f"`{text[:100]}…`" if len(text) > 100 else f"`{text}`"
