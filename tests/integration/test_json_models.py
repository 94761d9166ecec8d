"""Every JSON answer has the fields, types and dates that the models of Kestra's official clients declare."""

from datetime import UTC, datetime
from typing import Any

import pytest

from executions import actions
from executions.ids import to_uuid
from executions.models import ConcurrencySlot, ExecutionRecord
from flows.definition.states import State
from orchestrator_site.openapi_parts import DASHBOARD
from tests.builders import a_run
from tests.integration.json_models import MODELS, faults
from tests.integration.rest_support import Rest, a_line, a_metric, stored

NAMESPACE = "models.team"
KEY = "abcdefghijklmnopqrstuvwxyz012345"
FLOW = f"""\
id: whole
namespace: {NAMESPACE}
description: has everything
labels: {{team: a}}
variables: {{word: x}}
concurrency: {{limit: 5}}
inputs:
  - {{id: name, type: STRING, defaults: world}}
  - {{id: number, type: INT, defaults: 3}}
  - {{id: list, type: ARRAY, itemType: STRING, required: false}}
  - {{id: tree, type: JSON, defaults: {{a: 1}}}}
outputs:
  - {{id: out, type: STRING, value: "x"}}
tasks:
  - {{id: say, type: io.kestra.plugin.core.log.Log, message: hello}}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1, 2]
    tasks: [{{id: inner, type: io.kestra.plugin.core.debug.Return, format: x}}]
  - {{id: below, type: io.kestra.plugin.core.flow.Subflow, namespace: {NAMESPACE}, flowId: other}}
errors:
  - {{id: sorry, type: io.kestra.plugin.core.log.Log, message: sorry}}
triggers:
  - {{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: {KEY}}}
  - {{id: daily, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}}
  - {{id: after, type: io.kestra.plugin.core.trigger.Flow, stopAfter: [FAILED]}}
"""
OTHER = f"id: other\nnamespace: {NAMESPACE}\ntasks: [{{id: a, type: io.kestra.plugin.core.log.Log, message: b}}]\n"
READS = [
    ("executions/{id}", "execution"),
    ("executions/search?namespace=" + NAMESPACE, "page of execution"),
    (f"executions?namespace={NAMESPACE}&flowId=whole", "page of execution"),
    ("executions/{id}/graph", "flow_graph"),
    ("executions/{id}/flow", "flow_for_execution"),
    (f"executions/flows/{NAMESPACE}/whole", "flow_for_execution"),
    (f"executions/namespaces/{NAMESPACE}/flows", "[flow_for_execution]"),
    ("executions/namespaces", "[text]"),
    ("executions/distinct-field-values?field=NAMESPACE", "[text]"),
    ("taskruns/search", "page of task_run"),
    ("outputs/executions/{id}", "map"),
    ("outputs/tasks/{id}", "[task_output]"),
    ("outputs/tasks/{id}/{run}", "map"),
    ("logs/{id}", "[log_entry]"),
    ("logs/search", "page of log_entry"),
    ("metrics/{id}", "page of metric_entry"),
    (f"metrics/aggregates/{NAMESPACE}/whole/rows", "metric_aggregations"),
    (f"metrics/names/{NAMESPACE}/whole", "[text]"),
    ("concurrency-limit/search", "page of concurrency_limit"),
    (f"flows/{NAMESPACE}/whole", "flow"),
    (f"flows/{NAMESPACE}/whole?source=true", "flow_with_source"),
    (f"flows/{NAMESPACE}/whole/revisions", "[flow_with_source]"),
    (f"flows/{NAMESPACE}/whole/tasks/inner", "task"),
    (f"flows/{NAMESPACE}", "[flow]"),
    ("flows/search", "page of flow"),
    ("flows/source?q=everything", "page of search_result"),
    ("flows/distinct-namespaces", "[text]"),
    (f"flows/{NAMESPACE}/whole/graph", "flow_graph"),
    (f"flows/{NAMESPACE}/whole/dependencies", "topology"),
    (f"namespaces/{NAMESPACE}/dependencies", "topology"),
    (f"namespaces/{NAMESPACE}", "namespace"),
    ("namespaces/search", "page of namespace"),
    (f"namespaces/{NAMESPACE}/kv", "[kv_entry]"),
    (f"namespaces/{NAMESPACE}/kv/one", "kv_detail"),
    (f"namespaces/{NAMESPACE}.below/kv/inheritance", "[kv_entry]"),
    ("kv", "page of kv_entry"),
    (f"namespaces/{NAMESPACE}/files/directory", "[file_attributes]"),
    (f"namespaces/{NAMESPACE}/files/stats?path=/", "file_attributes"),
    (f"triggers/{NAMESPACE}/whole", "page of trigger"),
    ("triggers/search", "page of triggers"),
    ("triggers/search?", "page of trigger"),
    ("configs", "configuration"),
]


