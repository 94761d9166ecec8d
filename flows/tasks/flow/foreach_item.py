"""ForEachItem: a file split into batches, an execution of a flow for each, their outputs merged into a file again.

It shows itself as three tasks: `<id>_split` and `<id>_merge` run on a worker, `<id>_items` starts the executions. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field

from flows.definition.folders import task_prefix
from flows.definition.states import State
from flows.definition.strict import Strict
from flows.tasks.base import (
    Child,
    ChildEnd,
    ExecutableTask,
    FlowableTask,
    Json,
    Launch,
    Next,
    Progress,
    Restart,
    Task,
    View,
    in_order,
)
from flows.tasks.core.items import BASE_URI, MergeOutputs, SplitItems
from flows.tasks.flow.subflow import RESTARTABLE, StartsFlow, launch

_TYPE = "io.kestra.plugin.core.flow.ForEachItem"
# The place of a task run in the internal storage.
_PLACE = ["{{ flow.namespace }}", "{{ flow.id }}", "{{ execution.id }}", "{{ task.id }}", "{{ taskrun.id }}"]
# The worst first.
_SEVERITY = (State.FAILED, State.KILLED, State.CANCELLED, State.WARNING)


class Batch(Strict):
    """How many rows, bytes or files make a batch; the first that is set counts (partitions, bytes, rows)."""

    rows: Any = None
    bytes: Any = None
    partitions: Any = None
    separator: str = "\n"


class ForEachItem(StartsFlow, FlowableTask):
    aliases = ("io.kestra.core.tasks.flows.ForEachItem",)
    relation = "DYNAMIC"

    items: str
    batch: Batch = Field(default_factory=Batch)

    @cached_property
    def parts(self) -> tuple[Task, ...]:
        """The three tasks. Whatever holds for the whole (retry, allowFailure) is not repeated in them."""
        common: dict[str, Any] = {"worker_group": self.worker_group, "log_level": self.log_level}
        split = SplitItems(
            id=f"{self.id}_split",
            type=f"{_TYPE}$ForEachItemSplit",
            items=self.items,
            timeout=self.timeout,
            rows=self.batch.rows,
            size=self.batch.bytes,
            partitions=self.batch.partitions,
            separator=self.batch.separator,
            **common,
        )
        own = {name: getattr(self, name) for name in StartsFlow.model_fields if name not in Task.model_fields}
        start = StartForItems(id=f"{self.id}_items", type=f"{_TYPE}$ForEachItemExecutable", split=split.id, **own)
        merge = MergeOutputs(
            id=f"{self.id}_merge", type=f"{_TYPE}$ForEachItemMergeOutputs", items_task=start.id, **common
        )
        return split, start, merge

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.parts
        yield "errors", self.errors
        yield "finally", self.finally_

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self.parts)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self.parts, ended.position)


class StartForItems(StartsFlow, ExecutableTask):
    """One execution per batch. How many are in which state is counted, not listed: each end costs the same."""

    split: str  # id of the task that made the batches

    def launches(self, view: View) -> Sequence[Launch]:
        uris = self._batches(view)
        return [
            launch(self, view, {"taskrun": {"items": uri, "iteration": index}}, iteration=index)
            for index, uri in enumerate(uris)
        ]

    def _batches(self, view: View) -> list[str]:
        split = view.siblings.outputs_of(self.split).get(None, {})
        listed = view.text("{{ read(uri) }}", {"uri": split.get("splits")})
        return [line for line in listed.splitlines() if line]

    def progress(self, view: View, news: ChildEnd) -> Progress:
        memory = dict(view.memory)
        index = news.iteration or 0
        known = "started" if news.state is None else "ended"
        if _has(memory, known, index):
            return Progress()
        counts = dict(memory.get("counts", {}))
        if news.state is None:
            # Nobody waits for it: to be started is all that it can bring.
            _count(counts, State.RUNNING if self.wait else State.SUCCESS, 1)
        elif _has(memory, "started", index):
            _count(counts, State.RUNNING, -1)
            _count(counts, news.state, 1)
            if news.state in RESTARTABLE:
                memory["failed"] = {**memory.get("failed", {}), str(index): [news.execution_id, news.state.value]}
        else:
            return Progress(State.FAILED)  # it could not even start, and neither can the others
        memory.update(_marked(memory, known, index), counts=counts)
        state, outputs = self._state(memory, counts), self._outputs(memory, counts)
        if state is not None and self.wait:
            outputs[BASE_URI] = f"kestra://{task_prefix(*map(view.text, _PLACE))}"
        return Progress(state, outputs, memory)

    def _outputs(self, memory: Mapping[str, Json], counts: Mapping[str, int]) -> dict[str, Json]:
        waiting = {"CREATED": memory["launched"] - sum(counts.values()), "RUNNING": 0} if self.wait else {}
        return {"numberOfBatches": memory["launched"], "iterations": {**waiting, **counts}}

    def _state(self, memory: Mapping[str, Json], counts: Mapping[str, int]) -> State | None:
        if sum(counts.values()) - counts.get(State.RUNNING, 0) < memory["launched"]:
            return None
        if not self.transmit_failed:
            return State.SUCCESS
        return next((state for state in _SEVERITY if counts.get(state)), State.SUCCESS)

    def restart(self, view: View) -> Restart | None:
        failed: Mapping[str, Json] = view.memory.get("failed", {})
        if self.restart_behavior != "RETRY_FAILED" or not failed:
            return None
        memory, counts = {**view.memory, "failed": {}}, dict(view.memory["counts"])
        for index, (_, state) in failed.items():
            _count(counts, State(state), -1)
            _count(counts, State.RUNNING, 1)
            memory["ended"] = f"{int(memory['ended'], 16) & ~(1 << int(index)):x}"
        memory["counts"] = counts
        return Restart(tuple((str(child_id), int(index)) for index, (child_id, _) in failed.items()), memory)


def _count(counts: dict[str, int], state: State, change: int) -> None:
    counts[state.value] = counts.get(state.value, 0) + change


def _has(memory: Mapping[str, Json], name: str, index: int) -> bool:
    return bool(int(memory.get(name, "0"), 16) >> index & 1)


def _marked(memory: Mapping[str, Json], name: str, index: int) -> dict[str, Json]:
    """Which batches are counted already, a bit for each: no news counts twice, and thousands stay small."""
    return {name: f"{int(memory.get(name, '0'), 16) | 1 << index:x}"}
