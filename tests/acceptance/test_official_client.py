"""The SDK that Kestra's makers publish (kestrapy 1.3.1) against the whole product: every method of its open edition.

The SDK forgives an answer that does not fit its models; here that is a failure.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from kestrapy import KestraClient, base_api
from kestrapy.exceptions import ApiException
from kestrapy.models.api_autocomplete import ApiAutocomplete
from kestrapy.models.chart_filters_overrides import ChartFiltersOverrides
from kestrapy.models.dashboard_controller_preview_request import DashboardControllerPreviewRequest
from kestrapy.models.delete_triggers_by_query_request import DeleteTriggersByQueryRequest
from kestrapy.models.execution_controller_set_labels_by_ids_request import ExecutionControllerSetLabelsByIdsRequest
from kestrapy.models.execution_controller_state_request import ExecutionControllerStateRequest
from kestrapy.models.kv_controller_api_delete_bulk_request import KVControllerApiDeleteBulkRequest
from kestrapy.models.state_type import StateType

from orchestrator_site.openapi_parts import CHART, DASHBOARD
from tests.plant import PASSWORD, USERNAME, Plant, eventually

T, NS = "main", "official.client"
KEY = "abcdefghijklmnopqrstuvwxyz012345"
FLOW = f"""\
id: whole
namespace: {NS}
description: words
labels: {{team: a}}
concurrency: {{limit: 100}}
inputs:
  - {{id: name, type: STRING, defaults: world}}
  - {{id: number, type: INT, defaults: 3}}
  - {{id: upload, type: FILE, required: false}}
outputs:
  - {{id: out, type: STRING, value: "{{{{ outputs.say.value }}}}"}}
tasks:
  - {{id: say, type: io.kestra.plugin.core.debug.Return, format: "hello {{{{ inputs.name }}}}"}}
  - {{id: note, type: io.kestra.plugin.core.log.Log, message: noted}}
  - {{id: file, type: io.kestra.plugin.core.storage.Write, content: "a\\nb\\n", extension: .txt}}
triggers:
  - {{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: {KEY}}}
