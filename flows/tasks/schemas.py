"""JSON Schema of everything that may be written in a flow, made from the models of the registry. Cached; no Django."""

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from flows.definition.dashboard import Dashboard
from flows.definition.input_types import INPUT_MODELS
from flows.definition.model import Flow
from flows.definition.properties import PluginDefault
from flows.tasks import registry
from flows.tasks.aliases import ALIASES
from flows.tasks.base import FlowableTask, Task
from flows.triggers.base import Trigger

Json = dict[str, Any]
_REFERENCE = "#/definitions/{model}"
# What pydantic calls the bases; each stands for any of its registered kinds.
_KINDS = {"Task": "task", "Trigger": "trigger", "Condition": "condition"}
SCHEMAS = ("flow", "template", "task", "trigger", "plugindefault", "dashboard")


@cache
def types(kind: str) -> dict[str, type[BaseModel]]:
    """Those that can be used here: a type whose optional library is missing is left out."""
    found: dict[str, type[BaseModel]] = {}
    for name in registry.names(kind):
        try:
            found[name] = registry.find(name, kind)
        except LookupError:
            continue
    return found


@cache
def schema(kind: str) -> Json:
    """Of a whole document. Raises KeyError for an unknown kind."""
    definitions = _definitions()
    top: Json
    if kind == "flow":
        top = _hoisted(Flow, "Flow", definitions)
    elif kind == "template":
        top = {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "namespace": {"type": "string"},
                "description": {"type": "string"},
                "tasks": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/Task"}},
                "errors": {"type": "array", "items": {"$ref": "#/definitions/Task"}},
            },
            "required": ["id", "namespace", "tasks"],
        }
    elif kind == "dashboard":
        top = _hoisted(Dashboard, "Dashboard", definitions)
    elif kind == "plugindefault":
        top = _hoisted(PluginDefault, "PluginDefault", definitions)
    else:
        top = {"$ref": f"#/definitions/{ {'task': 'Task', 'trigger': 'Trigger'}[kind] }"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **top, "definitions": definitions}


def documentation(name: str, *, every: bool = False) -> Json | None:
    """{"markdown", "schema"} of one type, None for an unknown one; without `every`, its own properties only."""
    found = _find(name)
    if found is None:
        return None
    kind, model = found
    definitions: Json = {}
    properties = _hoisted(model, name, definitions)
    if not every:
        own = {key: value for key, value in properties["properties"].items() if key not in _shared(kind)}
        properties = {**properties, "properties": own}
        properties["required"] = [key for key in properties.get("required", ()) if key in own]
    return {
        "markdown": _markdown(name, model, properties),
        "schema": {"properties": properties, "outputs": {}, "definitions": definitions},
    }


def input_documentation(name: str) -> Json | None:
    model = INPUT_MODELS.get(name.upper())
    if model is None:
        return None
    definitions: Json = {}
    properties = _hoisted(model, name, definitions)
    return {
        "markdown": _markdown(name.upper(), model, properties),
        "schema": {"properties": properties, "outputs": {}, "definitions": definitions},
    }


def title(model: type[BaseModel]) -> str:
    """The first sentence of its own documentation, else that of its module."""
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    if not text:
        text = (sys.modules[model.__module__].__doc__ or "").partition(": ")[2]
    text = " ".join(text.split("\n\n")[0].split()).removesuffix(" Pure.")
    return text[:1].upper() + text[1:]


def is_flowable(model: type[BaseModel]) -> bool:
    return issubclass(model, FlowableTask)


def _find(name: str) -> tuple[str, type[BaseModel]] | None:
    for kind in _KINDS.values():
        try:
            return kind, registry.find(name, kind)
        except LookupError:
            continue
    return None


@cache
def _shared(kind: str) -> frozenset[str]:
    bases: dict[str, type[BaseModel]] = {"task": Task, "trigger": Trigger}
    base = bases.get(kind)
    names = {str(field.alias or name) for name, field in base.model_fields.items()} if base else set()
    return frozenset(names - {"id", "type"})


