"""The one stream consumer of a web process. Hints (NOTIFY and rows of `queues`) say where to look, row versions are the
truth: once a second the versions of all watched executions are compared, so a lost, late or purged hint costs at most that.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from django.conf import settings
from psycopg.rows import namedtuple_row

from executions import named_sql
from executions.api.serialize import iso, log_json
from executions.ids import to_base62
from executions.live.watch import UNREAD, Change, Watch
from flows.access import Access, Role

log = logging.getLogger("celesta.live")
_SQL = named_sql.load(Path(__file__).with_name("live.sql"))
COMPARE_SECONDS = 1.0
_GAP_SECONDS = 1.5  # afterwards the comparison of versions has seen what a late row would have told
_MOST_GAPS = 5_000
_BATCH = 200
_LOG_SECONDS = 60.0  # how late a log line with a smaller number may be committed and still be shown at once
_LOG_CHUNK = 500

Listener = Callable[[Watch, Change], None]


class Bell:
    """Says that something changed, without holding what: for pages, which read that themselves."""

    def __init__(self, namespace: str | None, access: Access | None = None) -> None:
        self.namespace, self._access = namespace, access
        self.version = 0
        self.rung = asyncio.Event()
        self._news: dict[str, int] = {}

    def ring(self, kind: str, number: int, namespace: str | None = None) -> None:
        if self._access is None or (namespace is not None and self._access.allows(Role.VIEWER, namespace)):
            self._news[kind] = number
            self.rung.set()

    def take(self) -> list[tuple[str, int]]:
        news, self._news = list(self._news.items()), {}
        self.rung.clear()
        return news


class Fanout:
    """Lives in one event loop; the connections are opened with the first follower and closed when nobody follows."""

    def __init__(self) -> None:
        self.watches: dict[UUID, Watch] = {}
        self.listeners: list[Listener] = []  # told of each change of a watched execution
        self.summary_listeners: list[Callable[[int, Any], None]] = []  # told of every execution's changes
        self.summaries_wanted = 0
        self.bells: dict[UUID, set[Bell]] = {}
        self._task: asyncio.Task[None] | None = None
        self._reader: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._high = 0
        self._gaps: dict[int, float] = {}
        self._idle_since: float | None = None
        self.lag = 0.0  # seconds between the writing of the last hint and its reading

    # -- followers

    @asynccontextmanager
    async def watching(self, execution_id: str, *, logs: bool = False) -> AsyncIterator[Watch]:
        """Subscribe first, then read: what is committed from here on reaches the watch. Raises ValueError for no id."""
        watch = Watch(execution_id)
        watch = self.watches.setdefault(watch.uuid, watch)
        watch.followers += 1
        watch.log_followers += logs
        try:
            self._ensure_running()
            await self.refresh([watch])
            if logs and not watch.tail.read:
                await self._read_tails([watch])
            yield watch
        finally:
            watch.followers -= 1
            watch.log_followers -= logs
            if watch.followers == 0:
                self.watches.pop(watch.uuid, None)

    @asynccontextmanager
    async def watching_summaries(self) -> AsyncIterator[None]:
        self.summaries_wanted += 1
        try:
            self._ensure_running()
            yield
        finally:
            self.summaries_wanted -= 1

    @asynccontextmanager
    async def listening_to(self, execution: UUID) -> AsyncIterator[Bell]:
        """One execution's bell; its namespace is None when there is no such execution."""
        bell = Bell(None)
        self.bells.setdefault(execution, set()).add(bell)
        try:
            self._ensure_running()
            for row in await self._read("namespaces", {"ids": [execution]}):
                bell.namespace, bell.version = row[1], row[2]
            yield bell
        finally:
            self.bells[execution].discard(bell)
            if not self.bells[execution]:
                del self.bells[execution]

    @asynccontextmanager
    async def listening(self, access: Access) -> AsyncIterator[Bell]:
        """Rung by every execution that the caller may see."""
        bell = Bell("", access)

        def ring(number: int, row: Any) -> None:
            bell.ring("executions", number, row.namespace)

        self.summary_listeners.append(ring)
        try:
            async with self.watching_summaries():
                yield bell
        finally:
            self.summary_listeners.remove(ring)

    async def ended(self, execution_id: str, seconds: float) -> bool:
        """Wait for the end of an execution."""
        deadline = time.monotonic() + seconds
        async with self.watching(execution_id) as watch:
            while not (watch.is_ended or watch.is_gone):
                changed = watch.changed
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
        return True

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    # -- the consumer

    def _ensure_running(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="celesta-fanout")

    async def _run(self) -> None:
        pause = 0.1
        while self._is_wanted():
            try:
                async with await _connect() as listener, self._reading():
                    await listener.execute("LISTEN celesta_stream")
                    pause = 0.1
                    await self._consume(listener)
            except (psycopg.Error, OSError) as error:
                log.warning("stream consumer lost its connection, trying again: %s", str(error).strip())
            except Exception:
                log.exception("the stream consumer goes on")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _is_wanted(self) -> bool:
        """Keeps the connections for a while after the last follower left: pages come and go."""
        if self.watches or self.bells or self.summaries_wanted:
            self._idle_since = None
            return True
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        return now - self._idle_since < 10

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        async with self._lock:
            self._reader = await _connect()
        try:
            yield
        finally:
            reader, self._reader = self._reader, None
            if reader is not None:
                await reader.close()

    async def _consume(self, listener: "psycopg.AsyncConnection[Any]") -> None:
        self._gaps.clear()
        self._high = (await self._read("highest", {}))[0][0]
        compared = 0.0
        while self._is_wanted():
            if time.monotonic() - compared >= COMPARE_SECONDS:
                compared = time.monotonic()
                dirty, logs = await self._outdated(), [w for w in self.watches.values() if w.log_followers]
                found = await self._hints()
                await self._apply(dirty | found[0], {w.uuid for w in logs} | found[1])
            left = max(0.0, COMPARE_SECONDS - (time.monotonic() - compared))
            async for _ in listener.notifies(timeout=left, stop_after=1):
                await self._apply(*await self._hints())

    async def _apply(self, dirty: set[UUID], logs: set[UUID]) -> None:
        await self.refresh([self.watches[key] for key in dirty if key in self.watches])
        await self._read_tails([self.watches[key] for key in logs if key in self.watches])

    async def _outdated(self) -> set[UUID]:
        """The safety net: one query for everything that is watched."""
        if not self.watches and not self.bells:
            return set()
        rows = await self._read("versions", {"ids": list(self.watches.keys() | self.bells.keys())})
        versions = {row[0]: row[1] for row in rows}
        for key, bells in self.bells.items():
            for bell in bells:
                if versions.get(key, 0) > bell.version:
                    bell.version = versions[key]
                    bell.ring("execution", self._high)
        for key, watch in list(self.watches.items()):
            if key not in versions and watch.row is not None:
                watch.vanish()
        return {key for key, version in versions.items() if key in self.watches and version > self.watches[key].version}

    async def _hints(self) -> tuple[set[UUID], set[UUID]]:
        """Executions and logs that have news: new rows, and those that were committed late into a recent gap."""
        rows: list[Any] = []
        while True:
            found = await self._read("hints", {"high": self._high, "limit": 5000})
            rows += found
            self._remember_gaps(found)
            if found:
                self.lag = max(0.0, found[-1][4])
            if len(found) < 5000:
                break
        if self._gaps:
            late = await self._read("late_hints", {"gaps": list(self._gaps)})
            for row in late:
                self._gaps.pop(row[0], None)
            rows += late
        dirty, logs, summaries = set(), set(), {}
        for number, kind, execution, body, _ in rows:
            if kind == "execution" and self.summaries_wanted:
                summaries[execution] = number
            for bell in self.bells.get(execution, ()):
                bell.ring(kind, number)
            watch = self.watches.get(execution)
            if watch is None:
                continue
            if kind == "execution" and orjson.loads(body).get("version", 0) > watch.version:
                dirty.add(execution)
            elif kind == "log" and watch.log_followers:
                logs.add(execution)
        if summaries:
            await self._tell_summaries(summaries)
        return dirty, logs

    def _remember_gaps(self, rows: list[Any]) -> None:
        now = time.monotonic()
        for number, since in list(self._gaps.items()):
            if now - since > _GAP_SECONDS:
                del self._gaps[number]
        for row in rows:
            first = max(self._high + 1, row[0] - _MOST_GAPS)
            self._gaps.update(dict.fromkeys(range(first, row[0]), now))
            self._high = row[0]
        while len(self._gaps) > _MOST_GAPS:
            del self._gaps[next(iter(self._gaps))]

    # -- reading rows

    async def refresh(self, watches: Iterable[Watch]) -> None:
        """Read what changed since each watch's version and tell everybody."""
        wanted = list(watches)
        for first in range(0, len(wanted), _BATCH):
            await self._refresh_some({watch.uuid: watch for watch in wanted[first : first + _BATCH]})

    async def _refresh_some(self, watches: dict[UUID, Watch]) -> None:
        # The execution's row before its task runs: these are then at least as new as it.
        rows = [orjson.loads(row[0]) for row in await self._read("executions", {"ids": list(watches)})]
        since = [
            (
                UUID(row["id"]),
                UNREAD if row["trimmed"] > watches[UUID(row["id"])].version else watches[UUID(row["id"])].version,
            )
            for row in rows
        ]
        found = await self._read(
            "runs_since", {"ids": [key for key, _ in since], "versions": [version for _, version in since]}
        )
        runs: dict[str, list[Any]] = {}
        for (text,) in found:
            run = orjson.loads(text)
            runs.setdefault(run["execution_id"], []).append(run)
        await self._fetch_large([run for group in runs.values() for run in group])
        for row in rows:
            watch = watches[UUID(row["id"])]
            try:
                change = watch.apply(row, runs.get(row["id"], []))
            except Exception:  # rows that nobody foresaw: their followers go, all others stay
                log.exception("execution %s cannot be shown", watch.id)
                watch.vanish(row["version"])
                continue
            if change:
                for listener in self.listeners:
                    listener(watch, change)
        for key in watches.keys() - {key for key, _ in since}:
            if watches[key].row is not None:
                watches[key].vanish()

    async def _fetch_large(self, runs: list[dict[str, Any]]) -> None:
        """Outputs above 8 kB are stored apart."""
        wanted = {run["outputs_ref"] for run in runs if run["outputs_ref"] is not None and run["outputs"] is None}
        if wanted:
            rows = await self._read("payloads", {"ids": list(wanted)})
            values = {row[0]: orjson.loads(row[1]) for row in rows}
            for run in runs:
                if run["outputs_ref"] in values:
                    run["outputs"] = values[run["outputs_ref"]]

    async def _read_tails(self, watches: list[Watch]) -> None:
        now = time.monotonic()
        for watch in watches:
            tail, ended = watch.tail, watch.is_ended
            floor = 0 if ended and not tail.is_complete else tail.floor
            rows = await self._read("log_ids", {"id": watch.uuid, "floor": floor})
            new = [row[0] for row in rows if tail.add(row[0])]
            if tail.read and 0 < len(new) <= _LOG_CHUNK:
                tail.recent.extend(await self.log_lines(new))
            elif new:
                tail.recent.clear()
            tail.settle(now, _LOG_SECONDS)
            tail.read = True
            finished = ended and not tail.is_complete
            tail.is_complete = tail.is_complete or ended
            if new or finished:
                watch.wake()

    async def log_lines(self, numbers: list[int]) -> list[tuple[int, bytes]]:
        """(level, JSON) of log lines in the given order; a line deleted meanwhile becomes empty."""
        rows = {row.id: row for row in await self._read("logs", {"ids": numbers}, row_factory=namedtuple_row)}
        return [
            (rows[number].level, orjson.dumps(log_json(rows[number]))) if number in rows else (-1, b"")
            for number in numbers
        ]

    async def related(self, execution: UUID, *, destination_only: bool) -> list[Any]:
        """The execution and those that belong to it (`live.sql`), the oldest first."""
        name = "started_by" if destination_only else "correlated"
        return await self._read(name, {"id": execution}, row_factory=namedtuple_row)

    async def _tell_summaries(self, hints: dict[UUID, int]) -> None:
        for row in await self._read("summaries", {"ids": list(hints)}, row_factory=namedtuple_row):
            for listener in self.summary_listeners:
                listener(hints[row.id], row)

    async def _read(self, name: str, params: dict[str, Any], row_factory: Any = None) -> list[Any]:
        async with self._lock:
            if self._reader is None or self._reader.closed:
                self._reader = await _connect()
            options = {"row_factory": row_factory} if row_factory else {}
            async with self._reader.cursor(**options) as cursor:
                await cursor.execute(_SQL[name], params)
                rows: list[Any] = await cursor.fetchall()
                return rows


