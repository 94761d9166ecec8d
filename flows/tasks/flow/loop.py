"""Loop (Kestra 2.0): its tasks once per item, each iteration a scope of its own with `item` in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field

from flows.definition.folders import is_address
from flows.definition.outputs import typed
from flows.definition.properties import Output
from flows.definition.states import State
from flows.expressions.render import UNDEFINED
from flows.tasks.base import Child, Closing, Json, Next, Opening, Task, TaskFailure, View, in_order
from flows.tasks.core.items import StoreItems
from flows.tasks.flow.sequential import TaskList
from flows.tasks.flow.values import text_of

_TYPE = "io.kestra.plugin.core.flow.Loop"
ITEM = "item"


def _no_list(value: Any) -> Any:
    return () if value is None else value


Outputs = Annotated[tuple[Output, ...], BeforeValidator(_no_list)]


class Loop(TaskList):
    relation = "DYNAMIC"

    values: Any
    concurrency_limit: int = Field(default=1, ge=0)
    transmit_failed: bool = True
    fetch_type: Literal["AUTO", "FETCH", "STORE"] = "AUTO"
    outputs: Outputs = ()

    @cached_property
    def parts(self) -> tuple[Task, ...]:
        """The tasks of one iteration as one, and what stores the outputs of all of them."""
        iteration = Iteration(
            id=f"{self.id}_iteration",
            type=f"{_TYPE}$Iteration",
            tasks=self.tasks,
            errors=self.errors,
            outputs=self.outputs,
            transmit_failed=self.transmit_failed,
        )
        store = StoreItems(
            id=f"{self.id}_outputs", type=f"{_TYPE}$Outputs", items="{{ outputs['" + iteration.id + "'] }}"
        )
        return iteration, store

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.parts
        yield "finally", self.finally_

    def error_tasks(self) -> Sequence[Task]:
        """Each iteration has its own."""
        return ()

    def open(self, view: View) -> Opening:
        items, stores = _items(view, self.values)
        if self.fetch_type != "AUTO":
            stores = self.fetch_type == "STORE"
        return Opening(memory={"items": items, "store": stores and bool(self.outputs)})

    def first(self, view: View) -> Sequence[Next]:
        count = len(view.memory["items"])
        wanted = min(self.concurrency_limit or count, count)
        return [self._iteration(view, index) for index in range(wanted)]

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        if ended.position > 0:
            return ()
        begun, count = view.children.count_of(self.parts[0].id), len(view.memory["items"])
        if begun < count:
            return [self._iteration(view, begun)]
        if view.memory["store"] and not view.children.open():
            return in_order(self.parts, 0)
        return ()

    def close(self, view: View) -> Closing:
        count = len(view.memory["items"])
        outputs: dict[str, Json] = {
            "iterationCount": count,
            "runningIterations": 0,
            "terminatedIterations": count,
        }
        if view.memory["store"]:
            outputs |= next(iter(view.children.outputs_of(self.parts[1].id).values()), {})
        elif self.outputs and count:
            outputs["outputs"] = list(view.children.outputs_of(self.parts[0].id).values())
        return Closing(None if self.transmit_failed else State.SUCCESS, outputs)

    def comes_after(self, run: Child, other: Child) -> bool:
        if self.concurrency_limit != 1 and run.position == other.position:
            return False
        return super().comes_after(run, other)

    def _iteration(self, view: View, index: int) -> Next:
        item = {**view.memory["items"][index], "index": index}
        outer = view.variables.get(ITEM)
        if isinstance(outer, Mapping):
            plain = {name: value for name, value in outer.items() if name not in ("parent", "parents")}
            item |= {"parent": plain, "parents": [plain, *outer.get("parents", ())]}
        return Next(self.parts[0], str(index), index, {ITEM: item})


class Iteration(TaskList):
    """One turn of a Loop."""

    outputs: Outputs = ()
    transmit_failed: bool = True

    def close(self, view: View) -> Closing:
        if not self.outputs:
            return Closing()
        item = view.variables[ITEM]
        shown = {"value": item["value"], "iteration": item["index"]}
        if "key" in item:
            shown["key"] = item["key"]
        values = {output.id: typed(output, view.render(output.value)) for output in self.outputs}
        return Closing(outputs={"item": shown, "outputs": values})

    def outcome(self, worst: State) -> State:
        return worst if self.transmit_failed or worst is not State.FAILED else State.WARNING


def _items(view: View, values: Json) -> tuple[list[dict[str, Json]], bool]:
    """What to go through, and whether it comes from a file. Raises to fail."""
    found = view.render(values)
    if is_address(found):
        text = str(view.render("{{ read(uri) }}", {"uri": found}))
        return [{"value": line} for line in text.splitlines() if line], True
    if isinstance(found, str):
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError as error:
            raise TaskFailure(f"The values are neither JSON nor the address of a file: {error}") from None
    if isinstance(found, Mapping):
        return [{"key": str(key), "value": text_of(value)} for key, value in found.items()], False
    if not isinstance(found, list | tuple):
        raise TaskFailure(f"The values must be a list or a map, not `{text_of(found)[:200]}`")
    if any(value is None or value is UNDEFINED for value in found):
        raise TaskFailure("The values must not hold null")
    return [{"value": text_of(value)} for value in found], False
