"""A secret used in every place where a flow can use one is found nowhere afterwards: database, logs, answers, files."""

import base64
import json
import queue
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from websockets.sync.client import connect

from tests.plant import USERNAME, Plant, authorization, django_on, eventually, find_free_port

CANARY = f"S3cr3t-{uuid.uuid4().hex}/+"
OF_TABLE = f"T4bl3-{uuid.uuid4().hex}"
GIVEN = f"G1v3n-{uuid.uuid4().hex}"
NAMESPACE = "company.canary"
CHILD = """
id: child
namespace: company.canary
inputs:
  - {id: text, type: STRING}
  - {id: pass, type: SECRET}
tasks:
  - {id: show, type: core.log.Log, message: "child: {{ inputs.text }} {{ inputs.pass | upper }}"}
outputs:
  - {id: back, type: STRING, value: "{{ inputs.text }}"}
"""
FLOW = """
id: canary
namespace: company.canary
inputs:
  - {id: pass, type: SECRET}
variables:
  kept: "{{ secret('CANARY') }}"
tasks:
  - id: log
    type: core.log.Log
    message:
      - "plain {{ secret('CANARY') }} {{ secret('OF_TABLE') }} {{ inputs.pass }}"
      - "filters {{ secret('CANARY') | upper }} {{ secret('CANARY') | replace({'S3': 'x'}) }} {{ secret('CANARY') | base64encode }}"
      - "more {{ secret('CANARY') | urlencode }} {{ secret('CANARY') | slice(0, 16) }} {{ render(vars.kept) }}"
      - "json {{ {'a': secret('CANARY')} | toJson }}"
  - {id: out, type: core.debug.Return, format: "is {{ secret('CANARY') }}"}
  - {id: values, type: core.output.OutputValues, values: {a: "{{ secret('CANARY') | base64encode }}", b: ["{{ inputs.pass | lower }}"], c: "{{ outputs.out.value | upper }}"}}
  - {id: again, type: core.log.Log, message: "again {{ outputs.out.value }} {{ outputs.values.values.c }}"}
  - {id: jsonata, type: transform.jsonata.TransformValue, from: '{"a": "{{ secret(''CANARY'') }}"}', expression: '{"up": $uppercase(a)}'}
  - {id: labels, type: core.execution.Labels, labels: {hidden: "{{ secret('CANARY') }}", plain: "x"}}
  - {id: variables, type: core.execution.SetVariables, variables: {kept: "{{ secret('CANARY') }}"}}
  - {id: kv, type: core.kv.Set, key: hidden, value: "{{ secret('CANARY') }}"}
  - {id: readkv, type: core.debug.Return, format: "{{ kv('hidden') }}"}
  - {id: given, type: core.debug.Return, format: "{{ inputs.pass }}"}
  - {id: handed, type: core.debug.Return, format: "{{ outputs.given.value }}"}
  - id: choose
    type: core.flow.Switch
    value: "{{ secret('CANARY') }}"
    cases: {other: [{id: never, type: core.log.Log, message: never}]}
    defaults: [{id: chosen, type: core.log.Log, message: "chosen {{ secret('OF_TABLE') }}"}]
  - id: script
    type: io.kestra.plugin.scripts.shell.Commands
    env: {VALUE: "{{ secret('CANARY') }}"}
    inputFiles: {hidden.txt: "{{ secret('CANARY') }}"}
    commands:
      - echo "env $VALUE; line {{ secret('OF_TABLE') }}"
      - cat hidden.txt
      - echo '::{"outputs":{"back":"{{ secret('CANARY') }}"},"metrics":[{"name":"m","type":"counter","value":1,"tags":{"t":"{{ secret('CANARY') }}"}}]}::'
      - touch MARK; while [ ! -e MARK.seen ]; do sleep 0.05; done
  - id: call
    type: core.http.Request
    uri: "HOOK/echo?token={{ secret('CANARY') | urlencode }}"
    method: POST
    body: "{{ secret('CANARY') }}"
    headers: {X-Token: "{{ secret('OF_TABLE') }}"}
    options: {auth: {type: BASIC, username: u, password: "{{ secret('CANARY') }}"}}
  - {id: sub, type: core.flow.Subflow, namespace: company.canary, flowId: child, wait: true, inputs: {text: "{{ secret('CANARY') }}", pass: "{{ secret('CANARY') }}"}, labels: {l: "{{ secret('CANARY') }}"}}
  - {id: render, type: core.log.Log, allowFailure: true, message: "{{ secret('CANARY') | number }}"}
  - {id: missing, type: core.log.Log, allowFailure: true, message: "{{ outputs.nothing[secret('CANARY')] }}"}
  - {id: sql, type: jdbc.sqlite.Query, allowFailure: true, url: "jdbc:sqlite::memory:", sql: "SELECT * FROM '{{ secret('CANARY') }}'"}
  - {id: fail, type: core.execution.Fail, errorMessage: "failed for {{ secret('CANARY') }} {{ outputs.values.values.a }}"}
errors:
  - {id: told, type: core.log.Log, message: "{{ errorLogs() }}"}
outputs:
  - {id: all, type: STRING, value: "{{ secret('CANARY') }} {{ outputs.out.value }}"}
"""

