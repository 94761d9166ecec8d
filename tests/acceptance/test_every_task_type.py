"""Every task type there is, on the whole product: it does its work, a wrong property of it is refused by name, and a
run of it that fails says why in its log. `task_types.py` has the properties."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow
import pyarrow.parquet
import pytest
from aiosmtpd.controller import Controller
from psycopg.conninfo import conninfo_to_dict

from flows.tasks import registry
from tests.acceptance.task_types import KINDS
from tests.plant import TERMINAL, Plant, django_on, eventually, find_free_port

NAMESPACE = "company.worker"
API = "/api/v1/main"
AROUND = """
id: child
namespace: company.worker
tasks: [{id: hi, type: core.log.Log, message: "item {{ taskrun.items ?? 'none' }}"}]
---
id: paused
namespace: company.worker
tasks: [{id: wait, type: core.flow.Pause}]
---
id: running
namespace: company.worker
tasks: [{id: wait, type: core.flow.Sleep, duration: PT10M}]
---
id: listens
namespace: company.worker
tasks: [{id: hi, type: core.log.Log, message: hi}]
triggers: [{id: hook, type: core.trigger.Webhook, key: a-key-of-the-test}]
"""
FILES = {
    "a.txt": b"a\nb\n",
    "items.ion": b'{a:1,b:"x"}\n{a:2,b:"x"}\n',
    "rows.csv": b"a,b\n1,x\n",
    "rows.json": b'{"a": 1}\n',
}


class Site(BaseHTTPRequestHandler):
    """Answers with what it is sent, or with what the address asks for."""

    def answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = body or parse_qs(parts.query).get("body", [""])[0].encode()
        self.send_response(404 if parts.path == "/missing" else 200)
        self.end_headers()
        self.wfile.write(b"" if parts.path == "/empty" else body)

    do_GET = do_POST = answer

    def log_message(self, *_: Any) -> None:
        pass


class Postbox:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "554 no thanks" if "refused@example.org" in envelope.rcpt_tos else "250 OK"


@dataclass
class World:
    """The product, what the flows may use (`names`), and the executions of all of them by type."""

    plant: Plant
    names: dict[str, str] = field(default_factory=dict)
    good: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)

    def flow(self, flow_id: str, type_name: str, properties: str) -> str:
        for name, meaning in self.names.items():
            properties = properties.replace(name, meaning)
        task = f"{{id: one, type: {type_name}, {properties}}}"
        return f"id: {flow_id}\nnamespace: {NAMESPACE}\nvariables: {{kept: 1}}\ntasks: [{task}]\n"

    def start(self, flow_id: str) -> str:
        status, told = self.plant.request("POST", f"{API}/executions/{NAMESPACE}/{flow_id}")
        assert status == 200, told
        return str(told["id"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.plant.get(f"{API}/executions/{execution_id}")
        return found

    def state(self, execution_id: str) -> str:
        return str(self.execution(execution_id)["state"]["current"])

    def is_in(self, execution_id: str, state: str) -> bool:
        return self.state(execution_id) == state

    def log(self, execution_id: str) -> str:
        return "\n".join(line["message"] for line in self.plant.get(f"{API}/logs/{execution_id}"))


@pytest.fixture(scope="module")
def outside() -> Iterator[dict[str, str]]:
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    site.daemon_threads = True
    threading.Thread(target=site.serve_forever, daemon=True).start()
    mail = Controller(Postbox(), hostname="127.0.0.1", port=find_free_port())
    mail.start()
    yield {"SITE": f"http://127.0.0.1:{site.server_port}", "MAILPORT": str(mail.port)}
    mail.stop()
    site.shutdown()
    site.server_close()


@pytest.fixture(scope="module")
def world(
    module_database: str, outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("types")
    with django_db_blocker.unblock(), django_on(module_database):
        plant = Plant(module_database, folder)
        plant.environment["CELESTA_TASK_MODULES"] = "tests.integration.celery_tasks"
        started = [plant.executor(), plant.worker("-c", "8")]
        plant.web(find_free_port())
        for process in started:
            process.wait_until_ready()
        made = World(plant, {**outside, **_database(module_database)})
        _prepare(made, folder)
        _run_everything(made)
        yield made
        plant.end()


def _database(conninfo: str) -> dict[str, str]:
    facts = conninfo_to_dict(conninfo)
    address = f"jdbc:postgresql:///{facts['dbname']}?host={facts.get('host', 'localhost')}&port={facts['port']}"
    return {"POSTGRES": f"url: '{address}', username: {facts['user']}, password: '{facts.get('password', '')}'"}


def _prepare(world: World, folder: Path) -> None:
    for source in AROUND.split("---"):
        world.plant.define(source)
    template = f"id: known\nnamespace: {NAMESPACE}\ntasks: [{{id: inner, type: core.log.Log, message: hi}}]\n"
    assert world.plant.request("POST", f"{API}/templates", template.encode(), "application/x-yaml")[0] == 200
    assert world.plant.request("PUT", f"{API}/namespaces/{NAMESPACE}/kv/kept", b'"kept"', "application/json")[0] < 300
    table = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), table)
    for name, content in {**FILES, "rows.parquet": table.read_bytes()}.items():
        _upload(world.plant, name, content)
    uris = {"TEXT": "a.txt", "ION": "items.ion", "CSV": "rows.csv", "JSON": "rows.json", "PARQUET": "rows.parquet"}
    world.names |= {name: f"'kestra:///company/worker/_files/{file}'" for name, file in uris.items()}
    ids = {"PAUSED": world.start("paused"), "RUNNING": world.start("running"), "ENDED": world.start("child")}
    for name, state in (("PAUSED", "PAUSED"), ("RUNNING", "RUNNING"), ("ENDED", "SUCCESS")):
        eventually(partial(world.is_in, ids[name], state), 30, f"{name} execution")
    world.names |= ids


def _upload(plant: Plant, name: str, content: bytes) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="fileContent"; filename="{name}"\r\n\r\n'.encode()
    path = f"{API}/namespaces/{NAMESPACE}/files?path=/{name}"
    status, told = plant.request("POST", path, head + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")
    assert status < 300, told


def _run_everything(world: World) -> None:
    for number, (type_name, kind) in enumerate(KINDS.items()):
        for ids, name, properties in (
            (world.good, f"good{number}", kind.good),
            (world.failing, f"failing{number}", kind.failing),
        ):
            world.plant.define(world.flow(name, type_name, properties))
            ids[type_name] = world.start(name)
    wanted = [*world.good.values(), *world.failing.values()]
    count = "SELECT count(*) FROM executions WHERE flow_id ~ '^(good|failing)' AND state <> ALL(%s)"
    eventually(
        lambda: world.plant.value(count, list(TERMINAL)) == 0, 120, lambda: f"the end of all ({world.plant.left()})"
    )
    assert len(wanted) == 2 * len(KINDS)


def test_every_type_of_the_registry_is_here() -> None:
    assert set(KINDS) == set(registry.TASKS)


@pytest.mark.parametrize("type_name", KINDS)
def test_it_does_its_work(world: World, type_name: str) -> None:
    kind, execution = KINDS[type_name], world.execution(world.good[type_name])
    state = execution["state"]["current"]
    assert state in ("SUCCESS", "WARNING"), (state, world.log(execution["id"]))
    (run, *_) = execution["taskRunList"]
    whole = {**execution, **(run.get("outputs") or {}), "state": state}
    if kind.outputs is None:
        assert not run.get("outputs")
    for name, value in (kind.outputs or {}).items():
        assert _fits(whole.get(name), value), (name, whole.get(name), value)


def _fits(found: Any, wanted: Any) -> bool:
    """`...` stands for anything that is there."""
    if wanted is ...:
        return found is not None
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(_fits(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(_fits, found, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize("type_name", KINDS)
def test_a_wrong_property_is_refused_by_name(world: World, type_name: str) -> None:
    kind = KINDS[type_name]
    for properties, name in ((kind.refused, kind.names), (f"{kind.good}, aStranger: 1".lstrip(", "), "aStranger")):
        source = world.flow("refused", type_name, properties)
        status, told = world.plant.request("POST", f"{API}/flows", source.encode(), "application/x-yaml")
        assert (status, name in json.dumps(told)) == (422, True), (properties, status, told)


@pytest.mark.parametrize("type_name", KINDS)
def test_a_failing_run_says_why_in_its_log(world: World, type_name: str) -> None:
    execution_id = world.failing[type_name]
    log = world.log(execution_id)
    assert (world.state(execution_id), KINDS[type_name].cause in log) == ("FAILED", True), log