"""


def small(name: str, task: str, more: str = "") -> str:
    return f"id: {name}\nnamespace: {NS}\n{more}tasks:\n  - {{id: only, {task}}}\n"


PAUSE = small("pausing", "type: io.kestra.plugin.core.flow.Pause, onResume: [{id: r, type: STRING, defaults: q}]")
SLEEP = small("sleeping", "type: io.kestra.plugin.core.flow.Sleep, duration: PT60S")
FAIL = small("failing", "type: io.kestra.plugin.core.execution.Fail")
QUEUE = small("queueing", "type: io.kestra.plugin.core.flow.Sleep, duration: PT60S", "concurrency: {limit: 1}\n")
KNOWN = {"Execution"}  # the first event of `follow` names the execution only, as Kestra's does


@pytest.fixture(scope="module")
def sdk(product: Plant) -> Iterator[KestraClient]:
    forgiving = base_api.BaseApi._deserialize
    client = KestraClient(host=f"http://127.0.0.1:{product.port}", username=USERNAME, password=PASSWORD)
    client._session.trust_env = False

    def strict(data: Any, model: Any) -> Any:
        is_start = isinstance(data, dict) and set(data) == {"id"} and model.__name__ in KNOWN
        if hasattr(model, "from_dict") and not is_start and model.__name__ != "PagedResultsMapStringObject":
            assert isinstance(data, dict), f"{model.__name__}: {data!r:.200}"
            model.from_dict(data)
        return forgiving(data, model)

    base_api.BaseApi._deserialize = staticmethod(strict)
    for source in (FLOW, PAUSE, SLEEP, FAIL, QUEUE):
        assert client.flows.create_flow(T, source).namespace == NS
    yield client
    base_api.BaseApi._deserialize = forgiving
    client.close()


def refused(status: int) -> AbstractContextManager[Any]:
    return pytest.raises(ApiException, check=lambda error: error.status == status)


def where(**fields: Any) -> list[dict[str, Any]]:
    return [{"field": name, "operation": "EQUALS", "value": value} for name, value in fields.items()]


def begun(sdk: KestraClient, flow_id: str, state: str) -> str:
    execution_id = str(sdk.executions.create_execution(T, NS, flow_id, wait=False).id)
    reached(sdk, execution_id, state)
    return execution_id


def reached(sdk: KestraClient, execution_id: str, state: str) -> None:
    eventually(lambda: sdk.executions.execution(execution_id, T).state.current == state, 30, state)


def test_flows_are_written_found_exported_and_drawn(sdk: KestraClient) -> None:
    flows = sdk.flows
    assert flows.flow(NS, "whole", T, source=True, revision=1, allow_deleted=False).source == FLOW
    assert flows.update_flow(NS, "whole", T, FLOW.replace("words", "other words")).revision == 2
    assert [one.revision for one in flows.list_flow_revisions(NS, "whole", T, allow_delete=True)] == [1, 2]
    two = "\n---\n".join(small(name, "type: io.kestra.plugin.core.log.Log, message: x") for name in ("b1", "b2"))
    assert len(flows.bulk_update_flows(T, delete=False, namespace=NS, allow_namespace_child=True, body=two)) == 2
    ids = [{"namespace": NS, "id": name} for name in ("b1", "b2")]
    assert flows.disable_flows_by_ids(T, ids).count == flows.enable_flows_by_ids(T, ids).count == 2
    found = flows.search_flows(T, page=1, size=50, sort=["id:asc"], filters=where(NAMESPACE=NS))
    assert found.total == len(found.results) == 7
    assert flows.search_flows_by_source_code(T, q="other words", namespace=NS).total == 1
    assert len(flows.list_flows_by_namespace(NS, T)) == 7 and NS in flows.list_distinct_namespaces(T, q="official")
    archive = flows.export_flows_by_ids(T, ids)
    assert archive[:2] == b"PK" and flows.export_flows_by_query(T, filters=where(NAMESPACE=NS))[:2] == b"PK"
    assert flows.import_flows(T, fail_on_error=True, file_content=archive) == []
    assert flows.delete_flows_by_ids(T, ids).count == 2
    assert flows.generate_flow_graph(NS, "whole", T, revision=2).nodes
    assert flows.generate_flow_graph_from_source(T, FLOW).nodes
    assert flows.flow_dependencies(NS, "whole", T, destination_only=False, expand_all=True) is not None
    assert flows.flow_dependencies_from_namespace(NS, T) is not None
    assert flows.task_from_flow(NS, "whole", "say", T).id == "say"
    assert flows.validate_flows(T, FLOW)[0].constraints is None
    assert flows.validate_task("TASKS", T, {"id": "a", "type": "io.kestra.plugin.core.log.Log"}).constraints
    assert flows.search_concurrency_limits(T).total is not None
    assert flows.list_deprecated(T) is not None
    with refused(404):
        flows.flow(NS, "nothing", T)
    with refused(422):
        flows.create_flow(T, FLOW)


def test_executions_are_started_looked_into_and_followed(sdk: KestraClient) -> None:
    executions = sdk.executions
    inputs = {"name": "you", "number": 4, "upload": b"bytes"}
    ended = executions.create_execution(T, NS, "whole", wait=True, labels=["a:b"], inputs=inputs)
    shown = executions.execution(ended.id, T)
    assert shown.state.current == "SUCCESS" and shown.outputs == {"out": "hello you"}
    runs = {run.task_id: run for run in shown.task_run_list}
    uri = runs["file"].outputs["uri"]
    assert executions.download_file_from_execution(ended.id, uri, T) == b"a\nb\n"
    assert executions.file_metadatas_from_execution(ended.id, uri, T).size == 4
    assert executions.eval_expression(ended.id, T, "{{ flow.id }}")["result"] == "whole"
    query = {"sort": ["state.startDate:desc"], "filters": where(NAMESPACE=NS, STATE="SUCCESS")}
    assert executions.search_executions(T, page=1, size=10, **query)["total"] >= 1
    assert executions.search_executions_by_flow_id(T, NS, "whole", page=1, size=10)["total"] >= 1
    assert executions.latest_executions(T, [{"namespace": NS, "id": "whole"}])[0].id == ended.id
    assert executions.execution_flow_graph(ended.id, T).nodes
    assert executions.flow_from_execution(T, NS, "whole").id == "whole"
    assert executions.flow_from_execution_by_id(ended.id, T).tasks
    assert list(executions.follow_execution(ended.id, T))[-1].state.current == "SUCCESS"
    assert list(executions.follow_dependencies_execution(ended.id, T))[-1].flow_id == "whole"
    assert executions.trigger_execution_by_get_webhook(T, NS, "whole", KEY).flow_id == "whole"
    for method in ("get", "post", "put"):
        call = getattr(executions, f"trigger_execution_by_{method}_webhook_with_path")
        assert call(T, NS, "whole", KEY, "more").flow_id == "whole"
    assert executions.set_labels_on_terminated_execution(ended.id, T, [{"key": "k", "value": "v"}]) is not None
    labels = {"executionsId": [ended.id], "executionLabels": [{"key": "k2", "value": "v"}]}
    executions.set_labels_on_terminated_executions_by_ids(T, ExecutionControllerSetLabelsByIdsRequest.from_dict(labels))
    executions.set_labels_on_terminated_executions_by_query(
        T, [{"key": "k3", "value": "v"}], where(NAMESPACE=NS, STATE="SUCCESS")
    )
    assert executions.update_execution_status(ended.id, StateType("WARNING"), T).state.current == "WARNING"
    executions.update_executions_status_by_ids(T, StateType("SUCCESS"), [ended.id])
    for call in (
        lambda: executions.replay_execution(ended.id, T),
        lambda: executions.replay_execution_with_inputs(ended.id, T, inputs={"name": "again"}),
        lambda: executions.replay_executions_by_ids(T, [ended.id], latest_revision=True),
    ):
        assert call() is not None
    logs = sdk.logs
    assert any("noted" in str(line.message) for line in logs.list_logs_from_execution(ended.id, T, min_level="INFO"))
    assert "noted" in logs.download_logs_from_execution(ended.id, T)
    assert list(logs.follow_logs_from_execution(ended.id, T, min_level="INFO"))
    assert logs.search_logs(T, page=1, size=5, filters=where(NAMESPACE=NS)).total > 0
    logs.delete_logs_from_execution(ended.id, T, task_id="note")
    logs.delete_logs_from_flow(NS, "whole", "hook", T)
    executions.delete_execution(ended.id, T, delete_logs=True, delete_metrics=True, delete_storage=True)
    with refused(404):
        executions.execution(ended.id, T)
    with refused(422):
        executions.search_executions(T, size=10_000)


def test_what_runs_is_killed_paused_resumed_restarted_and_let_through(sdk: KestraClient) -> None:
    executions = sdk.executions
    kills: list[Callable[[str], Any]] = [
        lambda one: executions.kill_execution(one, T, is_on_kill_cascade=True),
        lambda one: executions.kill_executions_by_ids(T, [one]),
        lambda one: executions.kill_executions_by_query(T, where(NAMESPACE=NS, STATE="RUNNING")),
    ]
    for kill in kills:
        execution_id = begun(sdk, "sleeping", "RUNNING")
        kill(execution_id)
        reached(sdk, execution_id, "KILLED")
    with refused(409):
        executions.kill_execution(execution_id, T)
    resumes: list[Callable[[str], Any]] = [
        lambda one: executions.resume_execution(one, T, inputs={"r": "v"}),
        lambda one: executions.resume_executions_by_ids(T, [one]),
        lambda one: executions.resume_executions_by_query(T, where(NAMESPACE=NS, STATE="PAUSED")),
    ]
    for resume in resumes:
        execution_id = begun(sdk, "pausing", "PAUSED")
        resume(execution_id)
        reached(sdk, execution_id, "SUCCESS")
    execution_id = begun(sdk, "sleeping", "RUNNING")
    executions.pause_execution(execution_id, T)
    executions.kill_execution(execution_id, T)
    failed = begun(sdk, "failing", "FAILED")
    for restart in (
        lambda: executions.restart_execution(failed, T, revision=1),
        lambda: executions.restart_executions_by_ids(T, [failed]),
    ):
        restart()
        reached(sdk, failed, "FAILED")
    run = executions.execution(failed, T).task_run_list[0].id
    wanted = ExecutionControllerStateRequest.from_dict({"taskRunId": run, "state": "SUCCESS"})
    assert executions.update_task_run_state(failed, T, wanted) is not None
    begun(sdk, "queueing", "RUNNING")
    executions.force_run_execution(begun(sdk, "queueing", "QUEUED"), T)
    executions.unqueue_execution(begun(sdk, "queueing", "QUEUED"), T, state=StateType("RUNNING"))
    executions.force_run_by_ids(T, [begun(sdk, "queueing", "QUEUED")])
    executions.unqueue_executions_by_ids(T, StateType("RUNNING"), [begun(sdk, "queueing", "QUEUED")])
    executions.kill_executions_by_query(T, where(NAMESPACE=NS, FLOW_ID="queueing", STATE="RUNNING"))
    with refused(400):
        executions.kill_executions_by_ids(T, ["nothing"])
    assert executions.delete_executions_by_ids(T, [failed], include_non_terminated=True).count == 1


def test_key_values_files_triggers_namespaces_and_dashboards(sdk: KestraClient) -> None:
    kv = sdk.kv
    kv.set_key_value(NS, "one", T, json.dumps({"a": [1, None]}))
    assert kv.key_value(NS, "one", T).value == {"a": [1, None]}
    assert kv.list_all_keys(T, page=1, size=10, filters=where(NAMESPACE=NS)).total == 1
    assert len(kv.list_keys_with_inheritance(f"{NS}.below", T)) == 1
    kv.delete_key_values(NS, T, KVControllerApiDeleteBulkRequest.from_dict({"keys": ["one"]}))
    assert kv.delete_key_value(NS, "one", T) is False
    files = sdk.files
    files.create_namespace_directory(NS, T, path="/folder")
    files.create_namespace_file(NS, "/folder/a.txt", T, file_content=b"text")
    assert files.file_content(NS, "/folder/a.txt", T) == b"text" and files.file_metadatas(NS, T, path="/folder/a.txt")
    files.create_namespace_file(NS, "/folder/a.txt", T, file_content=b"newer")
    assert [each.revision for each in files.file_revisions(NS, T, path="/folder/a.txt")] == [1, 2]
    assert files.file_content(NS, "/folder/a.txt", T, revision=1) == b"text"
    files.move_file_directory(NS, "/folder/a.txt", "/folder/b.txt", T)
    assert files.search_namespace_files(NS, "b.txt", T) == ["/folder/b.txt"]
    assert len(files.list_namespace_directory_files(NS, T, path="/folder")) == 1
    assert files.export_namespace_files(NS, T)[:2] == b"PK"
    files.delete_file_directory(NS, "/folder", T)
    triggers = sdk.triggers
    found = triggers.search_triggers(T, page=1, size=10, sort=["triggerId:asc"], filters=where(NAMESPACE=NS))
    assert found["total"] == 1
    assert "hook" in triggers.export_triggers(T, filters=where(NAMESPACE=NS))
    triggers.disabled_triggers_by_query(T, disabled=True, filters=where(NAMESPACE=NS))
    triggers.restart_trigger(T, NS, "whole", "hook")
    with refused(409):
        triggers.unlock_trigger(T, NS, "whole", "hook")
    meant = {"filters": [{"field": "NAMESPACE", "operation": "EQUALS", "value": {"value": NS}}]}
    triggers.delete_triggers_by_query(T, DeleteTriggersByQueryRequest.from_dict(meant))
    namespaces = sdk.namespaces
    assert namespaces.namespace(NS, T).id == NS and namespaces.search_namespaces(T, existing=True).total >= 1
    assert NS in namespaces.autocomplete_namespaces(T, ApiAutocomplete.from_dict({"q": "official"}))
    assert namespaces.list_secrets(T, page=1, size=10, filters=[]).total == 0
    assert namespaces.inherited_secrets(NS, T) == {}
    dashboards = sdk.dashboards
    assert dashboards.validate_dashboard(T, DASHBOARD).constraints is None
    assert dashboards.create_dashboard(T, DASHBOARD)["id"] == "overview"
    assert dashboards.search_dashboards(T, q="over")["total"] == 1
    window = ChartFiltersOverrides.from_dict({"namespace": NS})
    assert dashboards.dashboard_chart_data("overview", "by_state", T, window).total >= 1
    preview = DashboardControllerPreviewRequest.from_dict({"chart": CHART})
    assert dashboards.preview_chart(T, preview).total >= 1
    assert dashboards.export_chart_to_csv(T, preview).startswith(b"state,total")
    dashboards.delete_dashboard("overview", T)