HOOKED = """
id: hooked
namespace: company.canary
tasks:
  - {id: out, type: core.debug.Return, format: "{{ secret('CANARY') }}"}
outputs:
  - {id: back, type: STRING, value: "{{ secret('CANARY') }} {{ outputs.out.value }}"}
triggers:
  - {id: hook, type: core.trigger.Webhook, key: a-key-of-the-canary, wait: true, returnOutputs: true}
"""


@pytest.fixture
def hook() -> Iterator[str]:
    """Answers with what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            told = json.dumps({"path": self.path, "body": body.decode(), "headers": dict(self.headers)}).encode()
            self.send_response(200)
            self.send_header("X-Back", self.headers["X-Token"])
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def plant(fresh_database: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Plant]:
    from django.conf import settings

    from executions.storage import secrets

    keys = ",".join(base64.b64encode(key).decode() for key in settings.CELESTA.encryption_keys)
    with django_db_blocker.unblock(), django_on(fresh_database):
        made = Plant(fresh_database, tmp_path)
        made.environment |= {
            "SECRET_CANARY": base64.b64encode(CANARY.encode()).decode(),
            "CELESTA_ENCRYPTION_KEY": keys,
        }
        secrets.put(made.connection, "company", "OF_TABLE", OF_TABLE)
        started = [made.executor(), made.worker("-c", "4")]
        made.web(find_free_port())
        for process in started:
            process.wait_until_ready()
        yield made
        made.end()


def forms(secret: str) -> list[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    turned = [secret, secret.upper(), secret.lower(), secret[::-1], quote(secret, safe=""), encoded, secret[:16]]
    return [*turned, json.dumps(secret)[1:-1].replace("/", "\\/"), base64.b64encode(f"u:{secret}".encode()).decode()]


NEEDLES = sorted({form for secret in (CANARY, OF_TABLE, GIVEN) for form in forms(secret)})


def found_in(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text]


def test_a_secret_is_found_nowhere(plant: Plant, hook: str, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks").chmod(0o777)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == tmp_path.stat().st_uid and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    mark = tmp_path / "marks" / "seen"
    plant.define(CHILD)
    plant.define(HOOKED)
    plant.define(FLOW.replace("HOOK", hook).replace("MARK", str(mark)))
    body = f'--b\r\nContent-Disposition: form-data; name="pass"\r\n\r\n{GIVEN}\r\n--b--\r\n'.encode()
    path = f"/api/v1/main/executions/{NAMESPACE}/canary"
    status, answer = plant.request("POST", path, body, "multipart/form-data; boundary=b")
    assert status == 200 and not found_in(json.dumps(answer)), answer
    followed = [_followed(plant, path) for path in (f"executions/{answer['id']}/follow", f"logs/{answer['id']}/follow")]
    heard = _heard(plant, answer["id"])
    eventually(mark.exists, 40, lambda: plant.left())
    shown = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if _is_readable(entry)]
    assert not found_in(b"\n".join(shown).decode(errors="replace")), "command lines"
    Path(f"{mark}.seen").touch()
    plant.wait_until_ended(40)
    _check_that_it_ran(plant, answer["id"])
    for name, transcript in {"executions": followed[0], "logs": followed[1], "socket": heard}.items():
        told = transcript.get(name)
        assert len(told) > 500 and not found_in(told), (name, told)
    key = f"executions/webhook/{NAMESPACE}/hooked/a-key-of-the-canary"
    status, told = plant.request("POST", f"/api/v1/main/{key}", b"{}", "application/json")
    assert status == 200 and "back" in told and not found_in(json.dumps(told)), told
    assert _leaks(plant, answer["id"], tmp_path) == {}
    _check_the_value_given_back(plant, answer["id"])


class Transcript:
    """What a thread reads until the other side closes."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=lambda: self._answers.put(read()), daemon=True).start()

    def get(self, name: str, seconds: float = 20) -> str:
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the other side did not close: {name}") from None


