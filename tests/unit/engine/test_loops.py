"""ForEach and its kin, LoopUntil, and Kestra 2.0's Loop."""

from typing import Any

import pytest

from tests.unit.engine.driver import Driver, drive, fail, flow, foreach, log, run, sequence, task, value


def values_of(driver: Driver, task_id: str) -> list[Any]:
    return [(run.outputs or {}).get("value") for run in driver.runs(task_id)]


def test_values_one_after_the_other() -> None:
    driver = drive(flow(foreach("f", ["a", "b"], value("x", "{{ taskrun.value }}"), log("y")))).start()
    assert [run.value for run in driver.runs("x")] == ["a"]
    driver.run()
    assert values_of(driver, "x") == ["a", "b"]
    assert [(run.task_id, run.value) for run in driver.runs()[1:]] == [("x", "a"), ("y", "a"), ("x", "b"), ("y", "b")]


@pytest.mark.parametrize(("limit", "begun"), [(0, 5), (2, 2), (1, 1), (9, 5)])
def test_so_many_values_at_a_time(limit: int, begun: int) -> None:
    driver = drive(flow(foreach("f", [1, 2, 3, 4, 5], log("x"), concurrencyLimit=limit))).start()
    assert len(driver.jobs) == begun
    most = begun
    while driver.work():
        most = max(most, len(driver.jobs))
    assert (most, driver.state, len(driver.runs("x"))) == (begun, "SUCCESS", 5)


def test_outputs_are_addressed_by_the_values_around() -> None:
    inner = foreach("g", ["1", "2"], value("x", "{{ parent.taskrun.value }}{{ taskrun.value }}"))
    last = value("z", "{{ outputs.x.a['2'].value }}{{ outputs.x['b']['1'].value }}")
    driver = run(flow(foreach("f", ["a", "b"], inner), last))
    assert driver.only("z").outputs == {"value": "a2b1"}


def test_an_output_of_the_same_turn() -> None:
    tasks = value("x", "{{ taskrun.value }}"), value("y", "{{ currentEachOutput(outputs.x).value }}!")
    driver = run(flow(foreach("f", ["a", "b"], *tasks, concurrencyLimit=0)))
    assert values_of(driver, "y") == ["a!", "b!"]


def test_an_output_of_the_same_turn_is_found_from_inside_an_if_and_null_where_there_is_none() -> None:
    inside = value("y", "{{ currentEachOutput(outputs.x).value }}!")
    deeper = foreach("g", ["1"], value("w", "{{ currentEachOutput(outputs.x).value ?? 'none' }}"))
    choice = task("i", "flow.If", condition="{{ true }}", then=[inside, deeper])
    driver = run(flow(foreach("f", ["a", "b"], value("x", "{{ taskrun.value }}"), choice)))
    assert values_of(driver, "y") == ["a!", "b!"]
    assert values_of(driver, "w") == ["none", "none"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ('["a", "a", "b"]', ["a", "b"]),
        ({"k": 1}, ['{"key":"k","value":1}']),
        ("{{ [1, 2] }}", ["1", "2"]),
        ('[{"x": 1}]', ['{"x":1}']),
        ("[]", []),
    ],
)
def test_what_a_loop_goes_through(values: Any, expected: list[str]) -> None:
    driver = run(flow(foreach("f", values, log("x"))))
    assert (driver.state, [run.value for run in driver.runs("x")]) == ("SUCCESS", expected)


@pytest.mark.parametrize("values", ["[null]", "not json", "{{ 5 }}", "{{ missing }}"])
def test_what_a_loop_refuses(values: str) -> None:
    assert run(flow(foreach("f", values, log("x")), log("z"))).states() == [("f", "FAILED")]


def test_a_failed_value_stops_the_loop() -> None:
    driver = run(flow(foreach("f", ["a", "b"], fail("x", condition="{{ taskrun.value == 'a' }}"))))
    assert (driver.state, driver.states()) == ("FAILED", [("f", "FAILED"), ("x", "FAILED")])


def test_the_outputs_of_another_turn() -> None:
    before = value("y", "{{ taskrun.iteration > 0 ? iterationOutput(outputs.x).value : 'none' }}")
    driver = run(flow(foreach("f", ["a", "b"], value("x", "{{ taskrun.value }}"), before)))
    assert values_of(driver, "y") == ["none", "a"]
    last = run(flow(foreach("f", ["a", "b"], value("x", "!")), value("z", "{{ iterationOutput(outputs.x, 5) }}")))
    assert last.only("z").state == "FAILED"


