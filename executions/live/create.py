"""The hot create route as raw ASGI in front of Django: same permission, flow cache and checks, a tenth of the cost.

What it does not do itself (files, browser sessions, large bodies) it hands on to Django, body and all.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import orjson
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from executions import audit
from executions.api import forms
from executions.api.auth import Caller, refuse_foreign_origin
from executions.api.executions import WAIT_SECONDS, kind_of, page_url
from executions.api.serialize import execution_of_row
from executions.ids import new_id, to_base62
from executions.live import creator, fanout
from executions.live.http import (
    Application,
    Body,
    Disconnected,
    Receive,
    Refusal,
    Scope,
    Send,
    address_of,
    answer,
    caller_of,
    header,
    query_of,
    read_body,
    refuse,
)
from executions.live.watch import Watch
from executions.starting import Start, refuse_system_labels
from flows.access import Role

_MOST_BYTES = 1 << 20
Describe = Callable[[Exception], tuple[int, str, Any]]


class HandOn(Exception):
    """Django shall answer this request."""


class Create:
    def __init__(self, django: Application, describe: Describe) -> None:
        self._django, self._describe = django, describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send, namespace: str, flow_id: str) -> None:
        if not header(scope, b"authorization"):
            await self._handed_on(scope, receive, send)
            return
        body = Body(b"", True)
        try:
            caller = await caller_of(scope)
            given = header(scope, b"authorization").partition(" ")[0]
            refuse_foreign_origin("POST", header(scope, b"origin"), header(scope, b"host"), given)
            if not caller.access.allows(Role.OPERATOR, namespace):
                raise Refusal(403, f"needs the role operator in {namespace}")
            body = await read_body(receive, _MOST_BYTES)
            if not body.is_whole:
                raise HandOn
            await self._created(scope, receive, send, namespace, flow_id, body.content, caller)
        except HandOn:
            await self._handed_on(scope, body.again(receive), send)
        except Refusal as refusal:
            await refuse(send, scope, refusal)
        except Disconnected:
            return
        except Exception as error:
            status, message, violations = self._describe(error)
            await refuse(send, scope, Refusal(status, message, violations=violations))

    async def _created(
        self, scope: Scope, receive: Receive, send: Send, namespace: str, flow_id: str, body: bytes, caller: Caller
    ) -> None:
        query = query_of(scope)
        labels = forms.labels(query)
        refuse_system_labels(labels)
        inputs = _inputs(scope, body)
        key = header(scope, b"idempotency-key")
        start = Start(
            labels=labels,
            schedule_date=forms.moment(query, "scheduleDate"),
            kind=kind_of(query),
            breakpoints=forms.breakpoints(query) or [],
            execution_id=_keyed_id(caller.user.pk, namespace, flow_id, key) if key else new_id(),
        )
        note = _note(scope, caller, start)
        wanted = (namespace, flow_id, forms.number(query, "revision"), inputs, start)
        if not forms.switch(query, "wait"):
            await answer(send, 200, await creator.current.create(*wanted, keyed=bool(key), note=note))
            return
        # Subscribe first: an execution that ends at once is seen to end.
        async with fanout.current().watching(start.execution_id) as watch:
            await creator.current.create(*wanted, keyed=bool(key), note=note)
            await answer(send, 200, await _at_the_end(watch, receive))

    async def _handed_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Django creates; waiting for the end is done here, where it costs no thread."""
        query = query_of(scope)
        if query.get("wait", "").lower() != "true":
            await self._django(scope, receive, send)
            return
        without = query.copy()
        del without["wait"]
        caught = _Caught()
        await self._django({**scope, "query_string": without.urlencode().encode()}, receive, caught.send)
        if caught.status != 200:
            await caught.pass_on(send)
            return
        async with fanout.current().watching(orjson.loads(caught.body)["id"]) as watch:
            with suppress(Disconnected):
                await answer(send, 200, await _at_the_end(watch, receive))


async def _at_the_end(watch: Watch, receive: Receive) -> bytes:
    """The ended execution with its address; as in Kestra a pause is waited through, and after an hour it is shown as it is.

    Raises Disconnected when the client does not wait any longer."""
    await fanout.current().refresh([watch])
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not (watch.is_ended or watch.is_gone):
                changed = asyncio.ensure_future(watch.changed.wait())
                await asyncio.wait({changed, gone}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if gone.done():
                    raise Disconnected
    except TimeoutError:
        pass
    finally:
        gone.cancel()
    if watch.row is None:
        raise Refusal(404, f"Not Found: execution {watch.id} was deleted")
    url = page_url(watch.row["namespace"], watch.row["flow_id"], watch.id)
    return orjson.dumps(execution_of_row(watch.row, watch.ordered_runs(), url=url))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _note(scope: Scope, caller: Caller, start: Start) -> audit.Entry:
    """As the site's middleware notes what goes through Django."""
    action = "POST executions/{namespace}/{flow_id}"
    facts = {"status": 200, "execution": start.execution_id}
    return audit.Entry(caller.user.get_username(), action, scope["path"], facts, address_of(scope))


def _keyed_id(user: Any, namespace: str, flow_id: str, key: str) -> str:
    """The same for the same caller, flow and key: a repeated request finds the first one's execution."""
    return to_base62(uuid.uuid5(uuid.NAMESPACE_URL, orjson.dumps([user, namespace, flow_id, key]).decode()))


def _inputs(scope: Scope, body: bytes) -> dict[str, Any]:
    content_type = header(scope, b"content-type")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return forms.json_inputs(body)
    if kind == "multipart/form-data":
        return _multipart(content_type, body)
    if kind == "application/x-www-form-urlencoded":
        raise HandOn
    return {}


class _NoFiles(FileUploadHandler):
    def new_file(self, *arguments: Any, **options: Any) -> None:
        raise HandOn

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


def _multipart(content_type: str, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        form, _ = MultiPartParser(meta, BytesIO(body), [_NoFiles()], "utf-8").parse()
    except MultiPartParserError as error:
        raise Refusal(422, f"Invalid entity: {error}") from None
    return forms.form_inputs(form)


class _Caught:
    """An answer of Django, held back."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""
        self._messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self._messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")

    async def pass_on(self, send: Send) -> None:
        for message in self._messages:
            await send(message)
