"""Looking into one execution over REST: graphs, expressions, checks of inputs; and which flows start which others."""

from io import BytesIO
from typing import Any

import pytest

from executions import database, encryption, store
from executions.storage.base import execution_prefix, uri_of
from executions.storage.site import current as storage
from flows.definition.states import State
from tests.builders import a_run
from tests.integration.rest_support import Rest, member, stored

NS = "tests.inspect"
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FLOW = f"""\
id: looked
namespace: {NS}
inputs:
  - {{id: password, type: SECRET}}
  - {{id: number, type: INT, min: 3}}
variables: {{v: 1}}
tasks:
  - {{id: each, type: io.kestra.plugin.core.flow.ForEach, values: [x, y], tasks: [{{id: a, {LOG}}}]}}
  - {{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: {NS}, flowId: "{{{{ vars.which }}}}"}}
"""
INNER = f"id: inner\nnamespace: {NS}\ntasks: [{{id: b, {LOG}}}]\n"
LISTENER = f"""\
id: listener
namespace: {NS}
tasks:
  - {{id: c, {LOG}}}
  - {{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: {NS}, flowId: inner}}
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    conditions: [{{type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: {NS}, flowId: looked}}]
"""


@pytest.fixture
def rest(admin: Rest) -> Rest:
    for text in (FLOW, INNER, LISTENER):
        answer = admin.post("flows", text)
        assert answer.status_code == 200, answer.content
    return admin


@pytest.fixture
def execution(rest: Rest) -> Any:
    child = stored(a_run("b", State.SUCCESS), namespace=NS, flow_id="inner")
    each = a_run("each", State.SUCCESS)
    inner = [a_run("a", State.SUCCESS, parent_id=each.id, value=value, outputs={"out": value}) for value in "xy"]
    call = a_run("call", State.SUCCESS, outputs={"executionId": child.id, "secret": "kept"})
    found = stored(
        each,
        *inner,
        call,
        namespace=NS,
        flow_id="looked",
        inputs={"password": encryption.encrypt("hunter2"), "number": 5},
    )
    loaded = store.load(database.current(), found.id)
    assert loaded is not None
    return loaded


def evaluated(rest: Rest, execution: Any, template: str, run: str = "") -> Any:
    return rest.post(f"executions/{execution.id}/eval{run}", template.encode(), "text/plain")


def test_an_expression_is_evaluated_where_a_task_run_stands(rest: Rest, execution: Any) -> None:
    runs = {(run.task_id, run.value): run.id for run in execution.runs.values()}
    answer = evaluated(rest, execution, "{{ taskrun.value }} {{ outputs.a.x.out }} {{ vars.v }}", f"/{runs['a', 'y']}")
    assert answer.json() == {"result": "y x 1"}
    assert evaluated(rest, execution, "{{ inputs.number + 1 }}").json() == {"result": "6"}
    assert rest.post(f"executions/{execution.id}/actions/eval", b"{{ flow.id }}", "text/plain").json() == {
        "result": "looked"
    }


@pytest.mark.parametrize("template", ["{{ inputs.password }}", "{{ inputs.password | upper }}", "{{ inputs }}"])
def test_secrets_are_masked_in_what_is_evaluated(rest: Rest, execution: Any, template: str) -> None:
    text = evaluated(rest, execution, template).content.decode()
    assert "********" in text and "hunter2" not in text.lower()


def test_an_expression_that_fails_says_why(rest: Rest, execution: Any) -> None:
    answer = evaluated(rest, execution, "{{ nothing.here }}")
    assert answer.status_code == 200 and "nothing" in answer.json()["error"] and "result" not in answer.json()
    assert evaluated(rest, execution, "x", "/4uVnqbZ0bFKZ4bXkYF4mQv").status_code == 404
    assert "longer than" in evaluated(rest, execution, "x" * 100_001).json()["error"]


def test_only_who_may_write_flows_evaluates(rest: Rest, execution: Any) -> None:
    assert evaluated(Rest(member("op", "operator", NS)), execution, "{{ 1 }}").status_code == 403
    assert evaluated(Rest(member("author", "author", NS)), execution, "{{ 1 }}").json() == {"result": "1"}


def test_a_replayed_execution_reads_the_files_of_the_one_it_repeats(rest: Rest, execution: Any) -> None:
    uri = storage().put(uri_of(f"{execution_prefix(NS, 'looked', execution.id)}/inputs/f/f.txt"), BytesIO(b"kept"))
    template = f"{{{{ read('{uri}') }}}}"
    copy = rest.post(f"executions/{execution.id}/replay").json()["id"]
    again = rest.post(f"executions/{copy}/replay").json()["id"]
    for one in (execution.id, copy, again):
        assert rest.post(f"executions/{one}/eval", template.encode(), "text/plain").json() == {"result": "kept"}
    stranger = stored(namespace=NS, flow_id="looked").id
    refused = rest.post(f"executions/{stranger}/eval", template.encode(), "text/plain").json()
    assert "didn't belong" in refused["error"]


