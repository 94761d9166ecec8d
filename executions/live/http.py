"""The few pieces of raw ASGI HTTP that streams and the hot create route need: headers, bodies, answers, callers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import close_old_connections
from django.http import QueryDict
from rest_framework.exceptions import APIException

from executions.api import auth
from executions.api.auth import CHALLENGE, Caller
from flows import access

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


# For the little that streams and creates must do in a thread: password hashes, rows of users and tokens.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="celesta-live")


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_threads, _with_fresh_connection, function, arguments)


def _with_fresh_connection(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    close_old_connections()
    try:
        return function(*arguments)
    finally:
        close_old_connections()


class Disconnected(Exception):
    """The client went away."""


TAKEN_SECONDS = 60.0  # a client that takes nothing of an answer for so long is let go, with what it holds


def patient(send: Send) -> Send:
    """A `send` that does not wait for ever. Raises Disconnected."""

    async def limited(message: MutableMapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(TAKEN_SECONDS):
                await send(message)
        except TimeoutError:
            raise Disconnected from None

    return limited


class Refusal(Exception):
    """An answer that ends the request."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        violations: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers
        self.violations = violations or [{"message": message}]


def header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def query_of(scope: Scope) -> QueryDict:
    return QueryDict(scope["query_string"])


@dataclass(slots=True)
class Body:
    """What was read of a request's body; `is_whole` is false when it was larger than wanted."""

    content: bytes
    is_whole: bool

    def again(self, receive: Receive) -> Receive:
        """A `receive` that begins with what was read here, for the application behind."""
        given = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": self.content, "more_body": not self.is_whole}

        return replay


async def read_body(receive: Receive, limit: int) -> Body:
    """At most a little more than `limit` bytes. Raises Disconnected."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        whole = not message.get("more_body", False)
        if whole or size > limit:
            return Body(chunks[0] if len(chunks) == 1 else b"".join(chunks), whole)


async def answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, scope: Scope, refusal: Refusal) -> None:
    found = {
        "message": refusal.message,
        "_links": {"self": {"href": scope["path"], "templated": False}},
        "_embedded": {"errors": refusal.violations},
    }
    await answer(send, refusal.status, orjson.dumps(found), refusal.headers)


async def caller_of(scope: Scope) -> Caller:
    """Raises Refusal (401, 403, 429) for who is not known."""
    given = header(scope, b"authorization")
    at_once = auth.identify_at_once(given) if given else None
    if at_once is not None:
        return at_once
    try:
        found: Caller | None = await in_thread(_identify, given, header(scope, b"cookie"), address_of(scope))
    except APIException as error:
        headers = ((b"www-authenticate", CHALLENGE.encode()),) if error.status_code == 401 else ()
        raise Refusal(error.status_code, str(error.detail), headers) from None
    if found is None:
        raise Refusal(
            401, "Authentication credentials were not provided.", ((b"www-authenticate", CHALLENGE.encode()),)
        )
    return found


def address_of(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _identify(given: str, cookies: str, address: str) -> Caller | None:
    if given:
        return auth.identify(given, address)
    user = auth.user_of_session(cookies)
    return Caller(user, access.of_user(user)) if user is not None else None