async def _connect() -> "psycopg.AsyncConnection[Any]":
    return await psycopg.AsyncConnection.connect(
        settings.DATABASE_DIRECT_DSN,
        autocommit=True,
        connect_timeout=5,
        application_name="celesta web stream",
        options="-c statement_timeout=15000",
    )


_by_loop: "WeakKeyDictionary[asyncio.AbstractEventLoop, Fanout]" = WeakKeyDictionary()


def current() -> Fanout:
    """The consumer of this event loop; a web process has one loop."""
    loop = asyncio.get_running_loop()
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = Fanout()
    return found


@dataclass(frozen=True, slots=True)
class Figures:
    followers: int
    lag: float


def figures() -> Figures:
    """Of all event loops of this process: for metrics, from any thread."""
    known = list(_by_loop.values())
    watching = sum(watch.followers for one in known for watch in list(one.watches.values()))
    ringing = sum(len(bells) for one in known for bells in list(one.bells.values()))
    listening = sum(one.summaries_wanted for one in known)
    return Figures(watching + ringing + listening, max((one.lag for one in known), default=0.0))


def summary_json(row: Any) -> dict[str, Any]:
    return {
        "id": to_base62(row.id),
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "flowRevision": row.flow_revision,
        "state": row.state,
        "version": row.version,
        "labels": orjson.loads(row.labels),
        "triggerId": row.trigger_id,
        "startDate": iso(row.start_date),
        "endDate": iso(row.end_date) if row.end_date else None,
    }
