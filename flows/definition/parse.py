"""YAML text to a checked Flow, or to violations with path, line and column. Knows no database."""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flows.definition import rules
from flows.definition.dashboard import Chart, Dashboard
from flows.definition.errors import InvalidFlow, Location, Site, Violation, path_text, violation
from flows.definition.input_types import INPUT_MODELS
from flows.definition.model import Flow
from flows.definition.plugin_defaults import Default, merge_defaults
from flows.definition.template import Template
from flows.definition.yaml_guard import MAX_BYTES, Node, YamlRefused, read_document
from flows.tasks import registry
from flows.tasks.aliases import canonical
from flows.tasks.base import Task
from flows.triggers.base import Trigger

__all__ = [
    "InvalidFlow",
    "Violation",
    "parse_chart",
    "parse_dashboard",
    "parse_flow",
    "parse_task",
    "parse_template",
    "parse_trigger",
]

Model = TypeVar("Model", bound=BaseModel)
# The tasks of a template by namespace and id, as plain data; None when there is no such template.
TemplateOf = Callable[[str, str], list[Any] | None]


def parse_flow(
    source: str,
    *,
    namespace: str | None = None,
    revision: int = 1,
    defaults: Sequence[Default] = (),
    max_bytes: int = MAX_BYTES,
    template_of: TemplateOf | None = None,
) -> Flow:
    """Raises InvalidFlow, and nothing else. `defaults` are the instance's, below the flow's own.

    With `template_of` the flow takes in its templates; it was checked without them before."""
    root = _read(source, max_bytes)
    document = root.value
    if namespace is not None and document.get("namespace") is None:
        document = {**document, "namespace": namespace}
    own = document.get("pluginDefaults") or document.get("taskDefaults") or ()
    every: list[Default] = [*(own if isinstance(own, list) else ()), *defaults]
    complete = merge_defaults(document, every, canonical)
    further: dict[str, Any] = {}
    if template_of is not None:
        further["template_of"] = lambda *name: merge_defaults(template_of(*name), every, canonical)
    flow: Flow = _validate(Flow, {**complete, "revision": revision}, root, "flow", further)
    flow._source, flow._document = source, document
    errors = [] if further else [_placed(error, root) for error in rules.check(flow)]
    if errors:
        raise InvalidFlow(errors)
    return flow


def parse_template(source: str, max_bytes: int = MAX_BYTES) -> Template:
    """Raises InvalidFlow."""
    root = _read(source, max_bytes)
    template: Template = _validate(Template, root.value, root, "template")
    template._source, template._document = source, root.value
    return template


def parse_dashboard(source: str, max_bytes: int = MAX_BYTES) -> Dashboard:
    """Raises InvalidFlow."""
    root = _read(source, max_bytes)
    dashboard: Dashboard = _validate(Dashboard, root.value, root, "dashboard")
    dashboard._document = root.value
    return dashboard


def parse_chart(source: str, max_bytes: int = MAX_BYTES) -> Chart:
    """One chart by itself. Raises InvalidFlow."""
    root = _read(source, max_bytes)
    chart: Chart = _validate(Chart, root.value, root, "chart")
    return chart


def parse_task(source: str, max_bytes: int = MAX_BYTES, *, task_id: str | None = None) -> Task:
    """One task by itself; `task_id` where it has none of its own. Raises InvalidFlow."""
    defaults = {} if task_id is None else {"id": task_id}

    def build(value: dict[str, Any], context: dict[str, Any]) -> Task:
        return registry.build_task({**defaults, **value}, context)

    task: Task = _parse_part(source, build, "task", max_bytes)
    return task


def parse_trigger(source: str, max_bytes: int = MAX_BYTES) -> Trigger:
    """One trigger by itself. Raises InvalidFlow."""
    trigger: Trigger = _parse_part(source, registry.build_trigger, "trigger", max_bytes)
    return trigger


