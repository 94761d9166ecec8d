"""A filter that cannot be used never makes an action on everything: it is refused, and nothing is done."""

from typing import Any

import pytest
from django.test import Client

from executions.models import ExecutionRecord, LogRecord, TriggerRecord
from flows.definition.states import State
from flows.models import FlowRecord
from tests.integration.rest_support import FLOW, Rest, a_line, administrator, stored
from tests.integration.test_trigger_rest import FLOW as WITH_TRIGGERS

BULK = [
    ("DELETE", "executions/kill/by-query"),
    ("DELETE", "executions/by-query"),
    ("POST", "executions/restart/by-query"),
    ("POST", "executions/replay/by-query"),
    ("POST", "executions/pause/by-query"),
    ("POST", "executions/resume/by-query"),
    ("POST", "executions/force-run/by-query"),
    ("POST", "executions/unqueue/by-query"),
    ("POST", "executions/change-status/by-query"),
    ("DELETE", "flows/delete/by-query"),
    ("POST", "flows/disable/by-query"),
    ("POST", "flows/enable/by-query"),
    ("DELETE", "templates/delete/by-query"),
    ("DELETE", "triggers/delete/by-query"),
    ("POST", "triggers/set-disabled/by-query"),
    ("POST", "triggers/unlock/by-query"),
]
UNUSABLE = [
    "since=P1D",
    "namespce=team",
    "q=",
    "namespace=",
    "filters[namespace][EQUALS]=",
    "filters[colour][EQUALS]=x",
]
DATES = [
    "startDate=yesterday",
    "startDate=",
    "endDate=2026-13-01",
    "timeRange=banana",
    "filters[startDate][LESS_THAN]=",
]


@pytest.fixture
def full(admin: Rest) -> Rest:
    assert admin.post("flows", FLOW).status_code == 200
    assert admin.post("flows", WITH_TRIGGERS).status_code == 200
    admin.put("triggers", {"namespace": "tests.triggers", "flowId": "hooked", "triggerId": "hook", "disabled": True})
    for state in (State.SUCCESS, State.RUNNING, State.PAUSED, State.FAILED):
        a_line(stored(state=state), "line")
    return admin


def everything() -> tuple[Any, ...]:
    executions = ExecutionRecord.objects.order_by("id").values_list("id", "state", "version", "deleted")
    flows = FlowRecord.objects.order_by("id").values_list("id", "disabled", "deleted")
    triggers = TriggerRecord.objects.order_by("trigger_id").values_list("trigger_id", "disabled")
    return list(executions), list(flows), list(triggers), LogRecord.objects.count()


@pytest.mark.parametrize(("method", "path"), BULK)
def test_an_unusable_filter_of_a_bulk_action_is_refused(full: Rest, method: str, path: str) -> None:
    before = everything()
    extra = "&newStatus=KILLED" if "change-status" in path else ""
    for query in UNUSABLE + (DATES if path.startswith("executions") else ["startDate=yesterday"]):
        answer = full.call(method, f"{path}?{query}{extra}")
        assert answer.status_code == 422, (query, answer.content)
        assert answer.json()["message"]
    assert everything() == before


@pytest.mark.parametrize("query", ["level=ERROR", "minLevel=", "minLevel=LOUD", "since=P1D", "startDate=soon"])
def test_log_lines_are_not_deleted_by_an_unusable_filter(full: Rest, query: str) -> None:
    before, line = LogRecord.objects.count(), LogRecord.objects.first()
    assert line is not None
    execution = full.json("executions/search")["results"][0]["id"]
    assert full.delete(f"logs/{execution}?{query}").status_code == 422
    assert full.delete(f"logs/{line.namespace}/{line.flow_id}?triggerId=").status_code == 422
    assert full.delete(f"logs/{line.namespace}/{line.flow_id}?{query}").status_code == 422
    assert LogRecord.objects.count() == before


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"value": value}])
def test_triggers_are_deleted_by_the_filters_of_the_body_alone(full: Rest, wrap: Any) -> None:
    """The clients put them there; passed over, they would mean all triggers."""
    before = TriggerRecord.objects.count()
    kept = {"filters": [{"field": "namespace", "operation": "EQUALS", "value": wrap("elsewhere")}]}
    assert full.delete("triggers/delete/by-query", kept).json() == {"count": 0}
    assert TriggerRecord.objects.count() == before
    for wrong in ("all", [1], [{"field": "colour"}], [{"field": "namespace", "operation": "LIKE", "value": "x"}]):
        assert full.delete("triggers/delete/by-query", {"filters": wrong}).status_code == 422
    assert TriggerRecord.objects.count() == before
    meant = {"filters": [{"field": "NAMESPACE", "operation": "STARTS_WITH", "value": wrap("tests.")}]}
    full.delete("triggers/delete/by-query", meant)
    assert TriggerRecord.objects.count() == 0


@pytest.mark.parametrize("query", ["since=banana", "since=-P1D", "parent=banana", "label=nothing", "state=ODD", "x=y"])
def test_a_filter_that_the_page_passes_over_stops_its_action_on_all(admin: Rest, query: str) -> None:
    stored(state=State.RUNNING)
    client = Client()
    client.force_login(administrator("clicker"))
    before = everything()
    answer = client.post("/executions/bulk", {"action": "delete", "everything": "1", "query": query})
    assert answer.status_code == 422
    assert "Nothing was done" in answer.content.decode()
    assert everything() == before
