"""A form from typed inputs: the control of each type, what was given, what is wrong. Checks nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from django.http import HttpRequest

from executions.inputs import answers
from flows.definition.input_types import Input
from flows.definition.model import Flow

Json = Any
PREFIX = "in:"
_CONTROLS = {
    "INT": "number",
    "FLOAT": "number",
    "DATE": "date",
    "DATETIME": "datetime-local",
    "TIME": "time",
    "EMAIL": "email",
    "SECRET": "password",
    "FILE": "file",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "SELECT": "select",
    "ENUM": "select",
    "MULTISELECT": "many",
    "JSON": "text",
    "YAML": "text",
    "ION": "text",
    "OBJECT": "text",
    "ARRAY": "text",
}
_HINTS = {
    "DURATION": "ISO 8601, such as PT5M or P1D",
    "JSON": "JSON",
    "OBJECT": "a JSON object",
    "ARRAY": "a JSON list",
    "YAML": "YAML",
    "ION": "Ion",
    "URI": "an address, such as https://example.com/a",
    "DATETIME": "in your time zone",
}


@dataclass(frozen=True, slots=True)
class Field:
    id: str
    name: str
    label: str
    type: str
    control: str
    required: bool
    help: str = ""
    hint: str = ""
    value: str = ""
    values: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    default: str = ""  # a default that is a template: shown, not filled in
    custom: bool = False
    depends: bool = False
    error: str = ""


def build(
    inputs: Sequence[Input], given: Mapping[str, Json] | None = None, errors: Mapping[str, str] | None = None
) -> list[Field]:
    return [_field(one, given, (errors or {}).get(one.id, "")) for one in inputs]


def _field(one: Input, given: Mapping[str, Json] | None, error: str) -> Field:
    control = _CONTROLS.get(one.type, "line")
    start = one.defaults if one.defaults is not None else one.prefill
    if given is not None and one.id in given:
        start = given[one.id]
    is_template = isinstance(start, str) and ("{{" in start or "{%" in start)
    values = tuple(str(item) for item in (getattr(one, "values", ()) or getattr(one, "options", ()) or ()))
    if control == "select" and not values:
        control = "line"  # the values come from an expression: the check of the form tells what fits
    if control == "many" and not values:
        control = "text"
    if control == "select" and getattr(one, "is_radio", False):
        control = "radio"
    return Field(
        id=one.id,
        name=PREFIX + one.id,
        label=one.display_name or one.id,
        type=one.type,
        control=control,
        required=one.required and one.defaults is None,
        help=one.description or "",
        hint=_HINTS.get(one.type, ""),
        value="" if start is None or is_template or control == "file" else shown(start, one.type),
        values=values,
        chosen=tuple(str(item) for item in start)
        if isinstance(start, list)
        else (str(start),)
        if start is not None
        else (),
        attributes=_attributes(one),
        default=str(start) if is_template else "",
        custom=bool(getattr(one, "allow_custom_value", False)),
        depends=one.depends_on is not None,
        error=error,
    )


def shown(value: Json, type_name: str) -> str:
    """A value as its control wants it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return str(value)


def _attributes(one: Input) -> dict[str, str]:
    found = {}
    for name in ("min", "max"):
        limit = getattr(one, name, None)
        if one.type in ("INT", "FLOAT") and limit is not None:
            found[name] = str(limit)
    if one.type in ("DATE", "TIME"):
        for name, attribute in (("after", "min"), ("before", "max")):
            if limit := getattr(one, name, None):
                found[attribute] = str(limit)
    if one.type == "INT":
        found["step"] = "1"
    if one.type == "FLOAT":
        found["step"] = "any"
    if one.type == "FILE":
        wanted = getattr(one, "allowed_file_extensions", ()) or getattr(one, "accept", None)
        if wanted:
            found["accept"] = ",".join(wanted)
    return found


def given(request: HttpRequest, inputs: Sequence[Input]) -> tuple[dict[str, Json], dict[str, Any]]:
    """(values, uploads) by input id. A field left empty was not given: its default holds."""
    values: dict[str, Json] = {}
    for one in inputs:
        posted = [text for text in request.POST.getlist(PREFIX + one.id) if text != ""]
        if not posted:
            continue
        is_many = one.type == "MULTISELECT" and "many" in request.POST.get(f"as:{one.id}", "")
        values[one.id] = posted if is_many else _with_zone(one, posted[-1], request.POST.get("zone", ""))
    uploads = {one.id: request.FILES[PREFIX + one.id] for one in inputs if PREFIX + one.id in request.FILES}
    return values, uploads


def _with_zone(one: Input, text: str, zone: str) -> str:
    """A browser's date and time is the reader's local one; what is no such thing is left for the check to tell."""
    if one.type != "DATETIME" or not zone:
        return text
    try:
        moment = datetime.fromisoformat(text)
        return text if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)).isoformat()
    except (ValueError, ZoneInfoNotFoundError):
        return text


def judged(request: HttpRequest, flow: Flow, wanted: Sequence[Input]) -> list[Json]:
    """What would become of the values given so far: each input with its value, its error, whether it is asked for."""
    values, _ = given(request, wanted)
    chosen = {one.id: one.id for one in wanted if request.POST.get(f"file:{one.id}")}
    return [
        {
            "id": answer.input.id,
            "enabled": answer.enabled,
            "error": answer.error,
            "given": answer.given,
            "value": "••••••" if answer.input.type == "SECRET" and answer.value is not None else answer.value,
        }
        for answer in answers(flow, values, chosen, wanted)
    ]
