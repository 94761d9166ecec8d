"""What a web process knows of one watched execution: its rows in Kestra's form, and the order of its log lines."""

import asyncio
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from executions.api.serialize import execution_of_row, task_run_of_row
from executions.ids import to_uuid
from flows.definition.states import TERMINAL

_TERMINAL = {str(state) for state in TERMINAL}
_KEPT_LINES = 2_000
UNREAD = -1


@dataclass(frozen=True, slots=True)
class Change:
    """From one version to another; `reset` when task runs were taken away, so that all of them are given."""

    since: int
    version: int
    execution: dict[str, Any]
    runs: list[dict[str, Any]]
    reset: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "execution": self.execution,
            "taskRuns": self.runs,
            **({"reset": True} if self.reset else {}),
        }


@dataclass(slots=True, eq=False)
class Tail:
    """The log lines of an execution in the order in which this process met them. Readers keep an index into `ids`."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    known: set[int] = field(default_factory=set)
    recent: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))  # level, JSON
    floor: int = 0  # nothing with a smaller number can still be committed
    floors: deque[tuple[float, int]] = field(default_factory=deque)
    is_complete: bool = False  # the execution ended and every line was met
    read: bool = False

    def add(self, number: int) -> bool:
        if number in self.known:
            return False
        self.known.add(number)
        self.ids.append(number)
        return True

    def settle(self, now: float, seconds: float) -> None:
        """Lines met longer ago than `seconds` mark the floor below which nothing is looked for again."""
        self.floors.append((now, max(self.ids, default=0) if len(self.ids) < 64 else max(self.ids[-64:])))
        while self.floors and now - self.floors[0][0] > seconds:
            self.floor = max(self.floor, self.floors.popleft()[1])


class Watch:
    """One execution. `changed` is replaced at each change, so that any number of followers can await it."""

    def __init__(self, execution_id: str) -> None:
        self.id = execution_id
        self.uuid: UUID = to_uuid(execution_id)
        self.version = UNREAD
        self.row: dict[str, Any] | None = None
        self.runs: dict[str, tuple[int, dict[str, Any]]] = {}  # uuid text -> (seq, Kestra's form)
        self.open_runs: set[str] = set()
        self.followers = 0
        self.log_followers = 0
        self.tail = Tail()
        self.changed = asyncio.Event()
        self._snapshot: tuple[int, bytes] | None = None

    @property
    def is_ended(self) -> bool:
        """The state is final and so is that of every task run (those of afterExecution too)."""
        return self.row is not None and self.row["state"] in _TERMINAL and not self.open_runs

    @property
    def is_gone(self) -> bool:
        return self.version != UNREAD and self.row is None

    def apply(self, row: dict[str, Any], runs: list[dict[str, Any]]) -> Change | None:
        """Take in rows read from the database; None when they tell nothing new."""
        since = self.version
        if row["version"] <= since:
            return None
        reset = since != UNREAD and row.get("trimmed", 0) > since
        if reset:
            self.runs.clear()
            self.open_runs.clear()
        changed = []
        for run in runs:
            shown = task_run_of_row(row, run)
            self.runs[run["id"]] = run["seq"], shown
            (self.open_runs.discard if run["state"] in _TERMINAL else self.open_runs.add)(run["id"])
            changed.append(shown)
        self.row, self.version = row, row["version"]
        self._snapshot = None
        self.wake()
        return Change(since, self.version, execution_of_row(row), changed, reset or since == UNREAD)

    def vanish(self, version: int = 0) -> None:
        """The execution was deleted, or cannot be shown at this version."""
        self.row, self.version = None, version
        self.runs.clear()
        self.open_runs.clear()
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def snapshot(self) -> bytes:
        """The whole execution in Kestra's JSON, encoded once per version for all followers."""
        if self._snapshot is None or self._snapshot[0] != self.version:
            assert self.row is not None
            self._snapshot = self.version, orjson.dumps(execution_of_row(self.row, self.ordered_runs()))
        return self._snapshot[1]

    def ordered_runs(self) -> list[dict[str, Any]]:
        return [shown for _, shown in sorted(self.runs.values(), key=lambda pair: pair[0])]
