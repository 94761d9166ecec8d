"""Labels, SetVariables, UnsetVariables, Exit: tasks that change the execution they are in."""

from typing import Any

import pytest

from executions.transitions import effects as fx
from tests.unit.engine.driver import Driver, drive, flow, log, parallel, run, sequence, task, value


def labels_of(driver: Driver) -> dict[str, str]:
    return {label["key"]: label["value"] for label in driver.execution.labels}


@pytest.mark.parametrize(
    "labels",
    [
        {"{{ inputs.k }}": "{{ inputs.v }}"},
        [{"key": "{{ inputs.k }}", "value": "{{ inputs.v }}"}],
        "{{ {inputs.k: inputs.v} }}",
        '{"{{ inputs.k }}": "{{ inputs.v }}"}',
    ],
)
def test_labels_in_every_form(labels: Any) -> None:
    driver = run(
        flow(task("l", "execution.Labels", labels=labels)), {"k": "a", "v": 1}, labels=[{"key": "a", "value": "x"}]
    )
    assert (driver.state, labels_of(driver), len(driver.only("l").attempts)) == ("SUCCESS", {"a": "1"}, 1)


@pytest.mark.parametrize("labels", ["text", "{{ 5 }}", {"system.x": "1"}, [1], "{{ missing }}"])
def test_labels_that_are_refused(labels: Any) -> None:
    driver = run(flow(task("l", "execution.Labels", labels=labels), log("z")))
    assert (driver.state, driver.states()) == ("FAILED", [("l", "FAILED")])


def test_variables_come_over_those_of_the_flow_and_go_again() -> None:
    text = flow(
        task("set", "execution.SetVariables", variables={"b": "{{ 1 + 1 }}", "c": [1]}),
        value("x", "{{ vars.a }}{{ vars.b }}{{ vars.c }}"),
        task("unset", "execution.UnsetVariables", variables=["a"]),
        value("y", "{{ vars.a ?? 'gone' }}{{ vars.b }}"),
        variables={"a": "A", "b": "B"},
    )
    driver = run(text)
    assert driver.only("x").outputs == {"value": "A2[1]"}
    assert driver.only("y").outputs == {"value": "gone2"}


@pytest.mark.parametrize(
    "refused",
    [
        task("t", "execution.SetVariables", variables={"a": 1}, overwrite=False),
        task("t", "execution.UnsetVariables", variables=["missing"]),
        task("t", "execution.SetVariables", variables="text"),
    ],
)
def test_variables_that_are_refused(refused: dict[str, Any]) -> None:
    assert run(flow(refused, variables={"a": "A"})).states() == [("t", "FAILED")]


@pytest.mark.parametrize("state", ["SUCCESS", "WARNING", "FAILED", "CANCELED"])
def test_exit_ends_the_execution_from_any_depth(state: str) -> None:
    driver = run(
        flow(sequence("s", task("x", "execution.Exit", state=state), log("never")), log("never2"), errors=[log("e")])
    )
    end = "CANCELLED" if state == "CANCELED" else state
    assert (driver.state, driver.states()) == (end, [("s", end), ("x", "SUCCESS")])
    assert driver.history() == ["CREATED", "RUNNING", end]


def test_exit_lets_what_runs_beside_it_end() -> None:
    text = flow(parallel("p", task("x", "execution.Exit"), sequence("s", log("a"), log("never"))))
    driver = drive(text).start()
    assert (driver.state, len(driver.jobs)) == ("RUNNING", 1)
    driver.run()
    assert (driver.state, driver.only("a").state, driver.runs("never")) == ("SUCCESS", "SUCCESS", [])
    assert driver.of(fx.StopTasks) == []


def test_exit_as_killed_stops_it() -> None:
    driver = drive(flow(parallel("p", task("x", "execution.Exit", state="KILLED"), log("a")))).start()
    assert (driver.state, len(driver.of(fx.StopTasks))) == ("KILLING", 1)


def test_run_if_counts_for_them_too() -> None:
    driver = run(flow(task("x", "execution.Exit", runIf="{{ false }}"), log("z")))
    assert driver.states() == [("x", "SKIPPED"), ("z", "SUCCESS")]