def test_the_graph_of_an_execution_holds_its_runs(rest: Rest, execution: Any) -> None:
    graph = rest.json(f"executions/{execution.id}/graph")
    nodes = {node["uid"]: node for node in graph["nodes"]}
    assert nodes["root.each.a_x"]["taskRun"]["state"]["current"] == "SUCCESS"
    assert nodes["root.each.a_y"]["values"] == ["y"]
    assert "out" not in str(nodes["root.each.a_x"]["taskRun"]), "outputs are read elsewhere"
    assert rest.get("executions/4uVnqbZ0bFKZ4bXkYF4mQv/graph").status_code == 404


def test_a_subflow_is_expanded_to_the_execution_that_it_started(rest: Rest, execution: Any) -> None:
    graph = rest.json(f"executions/{execution.id}/graph?subflows=root.call")
    nodes = {node["uid"]: node for node in graph["nodes"]}
    assert nodes["root.call.b"]["taskRun"]["state"]["current"] == "SUCCESS"
    refused = rest.get(f"flows/{NS}/looked/graph?subflows=root.call")
    assert refused.status_code == 422 and "dynamic values" in refused.json()["message"]
    assert any(
        node["uid"] == "root.call.b" for node in rest.json(f"flows/{NS}/listener/graph?subflows=root.call")["nodes"]
    )


def test_a_text_is_drawn_without_being_stored(rest: Rest) -> None:
    answer = rest.post("flows/graph", f"id: draft\nnamespace: {NS}\ntasks: [{{id: z, {LOG}}}]\n")
    assert [node["uid"] for node in answer.json()["nodes"]] == ["root.-start", "root.-end", "root.z"]
    assert rest.get(f"flows/{NS}/draft").status_code == 404
    assert rest.post("flows/graph", "id: [").status_code == 422


def test_flows_depend_on_those_they_start_and_hear(rest: Rest) -> None:
    found = rest.json(f"flows/{NS}/listener/dependencies")
    edges = {(edge["source"], edge["target"], edge["relation"]) for edge in found["edges"]}
    heard = (f"{NS}_looked", f"{NS}_listener", "FLOW_TRIGGER")
    started = (f"{NS}_listener", f"{NS}_inner", "FLOW_TASK")
    assert edges == {heard, started}
    assert {node["id"] for node in found["nodes"]} == {"looked", "listener", "inner"}
    only = rest.json(f"flows/{NS}/listener/dependencies?destinationOnly=true")
    assert {(edge["source"], edge["target"], edge["relation"]) for edge in only["edges"]} == {started}
    near = rest.json(f"flows/{NS}/inner/dependencies")
    assert len(near["edges"]) == 1
    assert len(rest.json(f"flows/{NS}/inner/dependencies?expandAll=true")["edges"]) == 2
    assert len(rest.json(f"namespaces/{NS}/dependencies")["nodes"]) == 3


def test_inputs_are_checked_without_starting_anything(rest: Rest) -> None:
    answer = rest.call("POST", f"executions/{NS}/looked/validate", {"number": 1})
    assert answer.status_code == 200, answer.content
    found = {one["input"]["id"]: one for one in answer.json()["inputs"]}
    assert found["number"]["errors"][0]["message"] and found["password"]["errors"]
    assert rest.json("executions/search")["total"] == 0


def test_a_resume_is_checked_against_what_the_pause_asks(rest: Rest) -> None:
    paused = """
id: paused
namespace: tests.inspect
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - {id: answer, type: INT, max: 9}
"""
    assert rest.post("flows", paused).status_code == 200
    execution = stored(a_run("wait", State.PAUSED), namespace=NS, flow_id="paused", state=State.PAUSED)
    checked = rest.call("POST", f"executions/{execution.id}/resume/validate", {"answer": 10}).json()
    assert checked["inputs"][0]["errors"]
    refused = rest.call("POST", f"executions/{execution.id}/resume", {"answer": 10})
    assert refused.status_code == 422 and "answer" in refused.json()["message"]
    assert rest.call("POST", f"executions/{execution.id}/resume", {"answer": 4}).status_code == 204
    (run,) = rest.json(f"executions/{execution.id}")["taskRunList"]
    assert run["outputs"]["onResume"] == {"answer": 4} and run["state"]["current"] == "RUNNING"
    assert rest.call("POST", f"executions/{execution.id}/resume/validate", {}).status_code == 409
