"""Calls of webhooks over REST, on the real database: who is answered what, and what the execution is told."""

import hmac
from typing import Any

import pytest

from executions.models import ExecutionRecord
from tests.integration.rest_support import Rest, administrator

NS = "tests.hooks"
KEY = "0123456789abcdef0123456789abcdef"
FLOW = f"""\
id: hooked
namespace: {NS}
labels: {{a: b}}
inputs:
  - {{id: word, type: STRING, required: false}}
  - {{id: number, type: INT, defaults: 7}}
tasks:
  - {{id: say, type: io.kestra.plugin.core.log.Log, message: "{{{{ trigger.headers['X-GitHub-Event'] }}}}"}}
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: " {{{{ vars.key }}}} "
variables:
  key: {KEY}
"""


@pytest.fixture
def admin(empty: None, nobody_remembered: None) -> Rest:
    return Rest(administrator())


def saved(admin: Rest, text: str = FLOW) -> Rest:
    """A caller without credentials."""
    assert admin.post("flows", text).status_code == 200
    return Rest()


def address(key: str = KEY, query: str = "") -> str:
    return f"executions/webhook/{NS}/hooked/{key}{query}"


def variables(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()["trigger"]["variables"]


def test_whoever_knows_the_rendered_key_starts_an_execution(admin: Rest) -> None:
    caller = saved(admin)
    for method in ("GET", "POST", "PUT"):
        answer = caller.call(method, address(query="?name=john&age=12&age=13"), {"a": 1} if method != "GET" else None)
        assert variables(answer)["parameters"] == {"name": ["john"], "age": ["12", "13"]}
        shown = answer.json()
        assert shown["state"]["current"] == "CREATED" and shown["inputs"] == {"number": 7}
        assert shown["labels"][0] == {"key": "a", "value": "b"} and shown["url"].endswith(shown["id"])
        assert shown["trigger"]["id"] == "hook"
    assert ExecutionRecord.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "content_type", "seen"),
    [
        (b'{"a": {"b": [1]}}', "application/json", {"a": {"b": [1]}}),
        (b"[1, 2]", "text/plain", [1, 2]),
        (b"bla", "application/json", "bla"),
        (b"12", "application/json", "12"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "a=1&b=2"),
        (b"\xff\x00", "application/octet-stream", "��"),
        (b'{"files": {"x": {"filepath": "/etc/passwd"}}}', "application/json", {"files": {"x": {"filepath": "/etc/passwd"}}}),
        (b"", "", None),
    ],
)  # fmt: skip
def test_the_body_is_a_map_a_list_or_a_text(admin: Rest, body: bytes, content_type: str, seen: Any) -> None:
    assert variables(saved(admin).call("POST", address(), body, content_type or "text/plain"))["body"] == seen


def test_headers_are_spelled_as_the_flow_spells_them_and_credentials_are_not_kept(admin: Rest) -> None:
    saved(admin)
    answer = admin.call("POST", address(), b"x", headers={"x-github-event": "push", "x-other": "o", "cookie": "c=1"})
    headers = variables(answer)["headers"]
    assert headers["X-GitHub-Event"] == ["push"] and headers["X-Other"] == ["o"]
    assert not {"authorization", "cookie"} & {name.lower() for name in headers}


@pytest.mark.parametrize("key", ["x", KEY[:-1], KEY + "0", KEY.upper(), "%20", "{{ vars.key }}"])
def test_a_wrong_key_finds_nothing(admin: Rest, key: str) -> None:
    answer = saved(admin).post(address(key))
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not Found: Webhook not found"
    assert not ExecutionRecord.objects.exists()


def test_keys_are_compared_in_constant_time(admin: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key of the flow is compared by the one function that takes as long for each."""
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    text = FLOW.replace(
        "variables:", "  - {id: other, type: io.kestra.plugin.core.trigger.Webhook, key: otherkey}\nvariables:"
    )
    caller = saved(admin, text)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert caller.post(address()).status_code == 200
    monkeypatch.undo()
    assert compared == [(KEY.encode(), KEY.encode()), (b"otherkey", KEY.encode())]


def test_an_unknown_flow_is_not_found(admin: Rest) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = Rest().call(method, f"executions/webhook/{NS}/nowhere/{KEY}", b"bla", "application/json")
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found: Flow not found")


def test_a_key_that_cannot_be_rendered_is_nobodys(admin: Rest) -> None:
    caller = saved(admin, FLOW.replace("vars.key", "secret('NOT_THERE')"))
    assert caller.post(address("x")).status_code == 404


def test_what_is_disabled_answers_a_conflict(admin: Rest) -> None:
    caller = saved(admin, FLOW.replace("    key:", "    disabled: true\n    key:"))
    answer = caller.post(address())
    assert answer.status_code == 409 and "disabled" in answer.json()["message"]
    assert admin.put(f"flows/{NS}/hooked", FLOW + "disabled: true\n").status_code == 200
    assert caller.post(address()).status_code == 409
    assert caller.post(address("wrong")).status_code == 404
    assert admin.put(f"flows/{NS}/hooked", FLOW).status_code == 200
    switched = {"triggers": [{"namespace": NS, "flowId": "hooked", "triggerId": "hook"}], "disabled": True}
    assert admin.post("triggers/set-disabled/by-triggers", switched).status_code == 200
    assert caller.post(address()).status_code == 409
    assert not ExecutionRecord.objects.exists()


def test_conditions_that_do_not_hold_answer_no_content(admin: Rest) -> None:
    condition = (
        "    conditions: [{type: io.kestra.plugin.core.condition.Expression, "
        "expression: \"{{ trigger.body.action == 'go' }}\"}]\n"
    )
    caller = saved(admin, FLOW.replace("variables:\n", condition + "variables:\n"))
    refused = caller.post(address(), {"action": "stay"})
    assert (refused.status_code, refused.content) == (204, b"")
    assert caller.post(address(), b"no map at all").status_code == 204
    assert not ExecutionRecord.objects.exists()
    assert caller.post(address(), {"action": "go"}).status_code == 200


def test_inputs_are_made_of_the_body_and_a_body_is_no_template(admin: Rest) -> None:
    given = "    inputs: {word: '{{ trigger.body.text }}'}\n"
    caller = saved(admin, FLOW.replace("variables:\n", given + "variables:\n"))
    answer = caller.post(address(), {"text": "{{ secret('MY_SECRET') }}"})
    assert answer.json()["inputs"]["word"] == "{{ secret('MY_SECRET') }}"


def test_inputs_that_are_refused_make_a_failed_execution(admin: Rest) -> None:
    given = "    inputs: {number: '{{ trigger.body }}'}\n"
    caller = saved(admin, FLOW.replace("variables:\n", given + "variables:\n"))
    shown = caller.post(address(), b"many").json()
    assert shown["state"]["current"] == "FAILED" and "number" in shown["error"]


def test_a_path_after_the_key_is_told(admin: Rest) -> None:
    assert variables(saved(admin).post(address(KEY + "/orders/12")))["path"] == "orders/12"
