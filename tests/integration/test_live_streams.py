"""Event streams and sockets, through the very ASGI application that a web process serves, without a server."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import OperationalError, close_old_connections, connections

from executions import database, store
from executions.api import logs
from executions.live import asgi, create, creator, dependencies, events, fanout, sse, websocket
from executions.live import http as live_http
from executions.models import AuditRecord
from executions.queue import postgres as queue
from executions.starting import Start
from executions.state import Execution
from flows.catalog import FlowNotFound
from flows.definition.states import State
from flows.models import NamespaceGrant
from orchestrator_site.asgi import application
from tests.integration.rest_support import FLOW, PASSWORD, Rest, a_finished_run, a_line, administrator, member, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_remembered")]
Headers = list[tuple[bytes, bytes]]


def basic(name: str) -> Headers:
    return [(b"authorization", b"Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()))]


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await asyncio.wait_for(test(), 30)
        finally:
            await fanout.current().close()

    asyncio.run(run())


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Rows are written as another process would: on a connection of their own."""

    def call() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


def http(method: str, path: str, headers: Headers) -> ApplicationCommunicator:
    address, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": address,
        "raw_path": address.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
    }
    made = ApplicationCommunicator(application, scope)
    made.scope = scope
    return made


async def answer(method: str, path: str, headers: Headers | None = None) -> dict[str, Any]:
    communicator = http(method, path, headers or [])
    await communicator.send_input({"type": "http.request", "body": b""})
    begun = await communicator.receive_output(15)
    body, more = b"", True
    while more:
        message = await communicator.receive_output(15)
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await communicator.wait()
    return {"status": begun["status"], "body": body, "headers": dict(begun["headers"])}


@asynccontextmanager
async def stream(path: str, headers: Headers) -> AsyncIterator[Callable[[], Awaitable[dict[str, str]]]]:
    """A function that waits for the next event; {} at the end of the stream."""
    communicator = http("GET", path, headers)
    await communicator.send_input({"type": "http.request", "body": b""})
    begun = await communicator.receive_output(15)
    assert begun["status"] == 200, begun
    assert dict(begun["headers"])[b"content-type"].startswith(b"text/event-stream")
    waiting: list[str] = []

    async def following() -> dict[str, str]:
        while not waiting:
            message = await communicator.receive_output(15)
            waiting.extend(part for part in message["body"].decode().split("\n\n") if part.strip(":\n"))
            if not message.get("more_body"):
                return {}
        return dict(line.split(": ", 1) for line in waiting.pop(0).split("\n"))

    yield following
    await communicator.send_input({"type": "http.disconnect"})
    await communicator.wait()


def socket(path: str, headers: Headers, origin: bytes = b"http://localhost") -> ApplicationCommunicator:
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"origin", origin), *headers],
        "subprotocols": [],
    }
    return ApplicationCommunicator(application, scope)


async def is_opened(communicator: ApplicationCommunicator) -> bool:
    await communicator.send_input({"type": "websocket.connect"})
    return bool((await communicator.receive_output(15))["type"] == "websocket.accept")


async def closed_with(communicator: ApplicationCommunicator) -> int:
    message = await communicator.receive_output(15)
    assert message["type"] == "websocket.close", message
    await communicator.send_input({"type": "websocket.disconnect", "code": message["code"]})
    await communicator.wait()
    return int(message["code"])


async def received(communicator: ApplicationCommunicator) -> Any:
    return json.loads((await communicator.receive_output(15))["text"])


def move_on(execution: Execution, state: State) -> None:
    """As the engine does: the row, and the hint that followers wake up by."""
    connection = database.current()
    known = store.load(connection, execution.id)
    assert known is not None
    known.move(state, datetime.now(UTC))
    store.save(connection, [known])
    queue.publish_all(connection, [store.hint(known)])
    queue.notify(connection, queue.STREAM)


def stream_paths(execution_id: str) -> list[str]:
    """One of every stream that the web process serves before Django."""
    found = []
    for pattern, _ in asgi.STREAMS:
        path = re.sub(r"\(\[\^/\]\+\)", execution_id, pattern.pattern)
        path = re.sub(r"\(\?:.*?\)\?|/\?$", "", path)
        assert pattern.fullmatch(path), path
        found.append(path if execution_id in path else f"{path}?channel=execution.{execution_id}")
    return found


