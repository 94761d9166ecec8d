"""Triggers over REST: found in the flows, disabled beside them."""

import pytest

from executions.models import TriggerRecord
from tests.integration.rest_support import Rest, member

FLOW = """\
id: hooked
namespace: tests.triggers
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: a-long-and-secret-key
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    disabled: true
"""
KEY = {"namespace": "tests.triggers", "flowId": "hooked", "triggerId": "hook"}


@pytest.fixture
def rest(admin: Rest) -> Rest:
    assert admin.post("flows", FLOW).status_code == 200
    return admin


def test_triggers_are_found_with_text_and_state(rest: Rest) -> None:
    page = rest.json("triggers/search?namespace=tests&sort=triggerId:asc")
    assert page["total"] == 2
    after, hook = page["results"]
    assert after["triggerContext"]["disabled"] is True and hook["triggerContext"]["disabled"] is False
    assert hook["abstractTrigger"]["type"].endswith("Webhook") and hook["triggerId"] == "hook"
    assert rest.json("triggers/search?filters[triggerState][EQUALS]=DISABLED")["total"] == 1
    assert rest.json("triggers/search?q=nothing")["total"] == 0
    assert rest.json("triggers/tests.triggers/hooked")["total"] == 2
    assert rest.get("triggers/search?filters[colour][EQUALS]=x").status_code == 422
    assert rest.get("triggers/search?sort=colour").status_code == 422
    csv = b"".join(rest.get("triggers/export/by-query/csv").streaming_content).decode()
    assert len(csv.splitlines()) == 3


def test_a_trigger_is_disabled_and_enabled_in_each_dialect(rest: Rest) -> None:
    assert rest.put("triggers", {**KEY, "disabled": True}).json()["disabled"] is True
    assert rest.put("main/triggers/set-disabled", {**KEY, "disabled": False}).json()["disabled"] is False
    body = {"triggers": [KEY], "disabled": True}
    assert rest.post("triggers/set-disabled/by-triggers", body).json() == {"count": 1}
    assert TriggerRecord.objects.get(trigger_id="hook").disabled is True
    assert rest.post("triggers/set-disabled/by-query?namespace=tests&disabled=false").json() == {"count": 2}
    assert TriggerRecord.objects.filter(disabled=True).count() == 0


def test_what_cannot_be_is_refused_with_the_reason(rest: Rest) -> None:
    one = "triggers/tests.triggers/hooked/hook"
    assert rest.post(f"{one}/unlock").status_code == 409
    assert "no backfill" in rest.put("triggers/backfill/pause", KEY).json()["message"]
    assert "no scheduler" in rest.put("triggers/backfill/create", KEY).json()["message"]
    assert rest.put("triggers", {**KEY, "triggerId": "none"}).status_code == 404
    assert rest.put("triggers", []).status_code == 422
    assert rest.post("triggers/unlock/by-triggers", [{**KEY, "flowId": 1}]).status_code == 422
    assert rest.post("triggers/unlock/by-triggers", {"triggers": "x"}).status_code == 422
    assert rest.post(f"{one}/restart").status_code == 200
    assert rest.delete(one).status_code == 204


def test_another_namespaces_trigger_does_not_exist_for_an_operator(rest: Rest) -> None:
    other = Rest(member("olga", "operator", "other"))
    assert other.json("triggers/search")["total"] == 0
    assert other.put("triggers", {**KEY, "disabled": True}).status_code == 404
    assert other.post("triggers/set-disabled/by-triggers", {"triggers": [KEY], "disabled": True}).status_code == 404
    assert not TriggerRecord.objects.filter(disabled=True).exists()
