"""The few pieces of raw ASGI HTTP that streams and the hot create route need: headers, bodies, answers, callers."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.http import QueryDict
from rest_framework.exceptions import APIException

from executions.api import auth
from executions.api.auth import CHALLENGE, Caller
from flows import access

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Disconnected(Exception):
    """The client went away."""


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """An answer that ends the request."""

    status: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def query_of(scope: Scope) -> QueryDict:
    return QueryDict(scope["query_string"])


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when it is larger than `limit` (the rest is left unread)."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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
    errors = [{"message": refusal.message}]
    found = {
        "message": refusal.message,
        "_links": {"self": {"href": scope["path"], "templated": False}},
        "_embedded": {"errors": errors},
    }
    await answer(send, refusal.status, orjson.dumps(found), refusal.headers)


async def caller_of(scope: Scope) -> Caller:
    """Raises Refusal (401, 403, 429) for who is not known."""
    given = header(scope, b"authorization")
    at_once = auth.identify_at_once(given) if given else None
    if at_once is not None:
        return at_once
    try:
        found = await sync_to_async(_identify)(given, header(scope, b"cookie"), _address(scope))
    except APIException as error:
        headers = ((b"www-authenticate", CHALLENGE.encode()),) if error.status_code == 401 else ()
        raise Refusal(error.status_code, str(error.detail), headers) from None
    if found is None:
        raise Refusal(
            401, "Authentication credentials were not provided.", ((b"www-authenticate", CHALLENGE.encode()),)
        )
    return found


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _identify(given: str, cookies: str, address: str) -> Caller | None:
    if given:
        return auth.identify(given, address)
    user = auth.user_of_session(cookies)
    return Caller(user, access.of_user(user)) if user is not None else None