def _parse_part(source: str, build: Any, kind: str, max_bytes: int) -> Any:
    root = _read(source, max_bytes)
    try:
        return build(root.value, registry.context())
    except ValidationError as error:
        raise InvalidFlow(_violations(error, root, kind)) from None


def _read(source: str, max_bytes: int) -> Node:
    try:
        root = read_document(source, max_bytes)
    except YamlRefused as error:
        raise InvalidFlow([Violation(error.message, "", error.line, error.column, "structure")]) from None
    if not isinstance(root.value, dict):
        raise InvalidFlow([Violation("expected a map of properties", "", root.line, root.column, "structure")])
    return root


def _validate(
    model: type[Model], value: Mapping[str, Any], root: Node, kind: str, context: Mapping[str, Any] | None = None
) -> Model:
    try:
        return model.model_validate(
            value, context={**registry.context(), **(context or {})}, by_name=False, by_alias=True
        )
    except ValidationError as error:
        raise InvalidFlow(_violations(error, root, kind)) from None


def _violations(error: ValidationError, root: Node, kind: str) -> list[Violation]:
    site = Site(
        locate=root.at,
        id_at=lambda location: _id_at(root.value, location),
        known_properties=lambda location: _properties(_model_at(root.value, location, kind)),
        is_list=lambda location: _is_list(_model_at(root.value, location[:-1], kind), location),
    )
    details = error.errors(include_url=False)
    # A list whose items were refused also counts as too short.
    broken_lists = {tuple(one["loc"][:end]) for one in details for end in range(len(one["loc"]))}
    found = [
        violation(one, site)
        for one in details
        if not (one["type"] == "too_short" and tuple(one["loc"]) in broken_lists)
    ]
    # As in Kestra, what cannot be read at all speaks before what breaks a rule.
    found.sort(key=lambda one: (one.kind != "structure", one.line, one.column))
    return list(dict.fromkeys(found))


def _placed(error: rules.Broken, root: Node) -> Violation:
    line, column = root.at(error.location)
    return Violation(error.message, path_text(error.location), line, column, error.kind)


def _value_at(document: Any, location: Location) -> Any:
    for part in location:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document


def _id_at(document: Any, location: Location) -> str | None:
    """The id of a task, trigger, input...; the flow itself is not named."""
    value = _value_at(document, location) if location else None
    name = value.get("id", value.get("name")) if isinstance(value, Mapping) else None
    return name if isinstance(name, str) and name else None


def _model_at(document: Any, location: Location, kind: str) -> type[BaseModel] | None:
    """The model of the object at a place: by its `type`, or by walking the fields of the object around it."""
    value = _value_at(document, location)
    name = value.get("type") if isinstance(value, Mapping) else None
    if isinstance(name, str):
        if name in INPUT_MODELS and "inputs" in location:
            return INPUT_MODELS[name]
        for known in ("task", "trigger", "condition"):
            try:
                model: type[BaseModel] = registry.find(name, known)
            except registry.UnknownType:
                continue
            return model
    if not location:
        documents: dict[str, type[BaseModel]] = {
            "flow": Flow,
            "template": Template,
            "dashboard": Dashboard,
            "chart": Chart,
        }
        return documents.get(kind)
    field = location[-1] if isinstance(location[-1], str) else location[-2] if len(location) > 1 else None
    around = location[:-1] if isinstance(location[-1], str) else location[:-2]
    return _inner_model(_annotation(_model_at(document, around, kind), field))


def _annotation(model: type[BaseModel] | None, property_name: Any) -> Any:
    for name, field in (model.model_fields if model else {}).items():
        if property_name in (name, field.alias, field.validation_alias):
            return field.annotation
    return None


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Output, ...]` or `Retry | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        found = _inner_model(part)
        if found is not None:
            return found
    return None


def _properties(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in (model.model_fields if model else {}).items()]


def _is_list(model: type[BaseModel] | None, location: Location) -> bool:
    annotation = _annotation(model, location[-1] if location else None)
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return any(typing.get_origin(part) in (tuple, list) for part in typing.get_args(annotation))
    return typing.get_origin(annotation) in (tuple, list)
