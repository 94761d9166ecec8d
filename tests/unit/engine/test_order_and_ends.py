"""What runs after what, and what the ends of tasks make of those around them."""

import pytest

from tests.unit.engine.driver import fail, flow, log, parallel, run, sequence, task, value


def states(text: str, inputs: dict[str, object] | None = None) -> tuple[str, dict[str, str]]:
    driver = run(text, inputs)
    return driver.state.value, dict(driver.states())


ENDS = {
    "tasks run in order": (flow(log("a"), log("b")), "SUCCESS", {"a": "SUCCESS", "b": "SUCCESS"}),
    "a failure stops what comes after": (flow(fail("a"), log("b")), "FAILED", {"a": "FAILED"}),
    "errors run after a failure and do not heal it": (
        flow(fail("a"), log("b"), errors=[log("e")]),
        "FAILED",
        {"a": "FAILED", "e": "SUCCESS"},
    ),
    "errors of the nearest level run first, then those above": (
        flow(sequence("s", fail("a"), errors=[log("inner")]), errors=[log("outer")]),
        "FAILED",
        {"s": "FAILED", "a": "FAILED", "inner": "SUCCESS", "outer": "SUCCESS"},
    ),
    "finally runs after success": (flow(log("a"), finally_=[log("z")]), "SUCCESS", {"a": "SUCCESS", "z": "SUCCESS"}),
    "finally runs after errors": (
        flow(fail("a"), errors=[log("e")], finally_=[log("z")]),
        "FAILED",
        {"a": "FAILED", "e": "SUCCESS", "z": "SUCCESS"},
    ),
    "a failing finally does not count": (
        flow(log("a"), finally_=[fail("z")]),
        "SUCCESS",
        {"a": "SUCCESS", "z": "FAILED"},
    ),
    "a disabled task is as if it were not there": (
        flow(log("a", disabled=True), log("b")),
        "SUCCESS",
        {"b": "SUCCESS"},
    ),
    "runIf skips": (flow(log("a", runIf="{{ false }}"), log("b")), "SUCCESS", {"a": "SKIPPED", "b": "SUCCESS"}),
    "a broken runIf fails": (flow(log("a", runIf="{{ missing }}"), log("b")), "FAILED", {"a": "FAILED"}),
    "runIf skips a flowable whole": (
        flow(sequence("s", log("a"), runIf="{{ 1 == 2 }}"), log("b")),
        "SUCCESS",
        {"s": "SKIPPED", "b": "SUCCESS"},
    ),
    "allowFailure makes a warning": (
        flow(fail("a", allowFailure=True), log("b")),
        "WARNING",
        {"a": "WARNING", "b": "SUCCESS"},
    ),
    "allowWarning makes a success of it": (
        flow(fail("a", allowFailure=True, allowWarning=True), log("b")),
        "SUCCESS",
        {"a": "SUCCESS", "b": "SUCCESS"},
    ),
    "AllowFailure stops inside and goes on outside": (
        flow(task("s", "flow.AllowFailure", tasks=[fail("a"), log("b")]), log("c")),
        "WARNING",
        {"s": "WARNING", "a": "FAILED", "c": "SUCCESS"},
    ),
    "a failure in Parallel lets the others end": (
        flow(parallel("p", fail("a"), log("b")), log("c")),
        "FAILED",
        {"p": "FAILED", "a": "FAILED", "b": "SUCCESS"},
    ),
    "If takes a branch": (
        flow(task("i", "flow.If", condition="{{ inputs.x }}", then=[log("t")], **{"else": [log("e")]})),
        "SUCCESS",
        {"i": "SUCCESS", "e": "SUCCESS"},
    ),
    "If without a branch to take is a success": (
        flow(task("i", "flow.If", condition="{{ inputs.x }}", then=[log("t")]), log("b")),
        "SUCCESS",
        {"i": "SUCCESS", "b": "SUCCESS"},
    ),
    "Switch without a case fails": (
        flow(task("s", "flow.Switch", value="x", cases={"y": [log("a")]}), log("b")),
        "FAILED",
        {"s": "FAILED"},
    ),
    "Switch takes the defaults": (
        flow(task("s", "flow.Switch", value="x", cases={"y": [log("a")]}, defaults=[log("d")])),
        "SUCCESS",
        {"s": "SUCCESS", "d": "SUCCESS"},
    ),
    "a failing condition fails": (
        flow(task("i", "flow.If", condition="{{ nothing }}", then=[log("t")]), errors=[log("e")]),
        "FAILED",
        {"i": "FAILED", "e": "SUCCESS"},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_ends_of_tasks(name: str) -> None:
    text, state, runs = ENDS[name]
    assert states(text.replace("finally_:", "finally:"), {"x": False}) == (state, runs)


def test_after_execution_sees_the_end_and_changes_nothing() -> None:
    driver = run(flow(fail("a"), afterExecution=[value("after", "{{ execution.state }}"), fail("worse")]))
    assert (driver.state, driver.only("after").outputs) == ("FAILED", {"value": "FAILED"})
    assert driver.history() == ["CREATED", "RUNNING", "FAILED"]
    assert driver.only("worse").state == "FAILED"


def test_listeners_run_when_their_conditions_hold() -> None:
    def listener(task_id: str, state: str) -> dict[str, object]:
        condition = {"type": "io.kestra.plugin.core.condition.ExecutionStatus", "in": [state]}
        return {"conditions": [condition], "tasks": [log(task_id)]}

    driver = run(flow(log("a"), listeners=[listener("good", "SUCCESS"), listener("bad", "FAILED")]))
    assert [task_id for task_id, _ in driver.states()] == ["a", "good"]


def test_flow_outputs_are_rendered_at_the_end_and_may_fail_it() -> None:
    good = run(flow(value("a", "x"), outputs=[{"id": "o", "type": "STRING", "value": "{{ outputs.a.value }}"}]))
    assert (good.state, good.execution.outputs) == ("SUCCESS", {"o": "x"})
    bad = run(flow(log("a"), outputs=[{"id": "o", "type": "STRING", "value": "{{ outputs.missing }}"}]))
    assert bad.state == "FAILED" and "missing" in (bad.execution.error or "")


@pytest.mark.parametrize(
    ("type_name", "template", "expected"),
    [
        ("INT", "{{ '4' }}2", 42),
        ("STRING", "{{ 42 }}", "42"),
        ("JSON", '{"a": [1]}', {"a": [1]}),
        ("BOOLEAN", "{{ true }}", True),
        ("FLOAT", "1.5", 1.5),
    ],
)
def test_flow_outputs_have_types(type_name: str, template: str, expected: object) -> None:
    driver = run(flow(log("a"), outputs=[{"id": "o", "type": type_name, "value": template}]))
    assert driver.execution.outputs == {"o": expected}


def test_a_flow_output_of_another_type_fails_the_execution() -> None:
    driver = run(flow(log("a"), outputs=[{"id": "o", "type": "INT", "value": "many"}]))
    assert driver.state == "FAILED" and "Expected `INT`" in (driver.execution.error or "")


def test_a_deep_mix_comes_to_its_end() -> None:
    inner = parallel("p", sequence("s", log("a"), fail("b"), errors=[log("e")]), log("c"))
    driver = run(flow(task("allow", "flow.AllowFailure", tasks=[inner, log("never")]), log("z")))
    found = dict(driver.states())
    assert (driver.state, found["p"], found["s"], found["e"], found["z"]) == (
        "WARNING",
        "FAILED",
        "FAILED",
        "SUCCESS",
        "SUCCESS",
    )
    assert "never" not in found
