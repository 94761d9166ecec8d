"""Creates that arrive together share a transaction: one thread takes all that waits, writes it set-based, commits once.

Shares flow cache, input checks and building with `actions.trigger`; there is no ORM on this path.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import orjson
import psycopg
from django.conf import settings

from executions import audit, named_sql, store
from executions.api.executions import page_url
from executions.api.serialize import execution_json
from executions.inputs import checked_inputs
from executions.queue import postgres as queue
from executions.starting import Start, built, refuse_disabled
from executions.state import Execution
from flows import catalog
from flows.catalog import FlowNotFound
from flows.definition.model import Flow

log = logging.getLogger("celesta.create")
_SQL = named_sql.load(Path(__file__).with_name("create.sql"))
_BATCH = 100
_TRIES = 3
_NOTE_SECONDS = 1.0


@dataclass(slots=True)
class Wanted:
    """One create request. `keyed`: its id comes from an idempotency key, so that it may exist already."""

    namespace: str
    flow_id: str
    revision: int | None
    inputs: dict[str, Any]
    start: Start
    keyed: bool
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[bytes]"
    note: audit.Entry | None = None
    execution: Execution | None = field(default=None)


class Creator:
    """Its thread starts with the first request."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Wanted] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._notes: list[audit.Entry] = []
        self._noted = time.monotonic()

    async def create(
        self,
        namespace: str,
        flow_id: str,
        revision: int | None,
        inputs: dict[str, Any],
        start: Start,
        *,
        keyed: bool = False,
        note: audit.Entry | None = None,
    ) -> bytes:
        """The stored execution as JSON, after its commit. Raises what `actions.trigger` raises."""
        loop = asyncio.get_running_loop()
        wanted = Wanted(namespace, flow_id, revision, inputs, start, keyed, loop, loop.create_future(), note)
        self._ensure_thread()
        self._waiting.put(wanted)
        return await wanted.future

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="celesta-create", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            batch = self._next()
            if not batch:
                self._write_notes()
                continue
            try:
                self._serve(batch)
            except Exception as error:  # whatever it is, nobody may be left waiting
                log.exception("creating executions failed")
                _settle([(wanted, error) for wanted in batch])
            self._notes += [wanted.note for wanted in batch if wanted.note and wanted.execution is not None]
            if time.monotonic() - self._noted > _NOTE_SECONDS:
                self._write_notes()

    def _next(self) -> list[Wanted]:
        """All that waits; nothing after a second in which notes wait to be written."""
        batch: list[Wanted] = []
        with suppress(Empty):
            batch.append(self._waiting.get(timeout=_NOTE_SECONDS if self._notes else None))
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        return batch

    def _write_notes(self) -> None:
        """The audit rows of a second's creates are one statement: a commit each would halve the rate."""
        notes, self._notes, self._noted = self._notes, [], time.monotonic()
        try:
            audit.write(self._connected(), notes)
        except psycopg.Error:
            log.exception("creates could not be noted: %s", [note.target for note in notes])
            self._drop_connection()

    def _serve(self, batch: list[Wanted]) -> None:
        """A lost connection is tried again; what its commit wrote is recognised by its id."""
        written: set[str] = set()
        for attempt in range(_TRIES):
            try:
                connection = self._connected()
                if attempt:
                    written = _existing(connection, batch)
                answers = self._built(connection, batch)
                pending = [w for w in batch if w.execution is not None and w.start.execution_id not in written]
                answers += self._stored(connection, pending)
                break
            except psycopg.OperationalError as error:
                self._drop_connection()
                if attempt == _TRIES - 1:
                    answers = [(wanted, error) for wanted in batch]
        refused = {id(wanted) for wanted, _ in answers}
        _settle(answers + [(wanted, _answer(wanted)) for wanted in batch if id(wanted) not in refused])

    def _built(self, connection: Any, batch: Sequence[Wanted]) -> list[tuple[Wanted, Any]]:
        """Executions in `batch`, and refusals for those that cannot be."""
        refusals: list[tuple[Wanted, Any]] = []
        flows = _Flows(connection, batch)
        now = datetime.now(UTC)
        for wanted in batch:
            if wanted.execution is not None:
                continue
            try:
                flow = flows.of(wanted)
                refuse_disabled(flow)
                inputs = checked_inputs(
                    flow,
                    wanted.inputs,
                    {},
                    wanted.start.execution_id,
                    wanted.start.trigger,
                    connection=connection,
                )
                wanted.execution = built(flow, wanted.start, inputs, now, connection=connection)
            except psycopg.OperationalError:
                raise
            except Exception as refusal:
                refusals.append((wanted, refusal))
        return refusals

    def _stored(self, connection: Any, batch: Sequence[Wanted]) -> list[tuple[Wanted, Any]]:
        """All in one transaction; when that is refused, each in its own, so that one cannot spoil the others."""
        fresh = _without_repeated(connection, batch)
        if not fresh:
            return []
        try:
            _write(connection, fresh)
            return []
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            pass  # one of them is at fault
        refusals: list[tuple[Wanted, Any]] = []
        for wanted in fresh:
            try:
                _write(connection, [wanted])
            except psycopg.OperationalError:
                raise
            except psycopg.Error as refusal:
                if not (wanted.keyed and isinstance(refusal, psycopg.errors.UniqueViolation)):
                    refusals.append((wanted, refusal))
                else:
                    wanted.execution = store.load(connection, wanted.start.execution_id)
        return refusals

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                settings.DATABASE_DSN, autocommit=True, connect_timeout=5, application_name="celesta web create"
            )
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