def _definitions() -> Json:
    found: Json = {}
    for base, kind in _KINDS.items():
        found[base] = {"anyOf": [{"$ref": f"#/definitions/{name}"} for name in types(kind)]}
    found["Input"] = {"anyOf": [{"$ref": f"#/definitions/Input-{name}"} for name in INPUT_MODELS]}
    for kind in _KINDS.values():
        for name, model in types(kind).items():
            found[name] = _with_names(_hoisted(model, name, found), [name, *_older_names(name)])
    for name, model in INPUT_MODELS.items():
        found[f"Input-{name}"] = _with_names(_hoisted(model, f"Input-{name}", found), [name])
    return found


def _hoisted(model: type[BaseModel], name: str, definitions: Json) -> Json:
    """The model's schema; what it refers to goes to `definitions`, under a name of its own where two differ."""
    found = model.model_json_schema(by_alias=True, ref_template=_REFERENCE)
    renamed = {}
    inner = {key: _tidy(value) for key, value in found.pop("$defs", {}).items()}
    for key, value in inner.items():
        if key in _KINDS or key == "Input":
            definitions.setdefault(key, value)
        elif definitions.setdefault(key, value) != value:
            renamed[key] = f"{name}-{key}"
    for key, new in renamed.items():
        definitions[new] = _renamed(inner[key], renamed)
    shown: Json = _renamed(_tidy(found), renamed)
    shown.pop("description", None)
    return {"title": title(model), **shown} if title(model) else shown


def _tidy(value: Any, *, inside: str = "") -> Any:
    """Without the titles that pydantic makes of names, and without `null` as a further type."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    shown = {
        key: _tidy(item, inside=key)
        for key, item in value.items()
        if inside == "properties"
        or not ((key == "title" and isinstance(item, str)) or (key == "default" and item is None))
    }
    choices = shown.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices and inside != "properties":
        left = [choice for choice in choices if choice != {"type": "null"}]
        del shown["anyOf"]
        shown |= left[0] if len(left) == 1 else {"anyOf": left}
    return shown


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.rpartition("/")[2] in names:
        return {**value, "$ref": f"#/definitions/{names[reference.rpartition('/')[2]]}"}
    return {key: _renamed(item, names) for key, item in value.items()}


def _with_names(found: Json, names: list[str]) -> Json:
    choice = {"const": names[0]} if len(names) == 1 else {"enum": names}
    return {**found, "properties": {**found["properties"], "type": {"type": "string", **choice}}}


@cache
def _aliases_by_name() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for older, name in ALIASES.items():
        found.setdefault(name, []).append(older)
    return found


def _older_names(name: str) -> list[str]:
    short = [name.removeprefix("io.kestra.plugin.")] if name.startswith("io.kestra.plugin.") else []
    return short + _aliases_by_name().get(name, [])


def _markdown(name: str, model: type[BaseModel], properties: Json) -> str:
    required = set(properties.get("required", ()))
    lines = [
        f"# {name.rpartition('.')[2]}",
        "",
        f"```yaml\ntype: {name}\n```",
        "",
        title(model),
        "",
        "## Properties",
        "",
    ]
    for key, value in properties["properties"].items():
        lines += _property(key, value, key in required)
    return "\n".join(lines)


def _property(name: str, schema: Json, required: bool) -> Iterator[str]:
    kind = schema.get("type") or str(schema.get("$ref", "")).rpartition("/")[2] or "any"
    facts = [f"*{kind}*", "**required**" if required else "optional"]
    if "default" in schema:
        facts.append(f"default `{schema['default']}`")
    yield f"### `{name}`"
    yield ", ".join(facts)
    if schema.get("description"):
        yield str(schema["description"])
    if schema.get("enum"):
        yield "Possible values: " + ", ".join(f"`{value}`" for value in schema["enum"])
    yield ""
