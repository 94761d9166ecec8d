"""What can be written in flows, for editors and documentation: plugins, their schemas, icons, input types."""

import base64
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.response import Response

from flows.access import Role
from flows.api import paging, reading
from flows.api.base import FlowView
from flows.api.errors import NotFound
from flows.definition.input_types import INPUT_MODELS
from flows.expressions.filters.table import FILTERS
from flows.expressions.functions import FUNCTIONS
from flows.expressions.services import SERVICE_FUNCTIONS
from flows.pages import described
from flows.tasks import schemas
from flows.tasks.aliases import ALIASES

Json = dict[str, Any]
_CORE = "io.kestra.plugin.core"
_CACHE = "private, max-age=3600"


class PluginView(FlowView):
    """The same for everybody who may see anything at all."""

    roles = {"GET": Role.VIEWER}


class PluginsView(PluginView):
    """GET /plugins"""

    def get(self, request: Request, **_: Any) -> Response:
        groups: dict[str, Json] = {}
        for name, model, kind in _elements():
            group = group_of(name)
            _add(groups.setdefault(group, _group(group)), name, model, kind)
        return Response(list(groups.values()))


class SubgroupsView(PluginView):
    """GET /plugins/groups/subgroups: groups, and below them the packages of their types."""

    def get(self, request: Request, **_: Any) -> Response:
        groups: dict[tuple[str, str], Json] = {}
        for name, model, kind in _elements():
            group, package = group_of(name), name.rpartition(".")[0]
            _add(groups.setdefault((group, ""), _group(group)), name, model, kind)
            if package != group:
                shown = groups.setdefault((group, package), {**_group(group), "subGroup": package})
                shown["title"] = package.rpartition(".")[2]
                _add(shown, name, model, kind)
        return Response([groups[key] for key in sorted(groups)])


def _elements() -> list[tuple[str, type[BaseModel], str]]:
    kinds = ("task", "trigger", "condition")
    return [(name, model, kind) for kind in kinds for name, model in schemas.types(kind).items()]


def group_of(name: str) -> str:
    return _CORE if name.startswith(_CORE + ".") else name.rpartition(".")[0]


def _group(name: str) -> Json:
    return {
        "name": name.rpartition(".")[2],
        "title": name.rpartition(".")[2],
        "group": name,
        "version": "1.3.0",
        "manifest": {"X-Kestra-Group": name},
        "tasks": [],
        "triggers": [],
        "conditions": [],
        "controllers": [],
        "storages": [],
        "aliases": [older for older, present in ALIASES.items() if group_of(present) == name],
    }


def _add(group: Json, name: str, model: type[BaseModel], kind: str) -> None:
    group[f"{kind}s"].append({"cls": name, "deprecated": False, "title": schemas.title(model)})


class SchemaView(PluginView):
    """GET /plugins/schemas/{type}: JSON Schema (draft 7) of a whole document."""

    def get(self, request: Request, kind: str, **_: Any) -> Response:
        name = kind.lower()
        if name not in schemas.SCHEMAS:
            raise NotFound(f"schema {kind[:40]}")
        found = schemas.schema(name)
        if reading.switch(request, "arrayOf"):
            top = {key: value for key, value in found.items() if key not in ("$schema", "definitions")}
            found = {
                "$schema": found["$schema"],
                "type": "array",
                "items": top,
                "definitions": found["definitions"],
            }
        return Response(found, headers={"Cache-Control": _CACHE})


class PropertiesView(PluginView):
    """GET /plugins/properties/{type}: the properties of a schema by themselves."""

    def get(self, request: Request, kind: str, **_: Any) -> Response:
        name = kind.lower()
        if name not in schemas.SCHEMAS:
            raise NotFound(f"schema {kind[:40]}")
        found = schemas.schema(name)
        top = found["definitions"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
        return Response(top.get("properties", {}), headers={"Cache-Control": _CACHE})


class DocumentationView(PluginView):
    """GET /plugins/{cls}, and for the one version that there is /plugins/{cls}/versions/{version}."""

    def get(self, request: Request, cls: str, **_: Any) -> Response:
        found = schemas.documentation(cls, every=reading.switch(request, "all"))
        if found is None:
            raise NotFound(f"plugin {cls[:100]}")
        return Response(found, headers={"Cache-Control": _CACHE})


class VersionsView(PluginView):
    def get(self, request: Request, cls: str, **_: Any) -> Response:
        if schemas.documentation(cls) is None:
            raise NotFound(f"plugin {cls[:100]}")
        return Response({"type": cls, "versions": ["1.3.0"]})


class InputTypesView(PluginView):
    """GET /plugins/inputs"""

    def get(self, request: Request, **_: Any) -> Response:
        return Response([{"type": name, "cls": _input_class(name)} for name in INPUT_MODELS])


def _input_class(name: str) -> str:
    return f"io.kestra.core.models.flows.input.{name.capitalize()}Input"


class InputSchemaView(PluginView):
    """GET /plugins/inputs/{type}"""

    def get(self, request: Request, kind: str, **_: Any) -> Response:
        found = schemas.input_documentation(kind)
        if found is None:
            raise NotFound(f"input type {kind[:40]}")
        return Response(found, headers={"Cache-Control": _CACHE})


# --- icons

_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#5b5fc7" stroke-width="1.8" '
    'stroke-linecap="round" stroke-linejoin="round"><path d="{path}"/></svg>'
)
# The longest prefix of a type's name decides.
_PATHS = {
    "": "M4 4h16v16H4z",
    f"{_CORE}.flow": "M12 4v5M12 9H6v5M12 9h6v5M3 14h6v6H3zM15 14h6v6h-6z",
    f"{_CORE}.log": "M5 3h14v18H5zM8 8h8M8 12h8M8 16h5",
    f"{_CORE}.http": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
    f"{_CORE}.kv": "M9 15a5 5 0 1 1 3-3l8 8M16 16l2-2",
    f"{_CORE}.trigger": "M13 2 5 14h6l-1 8 9-12h-6z",
    f"{_CORE}.condition": "M12 3l9 9-9 9-9-9zM9 12h6",
    f"{_CORE}.storage": "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
    "io.kestra.plugin.scripts": "M3 5h18v14H3zM7 9l3 3-3 3M12 15h5",
    "io.kestra.plugin.transform": "M4 7h12M13 4l3 3-3 3M20 17H8M11 14l-3 3 3 3",
    "celery": "M6 4c8 2 12 8 12 16M18 20c-8 0-12-6-12-16",
}