class _Flows:
    """The flows of a batch: one query tells the latest revisions, the parsed texts come from the cache."""

    def __init__(self, connection: Any, batch: Sequence[Wanted]) -> None:
        self._connection = connection
        names = {(wanted.namespace, wanted.flow_id) for wanted in batch if wanted.revision is None}
        names = {name for name in names if "\0" not in "".join(name)}  # PostgreSQL would refuse all of them
        rows = connection.execute(
            _SQL["latest"], {"namespaces": [name for name, _ in names], "flows": [flow for _, flow in names]}
        ).fetchall()
        self._latest = {(row[0], row[1]): row[2] for row in rows if not row[3]}

    def of(self, wanted: Wanted) -> Flow:
        revision = wanted.revision or self._latest.get((wanted.namespace, wanted.flow_id))
        if revision is None:
            raise FlowNotFound(wanted.namespace, wanted.flow_id)
        return catalog.load(self._connection, wanted.namespace, wanted.flow_id, revision)


def _write(connection: Any, batch: Sequence[Wanted]) -> None:
    """One statement, which is one transaction: the connection is in autocommit mode."""
    store.create(connection, [wanted.execution for wanted in batch if wanted.execution is not None])
    with suppress(psycopg.Error):  # stored they are: the executor finds them without being rung for
        queue.ring(connection, (queue.WORK, queue.STREAM))


def _without_repeated(connection: Any, batch: Sequence[Wanted]) -> list[Wanted]:
    """Those whose idempotency key was used before get the execution of then."""
    keyed = [wanted for wanted in batch if wanted.keyed]
    known = _existing(connection, keyed) if keyed else set()
    fresh: dict[str, Wanted] = {}
    for wanted in batch:
        execution_id = wanted.start.execution_id
        if execution_id in known:
            wanted.execution = store.load(connection, execution_id)
        elif execution_id in fresh:
            wanted.execution = fresh[execution_id].execution
        else:
            fresh[execution_id] = wanted
    return list(fresh.values())


def _existing(connection: Any, batch: Sequence[Wanted]) -> set[str]:
    ids = [store.hex_of(wanted.start.execution_id) for wanted in batch]
    rows = connection.execute(_SQL["existing"], {"ids": ids}).fetchall()
    known = {row[0].hex for row in rows}
    return {wanted.start.execution_id for wanted in batch if store.hex_of(wanted.start.execution_id) in known}


def _answer(wanted: Wanted) -> bytes | Exception:
    try:
        return _shown(wanted)
    except Exception as error:  # it is stored, and cannot be shown: the others of the batch can
        log.exception("execution %s cannot be shown", wanted.start.execution_id)
        return error


def _shown(wanted: Wanted) -> bytes:
    execution = wanted.execution
    assert execution is not None
    url = page_url(execution.namespace, execution.flow_id, execution.id)
    return orjson.dumps(execution_json(execution, url=url))


def _settle(answers: Sequence[tuple[Wanted, Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Wanted, Any]]] = {}
    for wanted, answer in answers:
        by_loop.setdefault(wanted.loop, []).append((wanted, answer))
    for loop, group in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, group)


def _tell(answers: Sequence[tuple[Wanted, Any]]) -> None:
    for wanted, answer in answers:
        if wanted.future.done():
            continue
        if isinstance(answer, BaseException):
            wanted.future.set_exception(answer)
        else:
            wanted.future.set_result(answer)


current = Creator()
