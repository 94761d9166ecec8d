"""A flow's document as Kestra's REST API shows it: labels as a list, nulls left out. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from flows.definition.properties import read_labels

Json = dict[str, Any]
# Values that are the author's own data: nulls in them mean something.
_FREE = frozenset({"variables", "defaults", "values", "inputs", "outputs", "body", "data", "formData"})


def flow_json(
    document: Mapping[str, Any],
    revision: int,
    *,
    disabled: bool | None = None,
    deleted: bool | None = None,
    source: str | None = None,
    updated: str | None = None,
) -> Json:
    """`disabled` and `deleted` speak before the document where they are given."""
    shown = {key: without_nulls(key, value) for key, value in document.items() if value is not None}
    shown["revision"] = revision
    if "labels" in shown:
        shown["labels"] = list(_labels(document["labels"]))
    if "inputs" in shown:
        shown["inputs"] = [input_json(one) for one in document["inputs"]]
    if isinstance(shown.get("concurrency"), Mapping):
        shown["concurrency"] = {"behavior": "QUEUE", **shown["concurrency"]}
    if "taskDefaults" in shown:
        shown.setdefault("pluginDefaults", shown["taskDefaults"])
    shown["disabled"] = bool(document.get("disabled")) if disabled is None else disabled
    shown["deleted"] = bool(document.get("deleted")) if deleted is None else deleted
    shown["draft"] = False  # 2.0's clients insist on it
    if updated is not None:
        shown["updated"] = updated
    if source is not None:
        shown["source"] = source
    return shown


def without_nulls(key: str, value: Any) -> Any:
    if key in _FREE and not _is_list_of_maps(value):
        return value
    if isinstance(value, Mapping):
        return {name: without_nulls(name, item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls("", item) for item in value]
    return value


# Properties under which tasks stand in a document.
_TASK_LISTS = (
    "tasks",
    "errors",
    "finally",
    "afterExecution",
    "listeners",
    "then",
    "else",
    "cases",
    "defaults",
    "task",
)


def tasks_by_id(document: Mapping[str, Any]) -> dict[str, Json]:
    """The map of every task as it is written, wherever it stands."""
    found: dict[str, Json] = {}
    for name in _TASK_LISTS:
        _collect(document.get(name), found)
    return found


def _collect(value: Any, found: dict[str, Json]) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _collect(item, found)
    elif isinstance(value, Mapping):
        is_task = isinstance(value.get("id"), str) and isinstance(value.get("type"), str)
        if is_task:
            found.setdefault(value["id"], dict(value))
        # The cases of a Switch are a map of lists; a listener or a step of a Dag holds its tasks by name.
        is_named = is_task or any(name in value for name in _TASK_LISTS)
        for item in [value.get(name) for name in _TASK_LISTS] if is_named else value.values():
            _collect(item, found)


def triggers_by_id(document: Mapping[str, Any]) -> dict[str, Json]:
    listed = document.get("triggers")
    return {
        str(one["id"]): without_nulls("", one)
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping) and "id" in one
    }


def _is_list_of_maps(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _labels(value: Any) -> tuple[Any, ...]:
    try:
        return tuple(read_labels(value))
    except ValueError:
        return ()


def input_json(one: Any) -> Any:
    """`name` is `id`; the default is a text or an object, as Kestra writes its dynamic properties."""
    if not isinstance(one, Mapping):
        return one
    shown = {key: value for key, value in one.items() if value is not None and key != "name"}
    shown = {"id": one.get("id", one.get("name")), "type": one.get("type"), **shown}
    shown.setdefault("required", True)
    default = shown.get("defaults")
    if default is not None and not isinstance(default, str | Mapping):
        shown["defaults"] = orjson.dumps(default, default=str).decode()
    return {key: value for key, value in shown.items() if value is not None}
