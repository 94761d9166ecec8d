"""Which flows start which others: by a task, or by a trigger that listens to executions. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flows.definition.model import Flow
from flows.tasks.base import ExecutableTask

FLOW_TASK, FLOW_TRIGGER = "FLOW_TASK", "FLOW_TRIGGER"
Name = tuple[str, str]  # namespace, id


@dataclass(frozen=True, slots=True)
class Dependency:
    """`source` starts `target`."""

    source: Name
    target: Name
    relation: str


def dependencies(flows: Sequence[Flow]) -> list[Dependency]:
    """Among these flows. A target that only a running execution knows (a template) is not told."""
    known = {(flow.namespace, flow.id) for flow in flows}
    found: list[Dependency] = []
    for flow in flows:
        name = (flow.namespace, flow.id)
        found += [Dependency(name, target, FLOW_TASK) for target in _started(flow) if target in known]
        found += [Dependency(source, name, FLOW_TRIGGER) for source in _heard(flow, flows)]
    return list(dict.fromkeys(found))


def around(every: Iterable[Dependency], start: Name, *, destination_only: bool, all_of_them: bool) -> list[Dependency]:
    """Those of one flow: direct ones, or with `all_of_them` also those of its neighbours, and so on."""
    rest, found, known = list(every), [], {start}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        touched = [one for one in rest if one.source == name or (one.target == name and not destination_only)]
        rest = [one for one in rest if one not in touched]
        found += touched
        if not all_of_them:
            break
        fresh = {end for one in touched for end in (one.source, one.target)} - known
        known |= fresh
        waiting += sorted(fresh)
    return found


def _started(flow: Flow) -> list[Name]:
    return [
        (str(getattr(place.task, "namespace", "")), str(getattr(place.task, "flow_id", "")))
        for place in flow.task_index.values()
        if isinstance(place.task, ExecutableTask)
    ]


def _heard(flow: Flow, flows: Sequence[Flow]) -> list[Name]:
    return [
        (other.namespace, other.id)
        for other in flows
        if (other.namespace, other.id) != (flow.namespace, flow.id)
        and any(trigger.listens_to(other.namespace, other.id) for trigger in flow.triggers if not trigger.disabled)
    ]