@pytest.fixture
def rest(admin: Rest) -> Rest:
    for source in (FLOW, OTHER):
        assert admin.post("flows", source).status_code == 200
    execution = stored(
        a_run("say", State.SUCCESS, outputs={"value": "x"}),
        a_run("inner", State.FAILED, value="1", iteration=0),
        a_run("below", State.RUNNING),
        namespace=NAMESPACE,
        flow_id="whole",
        inputs={"name": "n"},
        outputs={"out": "x"},
        labels=[{"key": "team", "value": "a"}],
    )
    for level in range(5):
        a_line(execution, "line", level, task_id="say")
    a_metric(execution, "rows", 3, tags={"a": "b"})
    admin.put(f"namespaces/{NAMESPACE}/kv/one", '{"a": null}', "application/json", headers={"ttl": "PT1H"})
    admin.post(f"namespaces/{NAMESPACE}/files/directory?path=/folder")
    ConcurrencySlot.objects.create(
        execution_id=to_uuid(execution.id), namespace=NAMESPACE, flow_id="whole", running=True, since=datetime.now(UTC)
    )
    admin.id, admin.run = execution.id, next(iter(execution.runs))  # type: ignore[attr-defined]
    return admin


@pytest.mark.parametrize("dialect", ["", "main/"])
def test_what_is_read_fits_the_models(rest: Rest, dialect: str) -> None:
    found = []
    for path, kind in READS:
        filled = path.format(id=rest.id, run=rest.run)  # type: ignore[attr-defined]
        answer = rest.get(dialect + filled)
        assert answer.status_code == 200, (path, answer.content)
        shown = answer.json()
        assert shown not in ([], {"results": [], "total": 0}), f"{path} shows nothing to look at"
        found += [f"{path} {fault}" for fault in faults(kind, shown)]
    assert found == []


