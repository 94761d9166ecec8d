"""A flow's task tree as the pages draw it: one row per task, outer ones first. Lays out nothing."""

from typing import Any

from flows.definition.model import Flow


def tree(flow: Flow) -> list[list[Any]]:
    """[id, type, parent id, branch, position, ids it depends on] per task."""
    return [
        [task_id, place.task.type, place.parent_id, place.branch, place.position, _depends_on(flow, task_id)]
        for task_id, place in flow.task_index.items()
    ]


def _depends_on(flow: Flow, task_id: str) -> list[str]:
    """Only children of a Dag have some: told by the Dag's own entries."""
    parent_id = flow.task_index[task_id].parent_id
    parent = flow.task_index[parent_id].task if parent_id else None
    for entry in getattr(parent, "tasks", ()):
        if getattr(getattr(entry, "task", None), "id", None) == task_id:
            return list(getattr(entry, "depends_on", None) or ())
    return []