def picture(name: str) -> str:
    prefix = max((known for known in _PATHS if name.startswith(known)), key=len)
    return _PICTURE.format(path=_PATHS[prefix])


def _icon(name: str, model: type[BaseModel] | None = None) -> Json:
    return {
        "name": name.rpartition(".")[2],
        "icon": base64.b64encode(picture(name).encode()).decode(),
        "flowable": model is not None and schemas.is_flowable(model),
    }


class IconsView(PluginView):
    """GET /plugins/icons: of every type."""

    def get(self, request: Request, **_: Any) -> Response:
        found = {name: _icon(name, model) for name, model, _kind in _elements()}
        return Response(found, headers={"Cache-Control": _CACHE})


class GroupIconsView(PluginView):
    """GET /plugins/icons/groups"""

    def get(self, request: Request, **_: Any) -> Response:
        groups = sorted({group_of(name) for name, _model, _kind in _elements()})
        return Response({group: _icon(group) for group in groups}, headers={"Cache-Control": _CACHE})


class IconView(PluginView):
    """GET /plugins/icons/{cls}"""

    def get(self, request: Request, cls: str, **_: Any) -> Response:
        for name, model, _kind in _elements():
            if name == cls:
                return Response(_icon(name, model), headers={"Cache-Control": _CACHE})
        raise NotFound(f"plugin {cls[:100]}")


class PictureView(PluginView):
    """GET /plugins/icons/{cls}/icon.svg"""

    def get(self, request: Request, cls: str, **_: Any) -> HttpResponse:
        if all(cls != name for name, _model, _kind in _elements()):
            raise NotFound(f"plugin {cls[:100]}")
        return HttpResponse(picture(cls), content_type="image/svg+xml", headers={"Cache-Control": _CACHE})


class TriggersView(PluginView):
    """GET /plugins/triggers (2.0): every trigger type that a flow may have; all of them unless `size` is given."""

    def get(self, request: Request, **_: Any) -> Response:
        found = [_trigger(name, model) for name, model in schemas.types("trigger").items()]
        query = request.query_params.copy()
        query.setdefault("size", str(paging.MAX_SIZE))
        return Response(paging.page_of_list(found, query))


def _trigger(name: str, model: type[BaseModel]) -> Json:
    is_core = group_of(name) == _CORE
    return {
        "type": name,
        "name": name.rpartition(".")[2],
        "pluginTitle": _group(group_of(name))["title"],
        "description": schemas.title(model) or described.type_text(name),
        "group": "realtime" if name.endswith("RealtimeTrigger") else "core" if is_core else "app",
        "ee": False,
        "icon": name,
        "deprecated": False,
    }


# --- what templates may use


class FiltersView(PluginView):
    """GET /pebble/filters"""

    def get(self, request: Request, **_: Any) -> Response:
        return Response(sorted(FILTERS))


class FunctionsView(PluginView):
    """GET /pebble/functions"""

    def get(self, request: Request, **_: Any) -> Response:
        return Response(sorted({*FUNCTIONS, *SERVICE_FUNCTIONS}))


# --- blueprints: Kestra's are on a server of its makers, which this one never asks


class BlueprintsView(PluginView):
    """GET /blueprints/community[/{kind}]: none."""

    def get(self, request: Request, **_: Any) -> Response:
        return Response({"results": [], "total": 0})


class BlueprintTagsView(PluginView):
    """GET /blueprints/community/tags: none."""

    def get(self, request: Request, **_: Any) -> Response:
        return Response([])