def test_every_stream_refuses_who_is_not_known_and_who_may_not_look() -> None:
    execution = stored(namespace="secret.ns")
    member("eve", "namespace_admin", "other")

    async def test() -> None:
        for path in stream_paths(execution.id):
            for headers in ([], [(b"authorization", b"Bearer cel_wrong")], [(b"cookie", b"sessionid=none")]):
                refused = await answer("GET", path, headers)
                assert refused["status"] == 401, path
                assert "message" in json.loads(refused["body"])
            assert (await answer("GET", path, basic("eve")))["status"] == 404, path

    in_loop(test)


def test_the_hot_create_route_refuses_the_same_callers() -> None:
    member("eve", "namespace_admin", "other")
    member("vera", "viewer", "tests.rest")

    async def test() -> None:
        path = "/api/v1/main/executions/tests.rest/hello"
        assert (await answer("POST", path, [(b"authorization", b"Bearer cel_wrong")]))["status"] == 401
        assert (await answer("POST", path))["status"] == 401
        for name in ("eve", "vera"):
            assert (await answer("POST", path, basic(name)))["status"] == 403

    in_loop(test)


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Bearer cel_wrong")], [(b"cookie", b"sessionid=x")]])
def test_every_socket_refuses_who_is_not_known(headers: Headers) -> None:
    execution = stored()

    async def test() -> None:
        for pattern in websocket.urlpatterns:
            path = "/" + str(pattern.pattern).replace("<str:execution_id>", execution.id)
            opened = socket(path, headers)
            assert not await is_opened(opened) or await closed_with(opened) == 4401, path

    in_loop(test)


def test_a_socket_shows_nothing_of_another_namespace_nor_to_another_site() -> None:
    execution = stored(namespace="secret.ns")
    member("eve", "namespace_admin", "other")
    administrator()

    async def test() -> None:
        for path in (f"/ws/executions/{execution.id}", "/ws/executions/nonsense"):
            refused = socket(path, basic("eve"))
            assert await is_opened(refused)
            assert await closed_with(refused) == 4404
        assert not await is_opened(socket(f"/ws/executions/{execution.id}", basic("root"), b"https://evil.example"))

    in_loop(test)


def test_a_followed_execution_is_seen_to_its_end() -> None:
    administrator()
    execution = stored(state=State.RUNNING)

    async def test() -> None:
        async with stream(f"/api/v1/main/executions/{execution.id}/follow", basic("root")) as following:
            assert await following() == {"id": "start", "data": json.dumps({"id": execution.id}).replace(" ", "")}
            first = await following()
            assert first["id"] == "progress" and json.loads(first["data"])["state"]["current"] == "RUNNING"
            await in_thread(move_on, execution, State.SUCCESS)
            last = await following()
            assert last["id"] == "end" and json.loads(last["data"])["state"]["current"] == "SUCCESS"
            assert await following() == {}

    in_loop(test)


def test_what_belongs_together_is_followed_together_until_all_have_ended() -> None:
    administrator()
    labels = [{"key": "system.correlationId", "value": "one"}]
    first, second = (stored(state=State.RUNNING, labels=labels, flow_id=name) for name in ("first", "second"))
    stored(state=State.RUNNING, labels=[{"key": "system.correlationId", "value": "other"}])

    async def test() -> None:
        path = f"/api/v1/main/executions/{first.id}/follow-dependencies"
        async with stream(path, basic("root")) as following:
            assert (await following())["id"] == "start"
            seen = {json.loads((await following())["data"])["flowId"] for _ in range(2)}
            assert seen == {"first", "second"}
            await in_thread(move_on, first, State.SUCCESS)
            news = json.loads((await following())["data"])
            assert (news["executionId"], news["state"]["current"]) == (first.id, "SUCCESS")
            await in_thread(move_on, second, State.FAILED)
            assert json.loads((await following())["data"])["state"]["current"] == "FAILED"
            last = await following()
            assert last["id"] == "end" and json.loads(last["data"])["executionId"] == first.id
            assert await following() == {}

    in_loop(test)


def test_followed_log_lines_come_in_order_above_the_level_and_close_at_the_end() -> None:
    administrator()
    execution = stored(state=State.RUNNING)
    a_line(execution, "first")
    a_line(execution, "hidden", 1)

    async def test() -> None:
        async with stream(f"/api/v1/logs/{execution.id}/follow?minLevel=INFO", basic("root")) as following:
            assert (await following())["id"] == "start"
            assert json.loads((await following())["data"])["message"] == "first"
            await in_thread(a_line, execution, "second", 4)
            await in_thread(move_on, execution, State.SUCCESS)
            line = await following()
            assert line["id"] == "progress" and json.loads(line["data"])["message"] == "second"
            assert await following() == {}

    in_loop(test)


