"""core.execution.Labels: adds labels to its own execution, over those of the same key. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from flows.definition.properties import label_text
from flows.tasks.base import Json, TaskFailure, Update, UpdatingTask, View

SYSTEM = "system."


class Labels(UpdatingTask):
    aliases = ("io.kestra.core.tasks.executions.Labels",)

    labels: Any  # a map, a list of {key, value}, or a template (JSON) of one

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        found = {}
        for key, value in _pairs(_read(view, self.labels)):
            name = view.text(key)
            if name.startswith(SYSTEM):
                raise TaskFailure(f"System labels can only be set by the system itself: {name}")
            found[name] = view.text(value) if isinstance(value, str) else label_text(value)
        return Update(labels=found)


def _read(view: View, labels: Json) -> Json:
    if not isinstance(labels, str):
        return labels
    rendered = view.render(labels)
    if not isinstance(rendered, str):
        return rendered
    try:
        return orjson.loads(rendered)
    except orjson.JSONDecodeError:
        raise TaskFailure(f"The labels are not valid JSON: {rendered[:200]}") from None


def _pairs(labels: Json) -> list[tuple[str, Json]]:
    if isinstance(labels, Mapping):
        return [(str(key), value) for key, value in labels.items()]
    if isinstance(labels, list | tuple) and all(isinstance(item, Mapping) and "key" in item for item in labels):
        return [(str(item["key"]), item.get("value")) for item in labels]
    raise TaskFailure(f"Unknown value type for the labels: {str(labels)[:200]}")
