"""Kestra's event streams of one execution and of its log lines, as raw ASGI: no thread per socket.

The wire format is Kestra's: the kind of an event stands in its `id`, events have no name, the server closes after `end`.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import orjson
import psycopg
from django.db import DatabaseError

from executions.api.serialize import LEVELS
from executions.ids import to_uuid
from executions.live import fanout
from executions.live.http import Disconnected, Receive, Refusal, Scope, Send, caller_of, query_of, refuse
from executions.live.watch import Tail, Watch
from flows.access import Role

log = logging.getLogger("celesta.live")
DATABASE_AWAY = (DatabaseError, psycopg.OperationalError)
HEARTBEAT_SECONDS = 10.0
RECHECK_SECONDS = 4.0  # a logout or a withdrawn right ends the stream within this time
SLOW_SECONDS = 30.0  # a client that takes nothing for so long is let go; the others never wait for it
APPEAR_SECONDS = 10.0  # a follower may come before the execution is committed
_LINES_AT_ONCE = 500
# Executions with many task runs are sent whole no more often than this.
_LARGE_RUNS, _LARGE_SECONDS = 500, 0.5


class Stream:
    """One open event stream: sends, beats, notices that the client left or may no longer read."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, namespace: str, *, anywhere: bool = False) -> None:
        """`anywhere`: a stream over all namespaces, each event of which is checked by itself."""
        self._scope, self._receive, self._send = scope, receive, send
        self._namespace, self._anywhere = namespace, anywhere
        self._gone = asyncio.get_running_loop().create_task(self._until_gone())
        self._beat = self._checked = time.monotonic()

    async def open(self) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, body: bytes) -> None:
        if self._gone.done():
            raise Disconnected
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise Disconnected from None
        self._beat = time.monotonic()

    async def close(self) -> None:
        self._gone.cancel()
        with suppress(Exception):
            async with asyncio.timeout(1):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def wait(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Until the event, at most `seconds`; beats and checks meanwhile. Raises Disconnected."""
        until = None if seconds is None else time.monotonic() + seconds
        changed = asyncio.ensure_future(event.wait())
        try:
            while not changed.done():
                step = RECHECK_SECONDS if until is None else min(RECHECK_SECONDS, until - time.monotonic())
                if step <= 0:
                    return
                await asyncio.wait({changed, self._gone}, timeout=step, return_when=asyncio.FIRST_COMPLETED)
                await self._look_after()
        finally:
            changed.cancel()

    async def _look_after(self) -> None:
        if self._gone.done():
            raise Disconnected
        now = time.monotonic()
        if now - self._checked >= RECHECK_SECONDS:
            self._checked = now
            await self._recheck()
        if now - self._beat >= HEARTBEAT_SECONDS:
            await self.write(b":\n\n")

    async def _recheck(self) -> None:
        try:
            caller = await caller_of(self._scope)
        except Refusal:
            raise Disconnected from None
        except DatabaseError:
            return  # nobody can tell now: asked again in a moment
        access = caller.access
        if not (
            access.allows_somewhere(Role.VIEWER) if self._anywhere else access.allows(Role.VIEWER, self._namespace)
        ):
            raise Disconnected

    async def _until_gone(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return


async def follow_execution(scope: Scope, receive: Receive, send: Send, execution_id: str) -> None:
    await _guarded(scope, receive, send, execution_id, _execution_events, logs=False)


async def follow_logs(scope: Scope, receive: Receive, send: Send, execution_id: str) -> None:
    await _guarded(scope, receive, send, execution_id, _log_events, logs=True)


async def _guarded(scope: Scope, receive: Receive, send: Send, execution_id: str, events: Any, *, logs: bool) -> None:
    """Subscribe, then look whether the caller may; what may not be seen does not exist."""
    stream: Stream | None = None
    try:
        caller = await caller_of(scope)
        missing = Refusal(404, f"Not Found: execution {execution_id[:60]}")
        try:
            to_uuid(execution_id)
        except ValueError:
            raise missing from None
        level = _level(query_of(scope)) if logs else 0
        async with fanout.current().watching(execution_id, logs=logs) as watch:
            await appeared(watch)
            if watch.row is None or not caller.access.allows(Role.VIEWER, watch.row["namespace"]):
                raise missing
            stream = Stream(scope, receive, send, watch.row["namespace"])
            await stream.open()
            await events(stream, watch, level)
    except Refusal as refusal:
        await refuse(send, scope, refusal)
    except Disconnected:
        pass
    except DATABASE_AWAY as error:
        await tell_away(stream, scope, send, error)
    finally:
        if stream is not None:
            await stream.close()


async def tell_away(stream: Stream | None, scope: Scope, send: Send, error: Exception) -> None:
    """A stream that has begun just ends: its reader comes again."""
    log.warning("a stream ends, the database is away: %s", str(error).strip())
    if stream is None:
        await refuse(send, scope, Refusal(503, "The database cannot be reached at the moment"))


async def appeared(watch: Watch) -> None:
    deadline = time.monotonic() + APPEAR_SECONDS
    while watch.row is None and time.monotonic() < deadline:
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.changed.wait(), min(0.2, deadline - time.monotonic()))
        if watch.row is None:
            await fanout.current().refresh([watch])


async def _execution_events(stream: Stream, watch: Watch, _: int) -> None:
    await stream.write(event(b"start", orjson.dumps({"id": watch.id})))
    sent = -1
    while True:
        changed = watch.changed
        if watch.is_gone:
            return
        if watch.is_ended:
            await stream.write(event(b"end", watch.snapshot()))
            return
        if watch.version > sent:
            sent = watch.version
            await stream.write(event(b"progress", watch.snapshot()))
            if len(watch.runs) > _LARGE_RUNS:
                await stream.wait(asyncio.Event(), _LARGE_SECONDS)
        if watch.version <= sent and not watch.is_ended and not watch.is_gone:
            await stream.wait(changed)


async def _log_events(stream: Stream, watch: Watch, level: int) -> None:
    assert watch.row is not None
    start = {"executionId": watch.id, "namespace": watch.row["namespace"], "flowId": watch.row["flow_id"]}
    await stream.write(event(b"start", orjson.dumps(start)))
    position, tail = 0, watch.tail
    while True:
        changed = watch.changed
        while position < len(tail.ids):
            lines, position = await _next_lines(tail, position)
            body = b"".join(event(b"progress", line) for own, line in lines if own >= level)
            if body:
                await stream.write(body)
        if tail.is_complete or watch.is_gone:
            return
        await stream.wait(changed)


async def _next_lines(tail: Tail, position: int) -> tuple[list[tuple[int, bytes]], int]:
    """From memory for who keeps up, from the database for who is behind."""
    kept = len(tail.ids) - len(tail.recent)
    if position >= kept:
        lines = list(tail.recent)[position - kept :]
        return lines, position + len(lines)
    numbers = list(tail.ids[position : min(position + _LINES_AT_ONCE, kept)])
    return await fanout.current().log_lines(numbers), position + len(numbers)


def event(kind: bytes, data: bytes) -> bytes:
    return b"id: " + kind + b"\ndata: " + data + b"\n\n"


def _level(query: Any) -> int:
    name = next((query[key] for key in query if key == "minLevel" or key.lower().startswith("filters[level]")), "")
    if not name:
        return 0
    if name.upper() not in LEVELS:
        raise Refusal(422, f"Illegal argument: unknown level {name[:40]!r}")
    return LEVELS.index(name.upper())
