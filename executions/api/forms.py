"""What a create, resume or webhook request carries: inputs from multipart, form or JSON, labels, dates, switches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from executions.starting import is_within_reach
from flows.api.errors import BadRequest, Unprocessable
from flows.api.filters import parse_date

Json = Any
_TRUE, _FALSE = {"true", "1", "on", "yes"}, {"false", "0", "off", "no"}


def labels(query: Any, name: str = "labels") -> list[dict[str, str]]:
    """Repeated `key:value`, split at the first colon; a comma belongs to the value."""
    found = []
    for text in query.getlist(name):
        key, separator, value = text.partition(":")
        if not separator or not key or not value:
            raise Unprocessable(f"Invalid queryString parameter: {text[:80]!r} is not key:value")
        found.append({"key": key, "value": value})
    return found


def label_objects(body: Json) -> list[dict[str, str]]:
    """`[{"key","value"}]`, or a map."""
    if isinstance(body, Mapping):
        body = [{"key": key, "value": value} for key, value in body.items()]
    if not isinstance(body, list):
        raise Unprocessable("Invalid entity: labels must be a list of {key, value}")
    found = []
    for item in body:
        key = item.get("key") if isinstance(item, Mapping) else None
        value = item.get("value") if isinstance(item, Mapping) else None
        if not isinstance(key, str) or not key or isinstance(value, dict | list) or value is None or value == "":
            raise Unprocessable("Invalid entity: a label needs a key and a value")
        found.append({"key": key, "value": _text(value)})
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def switch(query: Any, name: str, default: bool = False) -> bool:
    text = query.get(name)
    if text is None or text == "":
        return default
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise Unprocessable(f"Illegal argument: {name} must be true or false")


def number(query: Any, name: str) -> int | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    try:
        found = int(text)
    except ValueError:
        raise Unprocessable(f"Illegal argument: {name} must be a number") from None
    if not 0 <= found < 1 << 31:
        raise Unprocessable(f"Illegal argument: {name} is out of range")
    return found


def moment(query: Any, name: str) -> datetime | None:
    """Raises Unprocessable, also for a date that in some time zone has no year of four digits: it could not be read back."""
    text = query.get(name)
    if not text:
        return None
    found = parse_date(text, name)
    if not is_within_reach(found):
        raise Unprocessable(f"Illegal argument: {name} {text[:60]!r} is too far away")
    return found


def breakpoints(query: Any) -> list[dict[str, Json]] | None:
    """`task`, or `task.value` for one turn of a loop; several by commas. None: not told."""
    if "breakpoints" not in query:
        return None
    texts = [part.strip() for text in query.getlist("breakpoints") for part in text.split(",")]
    found = [text.partition(".") for text in texts if text]
    return [{"id": task, "value": value} if value else {"id": task} for task, _, value in found]


def required(query: Any, name: str) -> str:
    text = query.get(name)
    if not text:
        raise BadRequest(f"Required QueryValue [{name}] not specified")
    return str(text)


def inputs_of(request: Any) -> tuple[dict[str, Json], dict[str, Any]]:
    """(inputs, files) of a DRF request; a FILE input is a part of its name, or a part `files` named as the input."""
    content_type = (request.content_type or "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return json_inputs(request.body), {}
    if content_type not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return {}, {}
    return form_inputs(request._request.POST), form_files(request._request.FILES)


def json_inputs(body: bytes) -> dict[str, Json]:
    if not body.strip():
        return {}
    found = json_body(body)
    if not isinstance(found, dict):
        raise Unprocessable("Invalid json: the inputs must be an object")
    return found


def json_body(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unprocessable(f"Invalid json: {error}") from None


def form_inputs(form: Any) -> dict[str, Json]:
    return {name: values[0] if len(values) == 1 else values for name, values in form.lists()}


def form_files(files: Any) -> dict[str, Any]:
    found = {}
    for name, uploads in files.lists():
        for upload in uploads:
            found[(upload.name if name == "files" else name) or name] = upload
    return found
