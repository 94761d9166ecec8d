"""A flow as those see it who may only start it: ids and types, no properties of its tasks."""

from collections.abc import Mapping
from typing import Any

from flows.definition.json_form import flow_json, input_json

Json = dict[str, Any]
_LISTS = ("tasks", "errors", "finally", "afterExecution")
# Where a task holds further tasks.
_INNER = ("tasks", "then", "else", "defaults", "errors", "finally")
_SHOWN = (
    "id",
    "namespace",
    "revision",
    "description",
    "inputs",
    "outputs",
    "labels",
    "disabled",
    "deleted",
    "draft",
    "updated",
)


def flow_for_execution(document: Mapping[str, Any], revision: int, **facts: Any) -> Json:
    flow = flow_json(document, revision, **facts)
    shown = {name: flow[name] for name in _SHOWN if name in flow}
    if "labels" in shown:
        shown["labels"] = {label["key"]: label["value"] for label in shown["labels"]}
    for name in _LISTS:
        if isinstance(flow.get(name), list) or name == "tasks":
            shown[name] = [_task(task) for task in flow.get(name) or () if isinstance(task, Mapping)]
    if isinstance(flow.get("triggers"), list):
        triggers = [trigger for trigger in flow["triggers"] if isinstance(trigger, Mapping)]
        shown["triggers"] = [{"id": trigger.get("id"), "type": trigger.get("type")} for trigger in triggers]
    return shown


def _task(task: Mapping[str, Any]) -> Json:
    shown: Json = {"id": task.get("id"), "type": task.get("type")}
    inner = [_task(one) for one in _tasks_in(task)]
    if inner:
        shown["tasks"] = inner
    if isinstance(task.get("onResume"), list):
        shown["inputs"] = [input_json(one) for one in task["onResume"]]
    if isinstance(task.get("flowId"), str) and isinstance(task.get("namespace"), str):
        subflow = {"namespace": task["namespace"], "flowId": task["flowId"], "revision": task.get("revision")}
        shown["subflowId"] = {key: value for key, value in subflow.items() if value is not None}
    return shown


def _tasks_in(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = [task.get(name) for name in _INNER]
    cases = task.get("cases")
    groups += list(cases.values()) if isinstance(cases, Mapping) else []
    found = [one for group in groups if isinstance(group, list) for one in group if isinstance(one, Mapping)]
    # A Dag's tasks stand below `task`.
    return [one["task"] if isinstance(one.get("task"), Mapping) else one for one in found]