@pytest.mark.parametrize("dialect", ["executions/{id}/", "main/executions/{id}/actions/"])
def test_what_actions_answer_fits_the_models(rest: Rest, dialect: str) -> None:
    address = dialect.format(id=rest.id)  # type: ignore[attr-defined]
    one, newer = f"executions/{NAMESPACE}/whole", "actions" in dialect
    paused = stored(a_run("say", State.PAUSED), state=State.PAUSED, namespace=NAMESPACE, flow_id="whole")
    answers = [
        (rest.post(f"{one}?labels=a:b"), "created_execution"),
        (rest.post(f"{one}/validate"), "validated_inputs"),
        (rest.post(f"{address}labels", [{"key": "a", "value": "b"}]), "execution"),
        (rest.post(f"{address}change-status?status=WARNING"), "execution"),
        (rest.post(f"{address}replay"), "execution"),
        (rest.post(f"{address}eval", "{{ flow.id }}", "text/plain"), "eval_result"),
        (rest.post(f"{address}eval", "{{ nothing }}", "text/plain"), "eval_result"),
        (rest.post("executions/latest", [{"namespace": NAMESPACE, "id": "whole"}]), "[last_execution]"),
        (rest.post("executions/labels/by-ids", {"executionsId": [], "executionLabels": []}), "bulk_response"),
        (rest.post(f"executions/webhook/{NAMESPACE}/whole/{KEY}", {"a": 1}), "webhook_response"),
        (rest.post("flows/validate", FLOW + "\n---\nid: x\n"), "[violation]"),
        (rest.post("flows/validate/task", "id: a\ntype: io.kestra.plugin.core.log.Log\n"), "violation"),
        (rest.post("flows/validate/task?section=TASKS", {"id": "a", "type": "core.log.Log"}), "violation"),
        (rest.post("flows/validate/trigger", "id: a\n"), "violation"),
        (rest.post("dashboards", DASHBOARD), "dashboard"),
        (rest.post("dashboards/validate", DASHBOARD), "violation"),
        (rest.post("flows/graph", FLOW), "flow_graph"),
        (rest.put(f"flows/{NAMESPACE}/other", OTHER.replace("message: b", "message: c")), "flow_with_source"),
        (rest.put("triggers", {"namespace": NAMESPACE, "flowId": "whole", "triggerId": "hook"}), "trigger"),
    ]
    if newer:
        resume = dialect.format(id=paused.id) + "resume"
        answers.append((rest.post(resume), "execution"))
    found = []
    for answer, kind in answers:
        path = answer.request["PATH_INFO"]
        assert answer.status_code == 200, (path, answer.content)
        found += [f"{path} {fault}" for fault in faults(kind, answer.json())]
    assert found == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "executions/nothing", None, 404),
        ("GET", "executions/search?size=0", None, 422),
        ("GET", "executions/search?sort=colour:asc", None, 422),
        ("GET", "executions", None, 400),
        ("POST", "flows", "id: [", 422),
        ("POST", "flows", "id: a\nnamespace: b\ncolour: red\ntasks: []", 422),
        ("POST", "executions/labels/by-ids", "{", 422),
        ("DELETE", "executions/kill/by-ids", ["nothing"], 400),
        ("GET", "nothing/here", None, 404),
        ("PATCH", "flows", None, 405),
    ],
)
def test_refusals_have_the_form_that_clients_read(rest: Rest, method: str, path: str, body: Any, status: int) -> None:
    answer = rest.call(method, path, body)
    assert answer.status_code == status, answer.content
    if status == 400 and "by-ids" in path:
        assert answer.json()["message"] == "invalid bulk kill"
        assert answer.json()["invalids"][0]["invalidValue"] == "nothing"
        return
    assert faults("problem", answer.json()) == []
    assert answer.json()["_links"]["self"]["href"] == f"/api/v1/{path.partition('?')[0]}"


def test_an_execution_just_created_fits_the_same_model_as_its_row(rest: Rest) -> None:
    execution = actions.trigger(NAMESPACE, "whole", {"name": "y"})
    shown = rest.json(f"executions/{execution.id}")
    assert faults("execution", shown) == []
    assert "endDate" not in shown["state"] and "outputs" not in shown
    ExecutionRecord.objects.filter(pk=to_uuid(execution.id)).update(state="PAUSED")
    assert "endDate" in rest.json(f"executions/{execution.id}")["state"]


def test_the_check_itself_sees_what_is_wrong() -> None:
    state = {"current": "RUNNING", "histories": [], "duration": "PT1S", "startDate": "2026-01-01T00:00:00Z"}
    assert faults("state", state) == []
    assert faults("state", {**state, "current": "BUSY"}) == ["$.current: 'BUSY' is no state_type"]
    assert faults("state", {**state, "startDate": "2026-01-01 00:00"})[0].startswith("$.startDate")
    assert faults("state", {**state, "duration": "1s", "endDate": None})[0] == "$.endDate: null"
    assert faults("page of label", {"results": [{"key": "a"}]}) == ["$.total: None", "$.results[0].value: absent"]
    kinds = {field.partition(":")[2].strip("[]{}") for fields in MODELS.values() for field in fields.split()}
    assert all(faults(kind, object()) or kind == "any" for kind in kinds)  # each type named is known
