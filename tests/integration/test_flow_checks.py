"""A flow's `checks`: what a failed one makes of a start over REST, by a trigger, and of the form that asks before."""

from typing import Any

import pytest

from executions.models import ExecutionRecord
from tests.integration.rest_support import Rest, administrator

NS = "tests.checks"
BLOCK, FAIL, CREATE = "BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"
FLOW = """\
id: checked
namespace: tests.checks
inputs: [{{id: n, type: INT, defaults: 5}}]
checks:
  - {{condition: "{{{{ inputs.n < 10 }}}}", message: too big, style: ERROR, behavior: {behavior}}}
  - {{condition: "{{{{ inputs.n != 7 }}}}", message: seven, behavior: CREATE_EXECUTION}}
tasks: [{{id: say, type: core.log.Log, message: hello}}]
triggers: [{{id: hook, type: core.trigger.Webhook, key: k, inputs: {{n: 50}}}}]
"""


@pytest.fixture
def admin(empty: None, nobody_remembered: None) -> Rest:
    return Rest(administrator())


def with_form(admin: Rest, path: str, value: int) -> Any:
    body = f'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n{value}\r\n--x--\r\n'
    return admin.post(path, body.encode(), "multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    ("behavior", "value", "outcome"),
    [(BLOCK, 50, 422), (FAIL, 50, "FAILED"), (CREATE, 50, "CREATED"), (BLOCK, 5, "CREATED"), (BLOCK, 7, "CREATED")],
)
def test_what_becomes_of_a_start(admin: Rest, behavior: str, value: int, outcome: Any) -> None:
    assert admin.post("flows", FLOW.format(behavior=behavior)).status_code == 200
    answer = with_form(admin, f"executions/{NS}/checked", value)
    if outcome == 422:
        assert (answer.status_code, ExecutionRecord.objects.count()) == (422, 0)
        assert answer.json()["message"].endswith("Failed checks: too big")
    else:
        assert (answer.status_code, answer.json()["state"]["current"]) == (200, outcome)


def test_what_a_trigger_starts_is_failed_and_never_lost(admin: Rest) -> None:
    assert admin.post("flows", FLOW.format(behavior=BLOCK)).status_code == 200
    assert Rest().post(f"executions/webhook/{NS}/checked/k").json()["state"]["current"] == "FAILED"
    assert "too big" in ExecutionRecord.objects.get().error


def test_the_form_is_told_of_failed_checks_as_soon_as_its_values_are_valid(admin: Rest) -> None:
    assert admin.post("flows", FLOW.format(behavior=FAIL)).status_code == 200
    path = f"executions/{NS}/checked/validate"
    assert with_form(admin, path, 50).json()["checks"] == [{"message": "too big", "style": "ERROR", "behavior": FAIL}]
    assert with_form(admin, path, 7).json()["checks"] == [{"message": "seven", "style": "INFO", "behavior": CREATE}]
    assert with_form(admin, path, 1).json()["checks"] == []


def test_a_condition_that_cannot_be_evaluated_does_not_hold(admin: Rest) -> None:
    text = FLOW.format(behavior=BLOCK).replace("inputs.n < 10", "inputs.missing < 10")
    assert admin.post("flows", text).status_code == 200
    assert with_form(admin, f"executions/{NS}/checked", 5).status_code == 422
