"""core.execution, core.log and core.trigger tasks that reach other executions, on real rows."""

from datetime import UTC, datetime, timedelta

import pytest

from executions import store
from executions.ids import new_id, to_base62, to_uuid
from executions.state import Execution, TaskRun
from flows.definition.states import State
from tests.integration.worker_support import NAMESPACE, TaskBench

EXECUTION = "io.kestra.plugin.core.execution."
LOG = "io.kestra.plugin.core.log."
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def stored(
    bench: TaskBench, flow_id: str, state: State = State.SUCCESS, days_ago: int = 0, namespace: str = NAMESPACE
) -> str:
    """An execution that began and ended so long before NOW, with a log line and a file."""
    moment = NOW - timedelta(days=days_ago)
    execution = Execution(
        new_id(), namespace, flow_id, 1, State.CREATED, [(State.CREATED, moment), (State.RUNNING, moment)]
    )  # fmt: skip
    store.create(bench.table.connection, [execution])
    if state is not State.RUNNING:
        bench.table.connection.execute(
            "UPDATE executions SET state = %s, end_date = start_date WHERE id = %s",
            [state.value, to_uuid(execution.id)],
        )
    line = {"execution_id": to_uuid(execution.id).hex, "namespace": namespace, "flow_id": flow_id, "task_id": "t"}
    more = {"attempt": 0, "thread": "", "timestamp": moment.isoformat()}
    store.write_logs(
        bench.table.connection, [{**line, **more, "level": level, "message": f"m{level}"} for level in (1, 2, 4)]
    )
    bench.worker.tools.storage.put(
        f"kestra:///{namespace.replace('.', '/')}/{flow_id}/executions/{execution.id}/f", b"x"
    )
    return execution.id


def test_logs_are_fetched_by_level_and_task(bench: TaskBench) -> None:
    results = bench.run(f"""
- {{id: one, type: core.log.Log, message: "first", level: WARN}}
- {{id: two, type: core.log.Log, message: "second", level: INFO}}
- {{id: all, type: {LOG}Fetch}}
- {{id: warn, type: {LOG}Fetch, level: WARN, executionId: "{{{{ execution.id }}}}"}}
- {{id: of_two, type: {LOG}Fetch, level: TRACE, tasksId: [two]}}
""")  # fmt: skip
    assert [results[name]["outputs"]["size"] for name in ("all", "warn", "of_two")] == [2, 1, 1]
    line = bench.content(results["warn"]["outputs"]["uri"])
    assert 'taskId:"one"' in line and 'message:"first"' in line and 'level:"WARN"' in line


def test_error_logs_in_an_expression_are_those_of_the_execution(bench: TaskBench) -> None:
    stored(bench, "other")
    results = bench.run("""
- {id: bad, type: core.execution.Fail, errorMessage: "went wrong"}
- {id: back, type: core.debug.Return, format: "{% for line in errorLogs() %}{{ line.taskId }}: {{ line.message }}{% endfor %}"}
""")  # fmt: skip
    assert results["back"]["outputs"] == {"value": "bad: went wrong"}


def test_logs_are_purged_by_age_level_and_namespace(bench: TaskBench) -> None:
    old, new = stored(bench, "a", days_ago=10), stored(bench, "a")
    elsewhere = stored(bench, "a", days_ago=10, namespace="other")
    outputs = bench.outputs(
        f"- {{id: purge, type: {LOG}PurgeLogs, namespace: company, endDate: '{(NOW - timedelta(days=5)).isoformat()}', logLevels: [INFO, ERROR]}}"
    )
    assert outputs == {"count": 2}
    left = bench.table.connection.execute("SELECT execution_id, level FROM logs WHERE task_id = 't'").fetchall()
    assert sorted(level for execution, level in left if execution == to_uuid(old)) == [1]
    assert len([1 for execution, _ in left if execution in (to_uuid(new), to_uuid(elsewhere))]) == 6


def test_executions_are_counted_by_flow_and_by_namespace(bench: TaskBench) -> None:
    for state in (State.SUCCESS, State.SUCCESS, State.FAILED):
        stored(bench, "a", state)
    stored(bench, "a", days_ago=9)
    results = bench.run(f"""
- id: flows
  type: {EXECUTION}Count
  flows: [{{namespace: {NAMESPACE}, flowId: a}}, {{namespace: {NAMESPACE}, flowId: none}}]
  states: [SUCCESS]
  startDate: "{(NOW - timedelta(days=5)).isoformat()}"
  expression: "{{{{ count >= 0 }}}}"
- {{id: few, type: {EXECUTION}Count, flows: [{{namespace: {NAMESPACE}, flowId: a}}], expression: "{{{{ count < 2 }}}}"}}
- {{id: spaces, type: {EXECUTION}Count, namespaces: [{NAMESPACE}], expression: "true"}}
""")  # fmt: skip
    assert results["flows"]["outputs"] == {
        "results": [
            {"namespace": NAMESPACE, "flowId": "a", "count": 2},
            {"namespace": NAMESPACE, "flowId": "none", "count": 0},
        ],
        "total": 2,
    }
    assert results["few"]["outputs"] == {"results": [], "total": 0}
    assert results["spaces"]["outputs"] == {"results": [{"namespace": NAMESPACE, "count": 4}], "total": 4}


