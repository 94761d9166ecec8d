"""The stream of an execution and those that belong to it: each state of each, until all have ended."""

import asyncio
from contextlib import suppress
from typing import Any

import orjson

from executions.api.serialize import state_json
from executions.ids import to_base62, to_uuid
from executions.live import fanout
from executions.live.http import Disconnected, Receive, Refusal, Scope, Send, caller_of, query_of, refuse
from executions.live.sse import DATABASE_AWAY, Stream, event, tell_away
from flows.access import Access, Role
from flows.definition.states import TERMINAL

_PAUSE_SECONDS = 0.3  # at most so often is looked for what changed
_LOOK_SECONDS = 2.0  # and at least so often
_TERMINAL = {str(state) for state in TERMINAL}


async def follow_dependencies(scope: Scope, receive: Receive, send: Send, execution_id: str) -> None:
    """`?destinationOnly=true`: only what it started; else all that share its correlation id."""
    stream: Stream | None = None
    try:
        caller = await caller_of(scope)
        only = query_of(scope).get("destinationOnly", "").lower() == "true"
        async with fanout.current().listening(caller.access) as bell:
            rows = await _related(execution_id, only, caller.access)
            own = next((row for row in rows if to_base62(row.id) == execution_id), None)
            if own is None:
                raise Refusal(404, f"Not Found: execution {execution_id[:60]}")
            stream = Stream(scope, receive, send, own.namespace)
            await stream.open()
            await stream.write(event(b"start", orjson.dumps(_shown(own))))
            seen: dict[Any, int] = {}
            while True:
                await _tell(stream, rows, seen)
                if all(row.state in _TERMINAL for row in rows):
                    own = next((row for row in rows if to_base62(row.id) == execution_id), own)
                    await stream.write(event(b"end", orjson.dumps(_shown(own))))
                    return
                await stream.wait(bell.rung, _LOOK_SECONDS)
                bell.take()
                await asyncio.sleep(_PAUSE_SECONDS)
                rows = await _related(execution_id, only, caller.access)
    except Refusal as refusal:
        await refuse(send, scope, refusal)
    except Disconnected:
        pass
    except DATABASE_AWAY as error:
        await tell_away(stream, scope, send, error)
    finally:
        if stream is not None:
            await stream.close()


async def _related(execution_id: str, destination_only: bool, access: Access) -> list[Any]:
    with suppress(ValueError):
        rows = await fanout.current().related(to_uuid(execution_id), destination_only=destination_only)
        return [row for row in rows if access.allows(Role.VIEWER, row.namespace)]
    return []


async def _tell(stream: Stream, rows: list[Any], seen: dict[Any, int]) -> None:
    for row in rows:
        if seen.get(row.id, -1) < row.version:
            seen[row.id] = row.version
            await stream.write(event(b"progress", orjson.dumps(_shown(row))))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "executionId": to_base62(row.id),
        "tenantId": "main",
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "state": state_json(row.state, orjson.loads(row.histories)),
    }