def test_a_socket_gives_the_whole_then_what_changed_then_closes() -> None:
    administrator()
    execution = stored(a_finished_run("one"), state=State.RUNNING)

    async def test() -> None:
        opened = socket(f"/ws/executions/{execution.id}", basic("root"))
        assert await is_opened(opened)
        whole = await received(opened)
        assert whole["reset"] is True and [run["taskId"] for run in whole["taskRuns"]] == ["one"]
        await in_thread(move_on, execution, State.SUCCESS)
        change = await received(opened)
        assert change["execution"]["state"]["current"] == "SUCCESS" and change["taskRuns"] == []
        assert change["version"] > whole["version"]
        assert await closed_with(opened) == 1000

    in_loop(test)


@pytest.mark.parametrize("number", range(len(asgi.STREAMS) + 1))
def test_a_withdrawn_right_ends_every_stream(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(sse, "RECHECK_SECONDS", 0.3)
    execution = stored(state=State.RUNNING, namespace="a.b")
    member("vera", "viewer", "a")
    path = [*stream_paths(execution.id), "/events?channel=executions"][number]

    async def test() -> None:
        async with stream(path, basic("vera")) as following:
            assert await following() != {}
            await in_thread(NamespaceGrant.objects.all().delete)
            while await following() != {}:
                pass

    in_loop(test)


def test_a_withdrawn_right_closes_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.3)
    execution = stored(state=State.RUNNING, namespace="a.b")
    member("vera", "viewer", "a")

    async def test() -> None:
        opened = socket(f"/ws/executions/{execution.id}", basic("vera"))
        assert await is_opened(opened) and await received(opened)
        await in_thread(NamespaceGrant.objects.all().delete)
        assert await closed_with(opened) == 4403

    in_loop(test)


def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "SLOW_SECONDS", 0.3)
    administrator()
    execution = stored(state=State.RUNNING)

    async def test() -> None:
        begun = asyncio.Event()

        async def send(message: Any) -> None:
            if begun.is_set():
                await asyncio.Event().wait()
            begun.set()

        async def receive() -> Any:
            await asyncio.Event().wait()

        scope = http("GET", f"/api/v1/executions/{execution.id}/follow", basic("root")).scope
        await asyncio.wait_for(application(scope, receive, send), 10)
        assert begun.is_set() and fanout.figures().followers == 0

    in_loop(test)


def test_a_socket_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SLOW_SECONDS", 0.3)
    administrator()
    execution = stored(state=State.RUNNING)

    async def test() -> None:
        sent: list[str] = []
        gone = asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message["type"])
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()

        async def receive() -> Any:
            if not sent:
                return {"type": "websocket.connect"}
            await gone.wait()
            return {"type": "websocket.disconnect", "code": 1006}

        scope = http("GET", f"/ws/executions/{execution.id}", [*basic("root"), (b"origin", b"http://localhost")]).scope
        scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
        running = asyncio.create_task(application(scope, receive, send))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and "websocket.close" not in sent:
            await asyncio.sleep(0.02)
        assert sent[0] == "websocket.accept" and sent[-1] == "websocket.close"
        assert fanout.figures().followers == 0
        gone.set()
        await asyncio.wait_for(running, 10)

    in_loop(test)


