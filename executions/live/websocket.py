"""The WebSocket of one execution: what changed since the last message, as JSON, until its end. Says what the streams say.

Close codes: 1000 after the end, 4401 for who is not known, 4403 for who may no longer look, 4404 for what is not there,
4408 for who takes nothing, 1013 (come again) while the database is away.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.urls import path, re_path

from executions.ids import to_uuid
from executions.live import fanout
from executions.live.http import Refusal, caller_of
from executions.live.sse import DATABASE_AWAY, RECHECK_SECONDS, appeared
from executions.live.watch import Change, Watch
from flows.access import Role

log = logging.getLogger("celesta.live")
_KEPT = 100  # changes that may wait for a slow client; then it is sent the whole once
SLOW_SECONDS = 30.0  # a client that takes nothing for so long is let go; the others never wait for it
_CODES = {401: 4401, 403: 4403, 404: 4404, 429: 4429}


class _Gone(Exception):
    """The caller may no longer look."""


class ExecutionSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws/executions/{id}`. What clients send is not looked at."""

    async def connect(self) -> None:
        await self.accept()
        self._changes: asyncio.Queue[Change] = asyncio.Queue(_KEPT)
        self._missed = False
        self._pump = asyncio.get_running_loop().create_task(self._follow(), name="celesta-socket")

    async def disconnect(self, code: int) -> None:
        self._pump.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        return None

    async def _follow(self) -> None:
        try:
            execution_id = str(self.scope["url_route"]["kwargs"]["execution_id"])
            caller = await caller_of(self.scope)
            try:
                to_uuid(execution_id)
            except ValueError:
                raise Refusal(404, "") from None
            async with fanout.current().watching(execution_id) as watch:
                await appeared(watch)
                if watch.row is None or not caller.access.allows(Role.VIEWER, watch.row["namespace"]):
                    raise Refusal(404, "")
                await self._send_changes(watch, watch.row["namespace"])
            await self.close(1000)
        except Refusal as refusal:
            await self.close(_CODES.get(refusal.status, 4400))
        except _Gone:
            await self.close(4403)
        except DATABASE_AWAY as error:
            log.warning("a socket is closed, the database is away: %s", str(error).strip())
            await self.close(1013)
        except TimeoutError:
            with suppress(Exception):  # it will hardly take the reason either
                async with asyncio.timeout(SLOW_SECONDS):
                    await self.close(4408)

    async def _send_changes(self, watch: Watch, namespace: str) -> None:
        """The whole first; the listener is there before it is read, so nothing falls between."""
        listeners = fanout.current().listeners

        def listen(changed: Watch, change: Change) -> None:
            if changed is watch:
                self._put(change)

        listeners.append(listen)
        try:
            sent = await self._send_whole(watch)
            checked = time.monotonic()
            while not (watch.is_gone or (watch.is_ended and sent >= watch.version)):
                change = None
                with suppress(TimeoutError):
                    change = await asyncio.wait_for(self._changes.get(), 1.0)
                if self._missed:
                    self._missed = False
                    sent = await self._send_whole(watch)
                elif change is not None and change.version > sent:
                    await self._give(change.as_json())
                    sent = change.version
                if time.monotonic() - checked >= RECHECK_SECONDS:
                    checked = time.monotonic()
                    await self._recheck(namespace)
        finally:
            listeners.remove(listen)

    def _put(self, change: Change) -> None:
        try:
            self._changes.put_nowait(change)
        except asyncio.QueueFull:
            self._missed = True
            while not self._changes.empty():
                self._changes.get_nowait()

    async def _send_whole(self, watch: Watch) -> int:
        version, shown = watch.version, orjson.loads(watch.snapshot())
        runs = shown.pop("taskRunList", [])
        whole: dict[str, Any] = {"version": version, "execution": shown, "taskRuns": runs, "reset": True}
        await self._give(whole)
        return version

    async def _give(self, message: dict[str, Any]) -> None:
        """Raises TimeoutError for a client that takes nothing."""
        async with asyncio.timeout(SLOW_SECONDS):
            await self.send(text_data=orjson.dumps(message).decode())

    async def _recheck(self, namespace: str) -> None:
        try:
            caller = await caller_of(self.scope)
        except Refusal:
            raise _Gone from None
        except DatabaseError:
            return  # nobody can tell now: asked again in a moment
        if not caller.access.allows(Role.VIEWER, namespace):
            raise _Gone


class Nothing(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Any other address: refused before it opens."""

    async def connect(self) -> None:
        await self.close()


urlpatterns = [path("ws/executions/<str:execution_id>", ExecutionSocket.as_asgi()), re_path("", Nothing.as_asgi())]
