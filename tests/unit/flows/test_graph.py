"""The topology of flows: nodes, edges and clusters as Kestra's clients expect them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flows.definition.graph import CannotExpand, Run, Subflow, flow_graph
from flows.definition.parse import parse_flow

LOG = "type: io.kestra.plugin.core.log.Log, message: x"


def a_flow(body: str, flow_id: str = "drawn") -> Any:
    return parse_flow(f"id: {flow_id}\nnamespace: tests.graph\n{body}")


def edges(graph: dict[str, Any]) -> set[tuple[str, str, str | None, str | None]]:
    return {
        (edge["source"], edge["target"], edge["relation"].get("relationType"), edge["relation"].get("value"))
        for edge in graph["edges"]
    }


def uids(graph: dict[str, Any]) -> list[str]:
    return [node["uid"] for node in graph["nodes"]]


class _Runs:
    """Runs by task id."""

    def __init__(self, runs: Mapping[str, Sequence[Run]]) -> None:
        self.runs = runs

    def of(self, task_id: str, parent_id: str | None) -> Sequence[Run]:
        return self.runs.get(task_id, ())


def test_tasks_in_a_row_are_linked_from_start_to_end() -> None:
    graph = flow_graph(a_flow(f"tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]"))
    assert uids(graph) == ["root.-start", "root.-end", "root.a", "root.b"]
    assert edges(graph) == {
        ("root.-start", "root.a", None, None),
        ("root.a", "root.b", "SEQUENTIAL", None),
        ("root.b", "root.-end", None, None),
    }
    assert graph["clusters"] == []
    assert graph["nodes"][2]["task"] == {"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "x"}


def test_parallel_tasks_all_lead_from_their_task_to_the_end_of_its_cluster() -> None:
    graph = flow_graph(
        a_flow(
            f"tasks: [{{id: p, type: io.kestra.plugin.core.flow.Parallel, tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]}}]"
        )
    )
    assert ("root.p", "root.p.b", "PARALLEL", None) in edges(graph)
    assert ("root.p.a", "root.p.-end", None, None) in edges(graph)
    (cluster,) = graph["clusters"]
    assert cluster["cluster"]["uid"] == "cluster_root.p"
    assert cluster["cluster"]["taskNode"]["uid"] == "root.p"
    assert cluster["nodes"] == ["root.p.-start", "root.p.-end", "root.p", "root.p.a", "root.p.b"]
    assert graph["flowables"] == ["p"]


def test_a_choice_names_its_branches() -> None:
    graph = flow_graph(
        a_flow(
            f"""tasks:
- id: s
  type: io.kestra.plugin.core.flow.Switch
  value: x
  cases:
    one: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]
  defaults: [{{id: c, {LOG}}}]
- id: i
  type: io.kestra.plugin.core.flow.If
  condition: "true"
  then: [{{id: d, {LOG}}}]
"""
        )
    )
    found = edges(graph)
    assert ("root.s", "root.s.a", "CHOICE", "one") in found
    assert ("root.s.a", "root.s.b", "SEQUENTIAL", None) in found
    assert ("root.s", "root.s.c", "CHOICE", "defaults") in found
    assert ("root.i", "root.i.d", "CHOICE", "then") in found


def test_errors_finally_and_after_execution_hang_where_they_run() -> None:
    graph = flow_graph(
        a_flow(
            f"tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]\nerrors: [{{id: e, {LOG}}}]\n"
            f"finally: [{{id: f, {LOG}}}]\nafterExecution: [{{id: g, {LOG}}}]\n"
        )
    )
    found = edges(graph)
    assert ("root.a", "root.e", "ERROR", None) in found
    assert {("root.b", "root.-finally", None, None), ("root.e", "root.-finally", None, None)} <= found
    assert ("root.-finally", "root.f", "FINALLY", None) in found
    assert ("root.f", "root.-after", None, None) in found
    assert ("root.-after", "root.g", "AFTER_EXECUTION", None) in found
    assert ("root.g", "root.-end", None, None) in found


def test_triggers_lead_to_the_start() -> None:
    graph = flow_graph(
        a_flow(
            f"tasks: [{{id: a, {LOG}}}]\n"
            "triggers: [{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: abc}]\n"
        )
    )
    assert ("root.Triggers.-end", "root.-start", None, None) in edges(graph)
    (node,) = [node for node in graph["nodes"] if node["uid"] == "root.Triggers.hook"]
    assert node["triggerDeclaration"]["type"] == "io.kestra.plugin.core.trigger.Webhook"


def test_runs_of_a_loop_are_drawn_one_by_one_with_their_values() -> None:
    flow = a_flow(
        "tasks: [{id: each, type: io.kestra.plugin.core.flow.ForEach, values: [x, y], "
        f"tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]}}]"
    )
    runs = {
        "each": [Run("1", None, (), {"id": "1"})],
        "a": [Run("2", "x", ("x",), {"id": "2"}), Run("3", "y", ("y",), {"id": "3"})],
    }
    graph = flow_graph(flow, runs=_Runs(runs))
    assert [(node["uid"], node.get("values")) for node in graph["nodes"] if node.get("task", {}).get("id") == "a"] == [
        ("root.each.a_x", ["x"]),
        ("root.each.a_y", ["y"]),
    ]
    assert ("root.each", "root.each.a_x", "DYNAMIC", "x") in edges(graph)
    assert "root.each.b" in uids(graph)
    assert len(uids(graph)) == len(set(uids(graph)))


def test_a_node_of_every_edge_exists() -> None:
    flow = a_flow(
        f"""tasks:
