"""Notifications to a real SMTP server and a real HTTP server of this machine."""

import json
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from executions import store
from executions.storage.site import current as storage
from executor.worker.process import Worker
from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from tests.integration.worker_support import NAMESPACE, Desk, run_claimed


class Postbox:
    """What arrived, as (receivers, message)."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], Any]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "refused@example.org" in envelope.rcpt_tos:
            return "554 no thanks"
        self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@pytest.fixture
def mail(free_port: int) -> Iterator[tuple[int, Postbox]]:
    box = Postbox()

    def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.login == b"user" and data.password == b"p4ss", handled=False)

    controller = Controller(
        box, hostname="127.0.0.1", port=free_port, authenticator=authenticated, auth_require_tls=False
    )
    controller.start()
    yield free_port, box
    controller.stop()


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """Its address, and what was posted to it."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((json.loads(body), dict(self.headers)))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()
            self.wfile.write(b"no_service" if self.path == "/broken" else b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    server.server_close()


def run(table: Desk, worker: Worker, kind: str, properties: str) -> dict[str, Any]:
    table.define(f"- {{id: one, type: io.kestra.plugin.notifications.{kind}, {properties}}}")
    with table.connection.transaction():
        store.create(table.connection, [table.execution])
    table.hand_out()
    run_claimed(worker)
    return table.result()


PEOPLE = "host: 127.0.0.1, transportStrategy: SMTP, username: user, password: p4ss, from: a@example.org"


def test_a_mail_with_html_and_an_attachment(table: Desk, worker: Worker, mail: tuple[int, Postbox]) -> None:
    port, box = mail
    uri = storage().put(f"kestra:///{NAMESPACE.replace('.', '/')}/report.csv", b"a,b\n")
    result = run(
        table, worker, "mail.MailSend",
        f"{PEOPLE}, port: {port}, to: 'b@example.org, c@example.org', cc: [d@example.org], subject: 'Flow {{{{ flow.id }}}}',"
        f" htmlTextContent: '<b>done</b>', attachments: [{{name: report.csv, uri: '{uri}'}}]",
    )  # fmt: skip
    assert result["state"] == "SUCCESS", result["error"]
    ((receivers, letter),) = box.letters
    assert receivers == ["b@example.org", "c@example.org", "d@example.org"]
    assert letter["Subject"] == f"Flow {table.flow.id}"
    assert "<b>done</b>" in letter.get_body(("html",)).get_content()
    assert [part.get_filename() for part in letter.iter_attachments()] == ["report.csv"]


def test_a_mail_about_an_execution(table: Desk, worker: Worker, mail: tuple[int, Postbox]) -> None:
    port, box = mail
    result = run(
        table, worker, "mail.MailExecution", f"{PEOPLE}, port: {port}, to: b@example.org, customFields: {{Env: dev}}"
    )
    assert result["state"] == "SUCCESS", result["error"]
    ((_, letter),) = box.letters
    text = letter.get_body(("plain",)).get_content()
    assert table.flow.id in letter["Subject"] and table.execution.id in text
    assert "Env: dev" in text and f"/ui/executions/{NAMESPACE}/{table.flow.id}/{table.execution.id}" in text


def test_a_subject_cannot_add_headers(table: Desk, worker: Worker, mail: tuple[int, Postbox]) -> None:
    port, box = mail
    assert (
        run(
            table,
            worker,
            "mail.MailSend",
            f'{PEOPLE}, port: {port}, to: b@example.org, subject: "x\\nBcc: evil@example.org"',
        )["state"]
        == "SUCCESS"
    )
    assert (box.letters[0][1]["Subject"], box.letters[0][0]) == ("x Bcc: evil@example.org", ["b@example.org"])


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("to: refused@example.org", "554 no thanks"),
        ("to: nobody", "holds no mail address"),
        ("to: ''", "`to` is empty"),
        ("to: b@example.org, transportStrategy: PIGEON", "`transportStrategy` must be one of"),
        ("to: b@example.org, password: wrong", "The mail server refused: 535"),
        ("to: b@example.org, port: 1", "cannot be reached"),
    ],
)
def test_a_mail_that_cannot_be_sent_fails_with_the_reason(
    table: Desk, worker: Worker, mail: tuple[int, Postbox], properties: str, reason: str
) -> None:
    given = {**dict(one.split(": ", 1) for one in f"{PEOPLE}, port: {mail[0]}".split(", "))}
    given |= dict(one.split(": ", 1) for one in properties.split(", "))
    result = run(table, worker, "mail.MailSend", ", ".join(f"{name}: {value}" for name, value in given.items()))
    assert (result["state"], reason in result["error"]) == ("FAILED", True), result["error"]


def test_slack_is_told(table: Desk, worker: Worker, hook: tuple[str, list[Any]]) -> None:
    url, posted = hook
    payload = '{"text": "flow {{ flow.id }}", "channel": "#ops"}'
    assert (
        run(table, worker, "slack.SlackIncomingWebhook", f"url: '{url}/x', payload: '{payload}'")["state"] == "SUCCESS"
    )
    assert (
        run(table, worker, "slack.SlackExecution", f"url: '{url}', channel: '#ops', customMessage: see it")["state"]
        == "SUCCESS"
    )
    assert posted[0][0] == {"text": f"flow {table.flow.id}", "channel": "#ops"} or posted[0][0]["channel"] == "#ops"
    told = posted[1][0]
    assert told["channel"] == "#ops" and "see it" in told["text"]
    assert {"title": "Execution", "value": table.execution.id, "short": True} in told["attachments"][0]["fields"]


def test_any_other_webhook_gets_the_facts(table: Desk, worker: Worker, hook: tuple[str, list[Any]]) -> None:
    url, posted = hook
    result = run(
        table, worker, "webhook.WebhookExecution", f"url: '{url}', headers: {{X-Token: t1}}, customFields: {{a: 1}}"
    )
    assert result["state"] == "SUCCESS", result["error"]
    ((body, headers),) = posted
    assert (body["id"], body["state"], body["customFields"]) == (table.execution.id, "RUNNING", {"a": 1})
    assert headers["X-Token"] == "t1"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("url: '%s/broken', payload: '{}'", "The webhook answered 500: no_service"),
        ("url: '%s', payload: '{'", "`payload` is not valid JSON"),
        ("url: '%s'", "`payload` is empty"),
        ("url: 'http://127.0.0.1:1/%s', payload: '{}'", "cannot be reached"),
    ],
)
def test_a_webhook_that_fails_tells_why(
    table: Desk, worker: Worker, hook: tuple[str, list[Any]], properties: str, reason: str
) -> None:
    result = run(table, worker, "slack.SlackIncomingWebhook", properties % hook[0])
    assert (result["state"], reason in result["error"]) == ("FAILED", True), result["error"]


@pytest.mark.parametrize(
    "kind", ["mail.MailSend", "mail.MailExecution", "slack.SlackExecution", "slack.SlackIncomingWebhook"]
)
def test_a_wrong_property_is_refused_when_the_flow_is_saved(kind: str) -> None:
    for properties, name in (("url2: x", "url2"), ("subject: x", "url|host|subject")):
        with pytest.raises(InvalidFlow, match=name):
            parse_flow(
                f"id: f\nnamespace: n\ntasks:\n- {{id: one, type: io.kestra.plugin.notifications.{kind}, {properties}}}\n"
            )