def _followed(plant: Plant, path: str) -> Transcript:
    return Transcript(lambda: json.dumps(plant.get(f"/api/v1/main/{path}")))


def _heard(plant: Plant, execution_id: str) -> Transcript:
    address = f"ws://127.0.0.1:{plant.port}/ws/executions/{execution_id}"

    def read() -> str:
        headers = {"Authorization": authorization(), "Origin": f"http://127.0.0.1:{plant.port}"}
        with connect(address, additional_headers=headers, proxy=None) as socket:
            return "\n".join(str(message) for message in socket)

    return Transcript(read)


def _check_the_value_given_back(plant: Plant, execution_id: str) -> None:
    """The one exception (docs/decisions/0030): this answer, to an author, this task's output."""
    execution = plant.get(f"/api/v1/main/executions/{execution_id}")
    outputs = {run["taskId"]: run.get("outputs") for run in execution["taskRunList"]}
    assert outputs["given"] == {"value": GIVEN} and json.dumps(execution).count(GIVEN) == 1
    assert found_in(json.dumps(execution).replace(GIVEN, "")) == []


def _is_readable(entry: Path) -> bool:
    try:
        return bool(entry.read_bytes())
    except OSError:
        return False


def _check_that_it_ran(plant: Plant, execution_id: str) -> None:
    execution = plant.get(f"/api/v1/main/executions/{execution_id}")
    states = {run["taskId"]: run["state"]["current"] for run in execution["taskRunList"]}
    failed = {task for task, state in states.items() if state not in ("SUCCESS", "WARNING")}
    assert failed == {"fail"}, (states, plant.rows("SELECT task_id, message FROM logs WHERE level = 4"))
    assert len(states) == 21, states
    log = "\n".join(row[0] for row in plant.rows("SELECT message FROM logs"))
    for line in ("plain ******** ******** ********", "again ******** ********", "env ********; line ********",
                 "child: ******** ********", "chosen ********", "failed for ******** ********"):  # fmt: skip
        assert line in log, (line, log)


def _leaks(plant: Plant, execution_id: str, folder: Path) -> dict[str, list[str]]:
    """Where something was found, and what."""
    places: dict[str, str] = {}
    for (table,) in plant.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        places[f"table {table}"] = "\n".join(str(row[0]) for row in plant.rows(f'SELECT t::text FROM "{table}" t'))
    places |= _answers(plant, execution_id) | _pages(plant, execution_id) | _administration(execution_id)
    for file in folder.rglob("*"):
        if file.is_file():
            places[f"file {file.relative_to(folder)}"] = file.read_bytes().decode(errors="replace")
    return {place: found for place, text in places.items() if (found := found_in(text))}


