"""What may be typed in a flow: task, trigger, input types and their properties with their documentation. Cached."""

import inspect
import types
import typing
from datetime import timedelta
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from flows.definition.input_types import INPUT_MODELS
from flows.definition.model import Flow
from flows.pages import described
from flows.tasks import registry

Json = dict[str, Any]


@lru_cache(maxsize=1)
def words() -> Json:
    """{"flow": properties, "tasks": {type: {doc, properties}}, "triggers": …, "inputs": …}."""
    return {
        "flow": _properties(Flow),
        "tasks": {name: _described(found, name) for name, found in _registered("TASKS")},
        "triggers": {name: _described(found, name) for name, found in _registered("TRIGGERS")},
        "inputs": {
            name: {"doc": described.INPUTS.get(name, ""), "properties": _properties(model)}
            for name, model in INPUT_MODELS.items()
        },
    }


def _registered(table: str) -> list[tuple[str, type[BaseModel]]]:
    found = []
    for name in sorted(getattr(registry, table, {})):
        try:
            found.append((name, registry.find(name, table.removesuffix("S").lower())))
        except Exception:  # an optional library is missing: the type cannot be used here, nor proposed
            continue
    return found


def _described(model: type[BaseModel], name: str = "") -> Json:
    return {"doc": _doc(model) or described.type_text(name), "properties": _properties(model)}


def _doc(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or "" if model.__doc__ else ""


def _properties(model: type[BaseModel], depth: int = 2) -> Json:
    found = {}
    for name, field in model.model_fields.items():
        alias = field.alias if isinstance(field.alias, str) else name
        found[alias] = {
            "type": _type_name(field.annotation),
            "required": field.is_required(),
            "doc": field.description or described.property_text(alias),
            "values": _choices(field.annotation),
        }
        inside = _model_inside(field.annotation) if depth else None
        if inside is not None:
            found[alias]["inside"] = _properties(inside, depth - 1)
    return found


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    """The model of a property that is an object, such as `retry`; tasks and the like are chosen by their type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (
            None
            if "type" in annotation.model_fields and annotation.model_fields["type"].annotation is str
            else annotation
        )
    parts = [part for part in typing.get_args(annotation) if not isinstance(part, str)]
    return next(filter(None, map(_model_inside, parts)), None)


def _type_name(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type_name(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        names = [_type_name(part) for part in typing.get_args(annotation) if part is not type(None)]
        return " or ".join(dict.fromkeys(names))
    if origin is typing.Literal:
        return "one of"
    plain = origin or annotation
    shown: dict[Any, str] = {
        str: "text",
        int: "number",
        float: "number",
        bool: "true or false",
        dict: "map",
        list: "list",
        tuple: "list",
        timedelta: "duration, such as PT5M",
    }
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return "map"
    return shown.get(plain) or ("" if plain is Any else str(getattr(plain, "__name__", "")))


def _choices(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return [str(value) for value in typing.get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    return [choice for part in typing.get_args(annotation) for choice in _choices(part)]