def test_a_client_that_leaves_or_an_hour_that_passes_ends_the_waiting_for_a_paused_execution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in Kestra a pause is no end; nothing waits for ever, and nothing waits for nobody."""
    rest = Rest(administrator())
    assert rest.post("flows", FLOW).status_code == 200
    close_old_connections()

    async def test() -> None:
        path = "/api/v1/executions/tests.rest/hello?wait=true"
        monkeypatch.setattr(create, "WAIT_SECONDS", 0.3)
        found = json.loads((await answer("POST", path, basic("root")))["body"])
        assert found["state"]["current"] == "CREATED"  # no executor runs here: it will not end by itself
        monkeypatch.setattr(create, "WAIT_SECONDS", 3600.0)
        left = http("POST", path, basic("root"))
        await left.send_input({"type": "http.request", "body": b""})
        deadline = time.monotonic() + 10
        while fanout.figures().followers == 0 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert fanout.figures().followers == 1
        await left.send_input({"type": "http.disconnect"})
        await left.wait(10)
        assert fanout.figures().followers == 0 and await left.receive_nothing()

    in_loop(test)


def test_a_download_is_sent_while_it_is_made_and_a_client_that_stops_taking_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    administrator()
    execution = stored(state=State.RUNNING)
    a_line(execution, "x" * 50_000)
    for _ in range(9):
        a_line(execution, "y" * 50_000)
    monkeypatch.setattr(logs, "_DOWNLOAD_CHUNK", 1)
    made: list[int] = []
    whole = logs.log_text
    monkeypatch.setattr(logs, "log_text", lambda rows: made.append(1) or whole(rows))
    monkeypatch.setattr(live_http, "TAKEN_SECONDS", 0.5)

    async def test() -> None:
        taken: list[int] = []

        async def send(message: Any) -> None:
            if message.get("body"):
                taken.append(len(message["body"]))
                await asyncio.Event().wait()

        sent = False

        async def receive() -> Any:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": b""}

        scope = http("GET", f"/api/v1/logs/{execution.id}/download", basic("root")).scope
        await asyncio.wait_for(application(scope, receive, send), 10)
        assert len(taken) == 1 and len(made) == 1  # the second line was not even read
        body = (await answer("GET", f"/api/v1/logs/{execution.id}/download", basic("root")))["body"]
        assert len(body) > 500_000 and len(made) == 1 + 10 + 1

    in_loop(test)


def test_a_repeated_key_creates_once_and_waiting_answers_the_end() -> None:
    rest = Rest(administrator())
    assert rest.post("flows", FLOW).status_code == 200
    close_old_connections()

    async def test() -> None:
        path = "/api/v1/executions/tests.rest/hello"
        headers = [*basic("root"), (b"idempotency-key", b"one")]
        first, second = [json.loads((await answer("POST", path, headers))["body"])["id"] for _ in range(2)]
        assert first == second
        other = json.loads((await answer("POST", path + "/", basic("root")))["body"])
        assert other["id"] != first and other["state"]["current"] == "CREATED"
        noted = await in_thread(_creates_noted)
        assert noted[-1] == ("root", "POST executions/{namespace}/{flow_id}", other["id"])

    in_loop(test)


def _creates_noted() -> list[tuple[str, str, str]]:
    """Notes of creates are written within a second or two."""
    deadline = time.monotonic() + 10
    rows = AuditRecord.objects.filter(action__startswith="POST executions").order_by("id")
    while time.monotonic() < deadline and rows.count() < 3:
        time.sleep(0.05)
    return list(rows.values_list("actor", "action", "detail__execution"))


def test_what_is_wrong_with_one_create_is_no_other_s_business() -> None:
    """They share a transaction and an answer: the name of a flow with a NUL, or a date that cannot be shown."""
    assert Rest(administrator()).post("flows", FLOW).status_code == 200
    far = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))

    async def test() -> None:
        loop = asyncio.get_running_loop()
        wanted = [
            creator.Wanted(namespace, "hello", None, {}, start, False, loop, loop.create_future())
            for namespace, start in (
                ("tests\0", Start()),
                ("tests.rest", Start(schedule_date=far)),
                ("tests.rest", Start()),
            )
        ]
        made = creator.Creator()
        await in_thread(made._serve, wanted)
        made._drop_connection()
        found = await asyncio.gather(*[one.future for one in wanted], return_exceptions=True)
        assert isinstance(found[0], FlowNotFound) and isinstance(found[1], OverflowError)
        assert isinstance(found[2], bytes) and json.loads(found[2])["id"] == wanted[2].start.execution_id

    in_loop(test)


def test_a_socket_outlives_a_moment_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.1)
    execution = stored(state=State.RUNNING, namespace="a.b")
    administrator()
    asked = asyncio.Event()

    async def away(scope: Any) -> None:
        asked.set()
        raise OperationalError("the database is away")

    async def test() -> None:
        opened = socket(f"/ws/executions/{execution.id}", basic("root"))
        assert await is_opened(opened) and await received(opened)
        monkeypatch.setattr(websocket, "caller_of", away)
        await asyncio.wait_for(asked.wait(), 10)
        await in_thread(move_on, execution, State.SUCCESS)
        assert (await received(opened))["execution"]["state"]["current"] == "SUCCESS"
        assert await closed_with(opened) == 1000

    in_loop(test)


@pytest.mark.parametrize("number", range(len(asgi.STREAMS)))
def test_who_comes_while_the_database_is_away_is_told_so(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    async def away(*_: Any) -> None:
        raise OperationalError("secret internals")

    for module in (sse, events, dependencies, websocket):
        monkeypatch.setattr(module, "caller_of", away)
    execution = stored(state=State.RUNNING)

    async def test() -> None:
        found = await answer("GET", stream_paths(execution.id)[number])
        assert found["status"] == 503 and b"secret" not in found["body"]
        opened = socket(f"/ws/executions/{execution.id}", [])
        assert await is_opened(opened) and await closed_with(opened) == 1013

    in_loop(test)