def _answers(plant: Plant, execution_id: str) -> dict[str, str]:
    """Of every GET route there is, and of evaluated expressions."""
    run_id = plant.get(f"/api/v1/main/executions/{execution_id}")["taskRunList"][0]["id"]
    values = defaultdict(
        lambda: "none",
        {
            "namespace": NAMESPACE,
            "flow_id": "canary",
            "execution_id": execution_id,
            "task_run_id": run_id,
            "task_id": "log",
            "key": "hidden",
            "metric": "m",
            "cls": "io.kestra.plugin.core.log.Log",
            "kind": "task",
            "version": "1",
        },
    )
    needed = {"executions": f"?namespace={NAMESPACE}&flowId=canary", "export/by-ids": f"?ids={execution_id}"}
    schema = plant.get("/api/schema?format=json")["paths"]
    places, answered = {}, set()
    for route in sorted(path for path, methods in schema.items() if "get" in methods):
        if "/webhook/" in route:
            continue
        query = next((text for end, text in needed.items() if route.endswith(end)), "")
        status, told = plant.request("GET", route.format_map(values) + query)
        places[f"answer {route}"] = json.dumps(told)
        if status == 200:
            answered.add(route.removeprefix("/api/v1/"))
    assert answered >= {
        "executions", "executions/{execution_id}", "executions/search", "executions/export/by-query/csv", "logs/search",
        "logs/{execution_id}", "logs/{execution_id}/download", "metrics/{execution_id}", "taskruns/search", "kv",
        "namespaces/{namespace}/kv", "namespaces/{namespace}/kv/{key}", "outputs/executions/{execution_id}",
        "outputs/tasks/{execution_id}/{task_run_id}", "executions/{execution_id}/graph", "flows/{namespace}/{flow_id}",
        "metrics/aggregates/{namespace}/{flow_id}/{metric}", "triggers/search", "usages/all",
    }, answered  # fmt: skip
    given = "answer /api/v1/executions/{execution_id}"
    places[given] = places[given].replace(json.dumps(GIVEN), "", 1)
    expression = b"{{ secret('CANARY') }} {{ inputs.pass }} {{ outputs.out.value }} {{ outputs.given.value }}"
    for route in (f"executions/{execution_id}/eval", f"executions/{execution_id}/eval/{run_id}"):
        status, told = plant.request("POST", f"/api/v1/main/{route}", expression, "text/plain")
        assert status == 200 and told["result"].count("********") >= 4, told
        places[f"eval {route}"] = json.dumps(told)
    return places


def _pages(plant: Plant, execution_id: str) -> dict[str, str]:
    client = _browser()
    one = f"/executions/{execution_id}"
    places = {}
    for path in ("/", "/executions", one, f"{one}/log", f"{one}/log/download", f"{one}/changes?version=0", "/logs",
                 f"{one}/runs", f"{one}/head", f"/flows/{NAMESPACE}/canary", f"/flows/{NAMESPACE}/canary/edit", "/system"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        places[f"page {path}"] = answer.getvalue().decode()
    for run in plant.get(f"/api/v1/main{one}")["taskRunList"]:
        answer = client.get(f"{one}/detail?run={run['id']}")
        assert answer.status_code == 200, answer.content
        places[f"page detail {run['taskId']}"] = answer.content.decode()
    address = f"/ui/executions/{NAMESPACE}/canary/{execution_id}"
    assert client.get(address, follow=True).redirect_chain[-1][0].endswith(one)
    status, told = plant.request("GET", "/metrics")
    assert status == 200
    return places | {"page /metrics": json.dumps(told)}


def _administration(execution_id: str) -> dict[str, str]:
    """Every list there is, and every page of one row."""
    from django.contrib import admin

    client, places = _browser(), {}
    for model in admin.site._registry:
        listed = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        pages = [listed, *(f"{listed}{row.pk}/change/" for row in model._default_manager.all()[:50])]
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200, (page, answer.status_code)
            places[f"admin {page}"] = answer.content.decode()
    assert any("/executionrecord/" in place and place.endswith("/change/") for place in places)
    return places


def _browser() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(username=USERNAME))
    return client
