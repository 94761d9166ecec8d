"""Aggregates kept in memory between the steps of an execution. The row lock says who may take one out."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from executions import store
from executions.queue.postgres import Claimed
from executions.state import Execution
from executions.transitions.outputs import json_size
from executor.connections import Connection

MAX_EXECUTIONS = 5_000
MAX_WEIGHT = 200_000  # about kB: a task run is one, and what an execution carries by its size
HEAVIEST = 100_000_000  # characters, behind which sizes are not counted any more


class StateCache:
    """Who takes an aggregate owns it; it comes back only after the commit, so nobody sees a step that was undone."""

    def __init__(self, max_executions: int = MAX_EXECUTIONS, max_weight: int = MAX_WEIGHT) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Execution] = OrderedDict()
        self._weights: dict[str, int] = {}
        self._weight = 0
        self._max_executions, self._max_weight = max_executions, max_weight

    def take(self, execution_id: str) -> Execution | None:
        with self._lock:
            return self._remove(execution_id)

    def put(self, execution: Execution) -> None:
        weight = _weight_of(execution)
        with self._lock:
            other = self._remove(execution.id)
            kept = other if other is not None and other.version > execution.version else execution
            self._kept[kept.id] = kept
            self._weights[kept.id] = weight if kept is execution else _weight_of(kept)
            self._weight += self._weights[kept.id]
            while len(self._kept) > self._max_executions or (self._weight > self._max_weight and len(self._kept) > 1):
                self._remove(next(iter(self._kept)))

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._weights.clear()
            self._weight = 0

    def __len__(self) -> int:
        return len(self._kept)

    def _remove(self, execution_id: str) -> Execution | None:
        execution = self._kept.pop(execution_id, None)
        if execution is not None:
            self._weight -= self._weights.pop(execution_id)
        return execution


def _weight_of(execution: Execution) -> int:
    """Called after each step, so what was given at the start is not walked through again."""
    if execution.start_size is None:
        execution.start_size = json_size([execution.inputs, execution.trigger], HEAVIEST)
    grown = json_size([execution.variables, execution.outputs], HEAVIEST)
    return len(execution.runs) + (execution.start_size + grown) // 1000


def obtain(connection: Connection, claimed: Sequence[Claimed], cache: StateCache) -> dict[str, Execution]:
    """The aggregates of locked executions: from memory where it is current, refreshed or read where not."""
    found: dict[str, Execution] = {}
    stale: dict[str, Execution] = {}
    rows: dict[str, dict[str, Any]] = {}
    for one in claimed:
        kept = cache.take(one.execution_id)
        if kept is not None and kept.version == one.version:
            found[kept.id] = kept
        elif one.row is not None and one.version <= 1:
            found[one.execution_id] = store.read_execution(one.row)
        else:
            if kept is not None and one.trimmed <= kept.version:
                stale[kept.id] = kept
            if one.row is not None:
                rows[one.execution_id] = one.row
    unread = [one.execution_id for one in claimed if one.execution_id not in found and one.execution_id not in rows]
    fresh = {id_: store.read_execution(row) for id_, row in rows.items()}
    fresh.update((execution.id, execution) for execution in store.read_scalars(connection, unread))
    store.refresh(connection, [(copy, fresh[copy.id]) for copy in stale.values()])
    new = {id_: execution for id_, execution in fresh.items() if id_ not in stale}
    store.fill(connection, new)
    return found | stale | new