- id: each
  type: io.kestra.plugin.core.flow.ForEach
  values: [1]
  errors: [{{id: ee, {LOG}}}]
  finally: [{{id: ef, {LOG}}}]
  tasks:
  - id: p
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
    - {{id: q, type: io.kestra.plugin.core.flow.Sequential, tasks: [{{id: r, {LOG}}}]}}
    - {{id: s, {LOG}}}
errors: [{{id: e, {LOG}}}]
"""
    )
    graph = flow_graph(flow)
    known = set(uids(graph))
    assert {end for edge in graph["edges"] for end in (edge["source"], edge["target"])} <= known
    assert [cluster["parents"] for cluster in graph["clusters"]] == [
        [],
        ["cluster_root.each"],
        ["cluster_root.each", "cluster_root.each.p"],
    ]


def test_tasks_of_a_dag_follow_what_they_depend_on() -> None:
    graph = flow_graph(
        a_flow(
            f"""tasks:
- id: d
  type: io.kestra.plugin.core.flow.Dag
  tasks:
  - task: {{id: c, {LOG}}}
    dependsOn: [a, b]
  - task: {{id: a, {LOG}}}
  - task: {{id: b, {LOG}}}
"""
        )
    )
    found = {(source, target) for source, target, _, _ in edges(graph)}
    assert {("root.d", "root.d.a"), ("root.d", "root.d.b"), ("root.d.a", "root.d.c"), ("root.d.b", "root.d.c")} <= found
    assert ("root.d.c", "root.d.-end") in found
    assert not {("root.d", "root.d.c"), ("root.d.a", "root.d.-end")} & found


def test_a_runnable_task_with_tasks_inside_is_a_cluster_too() -> None:
    graph = flow_graph(
        a_flow(f"tasks: [{{id: w, type: io.kestra.plugin.core.flow.WorkingDirectory, tasks: [{{id: a, {LOG}}}]}}]")
    )
    assert [cluster["cluster"]["uid"] for cluster in graph["clusters"]] == ["cluster_root.w"]
    assert graph["flowables"] == ["w"]


SUBFLOW = "type: io.kestra.plugin.core.flow.Subflow"


def _with_subflow(flow_id: str) -> Any:
    return a_flow(f"tasks: [{{id: call, {SUBFLOW}, namespace: tests.graph, flowId: '{flow_id}'}}]")


def test_an_expanded_subflow_is_drawn_in_the_place_of_its_task() -> None:
    inner = a_flow(f"tasks: [{{id: a, {LOG}}}]", "inner")
    flow = _with_subflow("inner")
    plain = flow_graph(flow, find_subflow=lambda task, run: Subflow(inner))
    assert plain["clusters"] == []
    assert plain["nodes"][2]["type"].endswith("SubflowGraphTask")
    graph = flow_graph(flow, expanded=["root.call"], find_subflow=lambda task, run: Subflow(inner))
    assert "root.call.a" in uids(graph)
    assert graph["clusters"][0]["cluster"]["type"].endswith("SubflowGraphCluster")


def test_a_subflow_named_by_a_template_cannot_be_expanded_before_it_runs() -> None:
    flow = _with_subflow("{{ inputs.which }}")
    with pytest.raises(CannotExpand, match=r"Can't expand subflow task 'root\.call'"):
        flow_graph(flow, expanded=["root.call"], find_subflow=lambda task, run: Subflow(flow))