# --- LoopUntil


def until(condition: str, *tasks: dict[str, Any], type_name: str = "flow.LoopUntil", **more: Any) -> dict[str, Any]:
    return task("w", type_name, condition=condition, tasks=list(tasks), **more)


COUNT = value("x", "{{ outputs.w.iterationCount }}")


def test_rounds_go_on_until_the_condition_holds() -> None:
    driver = run(flow(until("{{ outputs.x.value == '3' }}", COUNT, checkFrequency={"interval": "PT5S"})))
    assert (driver.state, len(driver.runs("x")), driver.only("w").outputs) == ("SUCCESS", 1, {"iterationCount": 3})
    assert (driver.now - driver.execution.start_date).total_seconds() == pytest.approx(10, abs=0.1)
    assert driver.history() == ["CREATED", "RUNNING", "SUCCESS"]


@pytest.mark.parametrize(("fails", "state"), [(True, "FAILED"), (False, "SUCCESS")])
def test_most_rounds(fails: bool, state: str) -> None:
    frequency = {"interval": "PT1S", "maxIterations": 3}
    driver = run(flow(until("{{ false }}", COUNT, checkFrequency=frequency, failOnMaxReached=fails), log("z")))
    assert (driver.state, driver.only("x").outputs) == (state, {"value": "3"})


def test_longest_time() -> None:
    frequency = {"interval": "PT10S", "maxDuration": "PT25S"}
    driver = run(flow(until("{{ false }}", COUNT, checkFrequency=frequency, failOnMaxReached=True)))
    assert (driver.state, driver.only("x").outputs) == ("FAILED", {"value": "4"})


def test_a_failed_round_is_the_last() -> None:
    driver = run(flow(until("{{ false }}", fail("x"), checkFrequency={"maxIterations": 3})))
    assert (driver.state, driver.states()) == ("FAILED", [("w", "FAILED"), ("x", "FAILED")])


def test_the_older_name_has_limits_of_its_own() -> None:
    older = run(flow(until("{{ outputs.x.value == '2' }}", COUNT, type_name="flow.WaitFor")))
    newer = run(flow(until("{{ outputs.x.value == '2' }}", COUNT)))
    lengths = [(one.now - one.execution.start_date).total_seconds() for one in (older, newer)]
    assert lengths == pytest.approx([1, 60], abs=0.1)


# --- Loop


def loop(values: Any, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return task("l", "flow.Loop", values=values, tasks=list(tasks), **more)


def test_item_is_known_at_any_depth_and_outputs_are_those_of_the_iteration() -> None:
    deep = sequence("s", value("x", "{{ item.value }}{{ item.index }}"), value("y", "{{ outputs.x.value }}!"))
    driver = run(flow(loop(["a", "a"], deep, concurrencyLimit=0), log("z")))
    assert (driver.state, values_of(driver, "y")) == ("SUCCESS", ["a0!", "a1!"])


def test_outer_items() -> None:
    inner = task("m", "flow.Loop", values=["1", "2"], tasks=[value("x", "{{ item.parent.value }}{{ item.value }}")])
    assert values_of(run(flow(loop({"k": "a", "l": "b"}, inner))), "x") == ["a1", "a2", "b1", "b2"]


def test_the_outputs_of_all_iterations() -> None:
    wanted = [{"id": "o", "type": "STRING", "value": "{{ outputs.x.value }}"}]
    last = value("z", "{{ outputs.l.iterationCount }} {{ loopOutputs(outputs.l.outputs, 'o') }}")
    driver = run(flow(loop(["a", "b"], value("x", "{{ item.value }}?"), outputs=wanted), last))
    assert driver.only("z").outputs == {"value": '2 ["a?","b?"]'}
    first = (driver.only("l").outputs or {})["outputs"][0]
    assert first == {"item": {"value": "a", "iteration": 0}, "outputs": {"o": "a?"}}


@pytest.mark.parametrize(("transmit", "state", "ran"), [(True, "FAILED", 1), (False, "SUCCESS", 2)])
def test_a_failed_iteration(transmit: bool, state: str, ran: int) -> None:
    failing = fail("x", condition="{{ item.value == 'a' }}")
    driver = run(flow(loop(["a", "b"], failing, errors=[log("e")], transmitFailed=transmit)))
    assert (driver.state, len(driver.runs("x")), len(driver.runs("e"))) == (state, ran, 1)
