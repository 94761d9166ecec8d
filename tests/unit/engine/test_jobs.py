"""What a job tells a worker: its group, its limit of time, and no more of the context than its templates name."""

from typing import Any

import pytest

from executions.transitions import effects as fx
from executions.transitions.outputs import scope_from_context
from tests.unit.engine.driver import Driver, drive, flow, foreach, log, value


def job(*tasks: dict[str, Any], inputs: dict[str, Any] | None = None, **rest: Any) -> fx.RunTask:
    driver: Driver = drive(flow(*tasks, **rest), inputs).start()
    while len(driver.jobs) and driver.jobs[0].context["taskrun"]["taskId"] != "x":
        driver.work()
    return driver.jobs[0]


@pytest.mark.parametrize(
    ("own", "of_flow", "queue", "fallback"),
    [
        (None, None, "default", "WAIT"),
        ({"key": "gpu"}, None, "gpu", "WAIT"),
        ({"key": "{{ inputs.g }}", "fallback": "FAIL"}, {"key": "other"}, "big", "FAIL"),
        (None, {"key": "other", "fallback": "CANCEL"}, "other", "CANCEL"),
    ],
)
def test_the_group_of_its_worker(own: Any, of_flow: Any, queue: str, fallback: str) -> None:
    more = {} if own is None else {"workerGroup": own}
    rest = {} if of_flow is None else {"workerGroup": of_flow}
    found = job(log("x", **more), inputs={"g": "big"}, **rest)
    assert (found.queue, found.fallback) == (queue, fallback)


def test_its_limit_of_time_may_be_a_template() -> None:
    assert job(log("x", timeout="PT{{ inputs.n }}S"), inputs={"n": 2}).timeout_ms == 2000
    assert drive(flow(log("x", timeout="soon"))).run().states() == [("x", "FAILED")]


def test_it_carries_what_its_templates_name_and_nothing_else() -> None:
    found = job(
        value("a"), value("b"), log("x", message="{{ outputs.a.value }} {{ inputs.p }}"), inputs={"p": 1, "q": "secret"}
    )
    assert (found.context["outputs"], found.context["inputs"]) == ({"a": {"value": "v"}}, {"p": 1})
    assert "labels" not in found.context and "vars" not in found.context


def test_the_states_of_other_tasks_are_plain_data() -> None:
    found = job(value("a"), foreach("f", [1], value("b")), log("x", message="{{ tasks }}"))
    b = {"1": {"state": "SUCCESS"}}
    assert found.context["tasks"] == {"a": b["1"], "f": b["1"], "b": b, "x": {"state": "CREATED"}}
    assert type(found.context["tasks"]) is dict


def test_what_is_large_is_left_to_be_fetched() -> None:
    found = job(log("x", message="{{ inputs.p }}"), inputs={"p": "x" * 10_000})
    assert (found.context["inputs"], found.context["fetch"]) == ({}, {"inputs": ["p"]})


def test_in_a_long_loop_it_carries_the_outputs_of_its_own_turn() -> None:
    driver = drive(
        flow(
            foreach(
                "f",
                "{{ range(1, 200) }}",
                value("a", "{{ taskrun.value }}"),
                log("x", message="{{ outputs.a[taskrun.value].value }}"),
            )
        )
    )
    driver.start()
    while len(driver.runs("x")) < 150:
        driver.work()
    found = driver.jobs[0].context
    assert found["outputs"] == {"a": {"150": {"value": "150"}}}
    assert found["fetch"] == {"outputs": ["a"]}


def test_in_a_long_loop_it_carries_the_states_of_its_own_turn() -> None:
    """`render` may name anything: what a job carries for it must not grow with the loop."""
    lines = [value("a"), value("b", "{{ render(vars.v) }} {{ tasks.a[taskrun.value].state }}")]
    driver = drive(flow(foreach("f", "{{ range(1, 200) }}", *lines), variables={"v": "x"}))
    driver.start()
    while len(driver.runs("b")) < 150:
        driver.work()
    found = driver.jobs[0].context
    assert found["tasks"]["a"] == {"150": {"state": "SUCCESS"}}
    assert found["fetch"]["tasks"] == ["a", "b"]
    assert driver.run().state == "SUCCESS"


def test_what_was_left_out_is_fetched_once_however_much_of_it_is_read() -> None:
    asked: list[str] = []

    def fetch(kind: str, name: str) -> object:
        asked.append(f"{kind}.{name}")
        return {str(number): {"value": number} for number in range(100)}

    context = {"outputs": {"a": {"7": {"value": 7}}}, "fetch": {"outputs": ["a"]}}
    outputs: Any = scope_from_context(context, fetch).lookup("outputs")
    assert (outputs["a"]["7"]["value"], asked) == (7, [])
    assert [outputs["a"][key]["value"] for key in outputs["a"]] == list(range(100))
    assert asked == ["outputs.a"]
