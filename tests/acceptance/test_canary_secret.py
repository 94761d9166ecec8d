"""A secret used in every place where a flow can use one is found nowhere afterwards: database, logs, answers, files."""

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.plant import Plant, django_on, eventually, find_free_port

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
    plant.define(FLOW.replace("HOOK", hook).replace("MARK", str(mark)))
    body = f'--b\r\nContent-Disposition: form-data; name="pass"\r\n\r\n{GIVEN}\r\n--b--\r\n'.encode()
    path = f"/api/v1/main/executions/{NAMESPACE}/canary"
    status, answer = plant.request("POST", path, body, "multipart/form-data; boundary=b")
    assert status == 200 and not found_in(json.dumps(answer)), answer
    eventually(mark.exists, 40, lambda: plant.left())
    shown = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if _is_readable(entry)]
    assert not found_in(b"\n".join(shown).decode(errors="replace")), "command lines"
    Path(f"{mark}.seen").touch()
    plant.wait_until_ended(40)
    _check_that_it_ran(plant, answer["id"])
    assert _leaks(plant, answer["id"], tmp_path) == {}


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
    assert len(states) == 19, states
    log = "\n".join(row[0] for row in plant.rows("SELECT message FROM logs"))
    for line in ("plain ******** ******** ********", "again ******** ********", "env ********; line ********",
                 "child: ******** ********", "chosen ********", "failed for ******** ********"):  # fmt: skip
        assert line in log, (line, log)


def _leaks(plant: Plant, execution_id: str, folder: Path) -> dict[str, list[str]]:
    """Where something was found, and what."""
    places: dict[str, str] = {}
    for (table,) in plant.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        places[f"table {table}"] = "\n".join(str(row[0]) for row in plant.rows(f'SELECT t::text FROM "{table}" t'))
    api = "/api/v1/main"
    routes = [f"executions/{execution_id}", f"logs/{execution_id}", f"logs/{execution_id}/download", "executions/search",
              f"metrics/{execution_id}", "logs/search", f"namespaces/{NAMESPACE}/kv", f"namespaces/{NAMESPACE}/kv/hidden",
              f"outputs/executions/{execution_id}", "taskruns/search", "executions/export/by-query/csv"]  # fmt: skip
    for route in routes:
        places[route] = json.dumps(plant.get(f"{api}/{route}"))
    for page in ("/", f"/ui/executions/{NAMESPACE}/canary/{execution_id}", f"/executions/{execution_id}"):
        places[f"page {page}"] = json.dumps(plant.get(page))
    expression = b"{{ secret('CANARY') }} {{ inputs.pass }} {{ outputs.out.value }}"
    run_id = plant.get(f"{api}/executions/{execution_id}")["taskRunList"][0]["id"]
    for route in (f"executions/{execution_id}/eval", f"executions/{execution_id}/eval/{run_id}"):
        places[f"eval {route}"] = json.dumps(plant.request("POST", f"{api}/{route}", expression, "text/plain"))
    for file in folder.rglob("*"):
        if file.is_file():
            places[f"file {file.relative_to(folder)}"] = file.read_bytes().decode(errors="replace")
    return {place: found for place, text in places.items() if (found := found_in(text))}
