"""The stream that pages read: hints that say "look again". A page then reads what changed by version, over its own views.

So an event that is lost, doubled or late costs a moment, never a change, and a reader that comes back misses nothing.
"""

import asyncio
from contextlib import AbstractAsyncContextManager

from executions.api.auth import Caller
from executions.ids import to_uuid
from executions.live import fanout
from executions.live.fanout import Bell
from executions.live.http import Disconnected, Receive, Refusal, Scope, Send, caller_of, query_of, refuse
from executions.live.sse import DATABASE_AWAY, Stream, tell_away
from flows.access import Role

PAUSE_SECONDS = 0.02  # at most 50 hints a second and reader
_LIST_PAUSE_SECONDS = 0.3


async def follow_events(scope: Scope, receive: Receive, send: Send) -> None:
    """`?channel=executions`: anything that the caller may see changed; `?channel=execution.<id>`: this one did."""
    stream: Stream | None = None
    try:
        caller = await caller_of(scope)
        channel = query_of(scope).get("channel", "executions")
        watching, pause = _watching(channel, caller)
        async with watching as bell:
            anywhere = channel == "executions"
            if bell.namespace is None or not (anywhere or caller.access.allows(Role.VIEWER, bell.namespace)):
                raise Refusal(404, f"Not Found: channel {channel[:80]}")
            stream = Stream(scope, receive, send, bell.namespace, anywhere=anywhere)
            await stream.open()
            await stream.write(b"retry: 500\n\n")
            await _hints(stream, bell, pause)
    except Refusal as refusal:
        await refuse(send, scope, refusal)
    except Disconnected:
        pass
    except DATABASE_AWAY as error:
        await tell_away(stream, scope, send, error)
    finally:
        if stream is not None:
            await stream.close()


def _watching(channel: str, caller: Caller) -> tuple[AbstractAsyncContextManager[Bell], float]:
    if channel == "executions":
        return fanout.current().listening(caller.access), _LIST_PAUSE_SECONDS
    kind, _, execution_id = channel.partition(".")
    try:
        if kind == "execution":
            return fanout.current().listening_to(to_uuid(execution_id)), PAUSE_SECONDS
    except ValueError:
        pass
    raise Refusal(404, f"Not Found: channel {channel[:80]}")


async def _hints(stream: Stream, bell: Bell, pause: float) -> None:
    while True:
        await stream.wait(bell.rung)
        for kind, number in bell.take():
            await stream.write(b'id: %d\ndata: {"type":"%s"}\n\n' % (number, kind.encode()))
        await asyncio.sleep(pause)
