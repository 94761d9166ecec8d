"""core.http.Request and Download, and http() in expressions, against a real server on this machine."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.worker_support import TaskBench, run_claimed, wait

HTTP = "io.kestra.plugin.core.http."


class Site(BaseHTTPRequestHandler):
    """Tells what it was asked, and some paths that misbehave."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()
    hold = threading.Event()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.reply(302, b"", Location="/echo?moved=1")
        elif path == "/round":
            self.reply(302, b"", Location="/round")
        elif path == "/missing":
            self.reply(404, b"no such thing")
        elif path == "/empty":
            self.reply(200, b"")
        elif path == "/report.csv":
            self.reply(200, b"a,b\n1,2\n", **{"Content-Disposition": 'attachment; filename="../my report.csv"'})
        elif path == "/latin":
            self.reply(200, "é".encode("latin-1"), **{"Content-Type": "text/plain; charset=iso-8859-1"})
        elif path == "/huge":
            self.reply(200, b"x" * (11 << 20))
        elif path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"x")
            self.asked.set()
            self.hold.wait(20)
        else:
            told = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
            self.reply(200, json.dumps(told).encode(), **{"Content-Type": "application/json", "X-Two": "1"})

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("X-Head", "yes")
        self.end_headers()

    def reply(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Site.hold.set()
        server.shutdown()


def asked(outputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(outputs["body"])
    return found


def test_a_request_carries_its_body_headers_and_credentials(bench: TaskBench, site: str) -> None:
    outputs = bench.outputs(f"""
- id: call
  type: {HTTP}Request
  uri: "{site}/echo?a=1"
  method: POST
  body: '{{{{ {{"n": inputs.n}} | toJson }}}}'
  headers: {{X-Mine: "{{{{ flow.id }}}}"}}
  params: {{b: "x y"}}
  options: {{auth: {{type: BASIC, username: me, password: "{{{{ inputs.word }}}}"}}, timeout: {{connectTimeout: PT5S}}}}
""", n=7, word="pass")  # fmt: skip
    told = asked(outputs)
    assert (outputs["code"], outputs["headers"]["X-Two"]) == (200, ["1"])
    assert (told["method"], told["path"], told["body"]) == ("POST", "/echo?a=1&b=x+y", '{"n":7}')
    assert told["headers"]["X-Mine"] == bench.table.flow.id
    assert told["headers"]["Content-Type"] == "application/json"
    assert told["headers"]["Authorization"] == "Basic " + base64.b64encode(b"me:pass").decode()


def test_forms_are_url_encoded_or_in_parts(bench: TaskBench, site: str) -> None:
    results = bench.run(f"""
- {{id: file, type: io.kestra.plugin.core.storage.Write, content: "in a file", extension: .txt}}
- {{id: plain, type: {HTTP}Request, uri: "{site}/echo", method: POST, formData: {{a: 1, b: "x&y"}}}}
- id: parts
  type: {HTTP}Request
  uri: "{site}/echo"
  method: PUT
  contentType: multipart/form-data
  formData: {{a: text, f: {{name: named.txt, content: "{{{{ outputs.file.uri }}}}"}}}}
""")  # fmt: skip
    plain, parts = asked(results["plain"]["outputs"]), asked(results["parts"]["outputs"])
    assert plain["body"] == "a=1&b=x%26y"
    assert plain["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert parts["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")
    assert 'name="f"; filename="named.txt"' in parts["body"] and "in a file" in parts["body"]


def test_redirects_are_followed_unless_told_otherwise(bench: TaskBench, site: str) -> None:
    results = bench.run(f"""
- {{id: go, type: {HTTP}Request, uri: "{site}/moved"}}
- {{id: stay, type: {HTTP}Request, uri: "{site}/moved", options: {{followRedirects: false}}}}
- {{id: head, type: {HTTP}Request, uri: "{site}/x", method: HEAD}}
- {{id: latin, type: {HTTP}Request, uri: "{site}/latin"}}
- {{id: allowed, type: {HTTP}Request, uri: "{site}/missing", allowFailed: true}}
- {{id: codes, type: {HTTP}Request, uri: "{site}/missing", options: {{allowedResponseCodes: [404]}}}}
""")  # fmt: skip
    assert results["go"]["outputs"]["uri"] == f"{site}/echo?moved=1"
    assert results["stay"]["outputs"]["code"] == 302
    assert results["head"]["outputs"]["headers"]["X-Head"] == ["yes"]
    assert results["latin"]["outputs"]["body"] == "é"
    assert (results["allowed"]["outputs"]["code"], results["allowed"]["outputs"]["body"]) == (404, "no such thing")
    assert results["codes"]["outputs"]["code"] == 404


def test_a_body_can_be_kept_encrypted(bench: TaskBench, site: str) -> None:
    results = bench.run(f"""
- {{id: call, type: {HTTP}Request, uri: "{site}/echo", encryptBody: true}}
- {{id: show, type: core.debug.Return, format: "{{{{ outputs.call.encryptedBody.type }}}}"}}
""")  # fmt: skip
    outputs = results["call"]["outputs"]
    assert "body" not in outputs
    assert outputs["encryptedBody"]["type"] == "io.kestra.datatype:aes_encrypted"


def test_a_download_is_a_file_of_the_execution(bench: TaskBench, site: str) -> None:
    outputs = bench.outputs(f"- {{id: down, type: {HTTP}Download, uri: '{site}/report.csv'}}")
    assert outputs["uri"].endswith("/my_report.csv")
    assert bench.content(outputs["uri"]) == "a,b\n1,2\n"
    assert (outputs["code"], outputs["length"]) == (200, 8)
    empty = bench.outputs(f"- {{id: down, type: {HTTP}Download, uri: '{site}/empty', failOnEmptyResponse: false}}")
    assert empty["length"] == 0


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        ("Request, uri: '%s/missing'", "Failed http request with response code '404' and body:\nno such thing"),
        ("Request, uri: '%s/round'", "more than 10 redirects"),
        ("Request, uri: '%s/huge'", "larger than 10,485,760 bytes"),
        ("Request, uri: 'http://127.0.0.1:1/'", "Connection refused"),
        ("Request, uri: 'http://169.254.169.254/latest'", "the address 169.254.169.254"),
        ("Request, uri: 'http://[::ffff:169.254.169.254]/'", "is not allowed here"),
        ("Request, uri: 'file:///etc/passwd'", "Not an HTTP address"),
        ("Request, uri: '%s', options: {auth: {type: DIGEST, username: a}}", "Unknown type of `auth`: DIGEST"),
        ("Request, uri: '%s', method: 'FETCH'", "Unknown HTTP method FETCH"),
        ("Request, uri: '%s', options: {timeout: {connectTimeout: soon}}", "not a duration"),
        ("Request, uri: '%s', allowFailed: perhaps", "`allowFailed` must be true or false"),
        ("Request, uri: '%s/slow', options: {readIdleTimeout: PT0.2S}", "broke off"),
        ("Download, uri: '%s/empty'", "No response from"),
        ("Download, uri: '%s/missing'", "response code '404'"),
    ],
)
def test_what_is_wrong_fails_the_task_with_the_cause(bench: TaskBench, site: str, task: str, cause: str) -> None:
    task = task.replace("uri: '%s', allowFailed", "uri: '%s/missing', allowFailed")
    shown = task % site if "%s" in task else task
    assert cause.partition("\n")[0] in bench.failure(f"- {{id: a, type: {HTTP}{shown}}}")


def test_a_call_that_hangs_is_cut_when_the_task_times_out(bench: TaskBench, site: str) -> None:
    Site.asked.clear()
    bench.table.define(f"- {{id: a, type: {HTTP}Request, uri: '{site}/slow', timeout: PT0.3S}}").hand_out()
    started = time.monotonic()
    run_claimed(bench.worker)
    wait(bench.table.results)
    result = bench.table.result()
    assert Site.asked.is_set()
    assert (result["state"], result["error"]) == ("FAILED", "Timeout after 00:00:00.300")
    assert time.monotonic() - started < 5


def test_http_in_an_expression_gives_the_parsed_body(bench: TaskBench, site: str) -> None:
    outputs = bench.outputs(f"""
- id: back
  type: core.debug.Return
  format: "{{{{ http('{site}/echo', method='POST', body={{'a': 1}}, headers={{'X-Mine': 'x'}}).body }}}} {{{{ http('{site}/latin') }}}}"
""")  # fmt: skip
    assert outputs == {"value": '{"a":1} é'}
    failure = bench.failure(f"- {{id: back, type: core.debug.Return, format: \"{{{{ http('{site}/missing') }}}}\"}}")
    assert failure.startswith("Failed to execute HTTP Request, server respond with status 404")