def test_executions_are_purged_with_what_belongs_to_them(bench: TaskBench) -> None:
    old, running = stored(bench, "a", days_ago=10), stored(bench, "a", State.RUNNING, days_ago=10)
    new, failed = stored(bench, "a"), stored(bench, "a", State.FAILED, days_ago=10)
    outputs = bench.outputs(
        f"- {{id: purge, type: {EXECUTION}PurgeExecutions, namespace: {NAMESPACE}, states: [SUCCESS], endDate: '{(NOW - timedelta(days=5)).isoformat()}'}}"
    )
    assert outputs == {"executionsCount": 1, "logsCount": 3, "metricsCount": 0, "storagesCount": 1}
    assert _ids(bench) == {running, new, failed}
    outputs = bench.outputs(
        f"- {{id: purge, type: {EXECUTION}PurgeExecutions, namespace: {NAMESPACE}, flowId: a, endDate: '{NOW.isoformat()}', purgeExecution: false, purgeLog: false}}"
    )
    assert (outputs["executionsCount"], outputs["logsCount"], outputs["storagesCount"]) == (0, 0, 2)
    assert old not in _ids(bench) and new in _ids(bench)


def _ids(bench: TaskBench) -> set[str]:
    return {to_base62(row[0]) for row in bench.table.connection.execute("SELECT id FROM executions").fetchall()}


def test_another_execution_is_killed(bench: TaskBench) -> None:
    bench.table.define("- {id: x, type: core.log.Log, message: x}")
    flow_id = bench.table.flow.id
    running = stored(bench, flow_id, State.RUNNING)
    bench.outputs(f"- {{id: kill, type: {EXECUTION}Kill, executionId: {running}}}")
    state = bench.table.value("SELECT state FROM executions WHERE id = %s", to_uuid(running))
    assert state in ("KILLING", "KILLED")


def test_a_paused_execution_is_resumed_with_inputs(bench: TaskBench) -> None:
    bench.table.define("""
- {id: stop, type: core.flow.Pause, onResume: [{id: reason, type: STRING}]}
""")  # fmt: skip
    moment = [(State.CREATED, NOW), (State.RUNNING, NOW), (State.PAUSED, NOW)]
    paused = Execution(new_id(), NAMESPACE, bench.table.flow.id, 1, State.PAUSED, moment)
    paused.add(TaskRun(new_id(), "stop", State.PAUSED, moment))
    store.create(bench.table.connection, [paused])
    task = f"- {{id: go, type: {EXECUTION}Resume, executionId: {paused.id}"
    assert "reason" in bench.failure(task + "}")
    assert store.load(bench.table.connection, paused.id).state is State.PAUSED  # type: ignore[union-attr]
    bench.outputs(task + ", inputs: {reason: 'because of {{ flow.id }}'}}")
    resumed = store.load(bench.table.connection, paused.id)
    assert resumed is not None and resumed.state is not State.PAUSED
    assert f"because of {bench.table.flow.id}" in str([run.outputs for run in resumed.runs.values()])


def test_assertions_that_hold_pass(bench: TaskBench) -> None:
    result = bench.run(
        f"- {{id: a, type: {EXECUTION}Assert, conditions: ['{{{{ inputs.n == 1 }}}}', '{{{{ 1 }}}}']}}", n=1
    )["a"]
    assert result["state"] == "SUCCESS"
    metrics = bench.table.connection.execute("SELECT name, value FROM metrics ORDER BY name").fetchall()
    assert metrics == [("failed", 0.0), ("success", 2.0)]


def test_a_trigger_is_switched_off_and_on(bench: TaskBench) -> None:
    bench.table.connection.execute(
        "INSERT INTO triggers (namespace, flow_id, trigger_id, disabled, state, updated) VALUES (%s, 'a', 't', false, '{}', now())",
        [NAMESPACE],
    )
    task = "- {id: a, type: io.kestra.plugin.core.trigger.Toggle, flowId: a, trigger: t"
    try:
        bench.outputs(task + "}")
        assert bench.table.value("SELECT disabled FROM triggers WHERE flow_id = 'a'") is True
        bench.outputs(task + ", enabled: true}")
        assert bench.table.value("SELECT disabled FROM triggers WHERE flow_id = 'a'") is False
    finally:
        bench.table.connection.execute("DELETE FROM triggers")


NONE = "0" * 22


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (f"{LOG}Fetch, level: LOUD", "`level` must be one of TRACE"),
        (f"{LOG}Fetch, flowId: x", "`namespace` and `flowId` need an `executionId`"),
        (f"{LOG}Fetch, executionId: nonsense", "not an id: 'nonsense'"),
        (f"{LOG}PurgeLogs, endDate: yesterday", "`endDate` must be a date with a time zone"),
        (f"{LOG}PurgeLogs, endDate: '2026-01-01T00:00:00Z', logLevels: [LOUD]", "`logLevels` must be one of"),
        (f"{EXECUTION}Count, expression: 'true', states: [DONE]", "`states` must be one of CREATED"),
        (f"{EXECUTION}PurgeExecutions, endDate: '2026-01-01T00:00:00Z', flowId: x", "`flowId` needs a `namespace`"),
        (f"{EXECUTION}PurgeExecutions, endDate: '2026-01-01T00:00:00Z', states: [RUNNING]", "`states` must be one of"),
        (f"{EXECUTION}Kill, executionId: '{NONE}'", f"Not Found: execution {NONE}"),
        (f"{EXECUTION}Resume, executionId: '{NONE}'", f"Not Found: execution {NONE}"),
        (f"{EXECUTION}Resume, inputs: 'no map'", "`inputs` is not valid JSON"),
        (f"{EXECUTION}Assert, conditions: ['{{{{ 1 == 2 }}}}'], errorMessage: too bad", "1 assertion failed: too bad"),
        ("io.kestra.plugin.core.trigger.Toggle, trigger: none", "has no trigger none"),
    ],
)
def test_what_is_wrong_fails_the_task_with_the_cause(bench: TaskBench, task: str, cause: str) -> None:
    assert cause in bench.failure(f"- {{id: a, type: {task}}}")
