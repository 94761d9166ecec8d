"""The rules over a whole flow that no single property can tell: unique ids, cycles of inputs, self calls."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from flows.definition.errors import Location
from flows.definition.model import Flow
from flows.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Broken:
    message: str
    location: Location
    kind: Literal["constraint", "structure"] = "structure"


def check(flow: Flow) -> Iterator[Broken]:
    for rule in _RULES:
        yield from rule(flow)


def located_tasks(flow: Flow) -> Iterator[tuple[Location, Task]]:
    """Every task of the tree with its place in the document."""
    for branch, tasks in flow.branches():
        name, _, number = branch.partition(".")
        start: Location = (name, int(number), "tasks") if number else (name,)
        yield from _located(start, tasks)


def _located(start: Location, tasks: Iterable[Task]) -> Iterator[tuple[Location, Task]]:
    for position, task in enumerate(tasks):
        place = (*start, position)
        yield place, task
        for branch, children in task.branches():
            yield from _located((*place, *branch.split(".", 1)), children)


def _duplicates(named: list[tuple[Location, str]], what: str) -> Iterator[Broken]:
    counted = Counter(name for _, name in named)
    repeated = list(dict.fromkeys(name for _, name in named if counted[name] > 1))
    if repeated:
        seen: set[str] = set()
        for location, name in named:
            if name in seen:
                yield Broken(f"Duplicate {what} id with name [{', '.join(repeated)}]", (*location, "id"))
                return
            seen.add(name)


def _unique_tasks(flow: Flow) -> Iterator[Broken]:
    yield from _duplicates([(place, task.id) for place, task in located_tasks(flow)], "task")


def _unique_triggers(flow: Flow) -> Iterator[Broken]:
    yield from _duplicates([(("triggers", n), one.id) for n, one in enumerate(flow.triggers)], "trigger")


def _unique_inputs(flow: Flow) -> Iterator[Broken]:
    yield from _duplicates([(("inputs", n), one.id) for n, one in enumerate(flow.inputs)], "input")


def _unique_outputs(flow: Flow) -> Iterator[Broken]:
    yield from _duplicates([(("outputs", n), one.id) for n, one in enumerate(flow.outputs)], "output")


def _input_dependencies(flow: Flow) -> Iterator[Broken]:
    needs = {one.id: one.depends_on.inputs if one.depends_on else () for one in flow.inputs}
    for number, one in enumerate(flow.inputs):
        for name in needs[one.id]:
            if name == one.id:
                yield Broken(f"{one.id}: Input cannot depend on itself", ("inputs", number, "dependsOn"))
            elif name not in needs:
                yield Broken(f"{one.id}: Input with id '{name}' does not exist", ("inputs", number, "dependsOn"))
            elif reaches(needs, name, one.id):
                yield Broken(
                    f"{one.id}: Cycle dependency detected: `{one.id}` and `{name}`",
                    ("inputs", number, "dependsOn"),
                )


def reaches(needs: dict[str, tuple[str, ...]], start: str, goal: str) -> bool:
    waiting, seen = [start], {start}
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        fresh = [other for other in needs.get(name, ()) if other not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return False


def _no_call_of_itself(flow: Flow) -> Iterator[Broken]:
    """A task that says which flow it starts must not start its own."""
    for place, task in located_tasks(flow):
        target = (getattr(task, "namespace", None), getattr(task, "flow_id", None))
        if target == (flow.namespace, flow.id) and hasattr(task, "wait"):
            yield Broken(f"{task.id}: Recursive call to flow [{flow.namespace}.{flow.id}]", place)


_RULES: tuple[Callable[[Flow], Iterator[Broken]], ...] = (
    _unique_tasks,
    _unique_triggers,
    _unique_inputs,
    _unique_outputs,
    _input_dependencies,
    _no_call_of_itself,
)
