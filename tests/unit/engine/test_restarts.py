"""Restart and replay: what is done again, what is kept."""

import pytest

from executions.messages import ExecutionChanged
from executions.state import Execution
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.states import State
from tests.unit.engine.driver import Data, Driver, fail, flow, foreach, log, parallel, run, sequence, task, value

FIRST = "{{ taskrun.attemptsCount == 0 }}"


def flaky(task_id: str = "x") -> Data:
    """Fails at its first try."""
    return fail(task_id, condition=FIRST)


def restarted(driver: Driver) -> Driver:
    control.restart(driver.flow, driver.execution, driver.now, lambda: next(driver.ids))
    return driver


def replayed(driver: Driver, task_run_id: str | None = None) -> Driver:
    step = control.replay(driver.flow, driver.execution, driver.now, lambda: next(driver.ids), task_run_id=task_run_id)
    (effect,) = step.effects
    assert isinstance(effect, fx.CopyExecution)
    copy: Execution = effect.execution
    again = Driver(driver.flow, now=driver.now)
    again.ids, again.execution = driver.ids, copy
    return again


@pytest.mark.parametrize(
    "text",
    [
        flow(log("a"), flaky(), log("z")),
        flow(sequence("s", log("a"), sequence("t", flaky())), log("z")),
        flow(
            foreach(
                "f", ["1", "2", "3"], fail("x", condition="{{ taskrun.value == '2' and taskrun.attemptsCount == 0 }}")
            ),
            log("z"),
        ),
        flow(parallel("p", log("a"), flaky()), log("z")),
        flow(flaky(), log("z"), errors=[log("e")], **{"finally": [log("y")]}),
        flow(sequence("s", flaky(), errors=[log("e")]), log("z")),
    ],
)
def test_a_restart_goes_on_from_what_failed(text: str) -> None:
    driver = run(text)
    assert driver.state == "FAILED"
    before = {run_.id for run_ in driver.runs() if run_.state is State.SUCCESS and run_.task_id not in ("e", "y")}
    restarted(driver)
    assert (driver.state, driver.runs("e"), driver.runs("y")) == ("RESTARTED", [], [])
    driver.changed("restart")
    driver.run()
    assert (driver.state, driver.only("z").state) == ("SUCCESS", "SUCCESS")
    assert before <= {run_.id for run_ in driver.runs()}
    assert max(len(run_.attempts) for run_ in driver.runs("x")) == 2
    assert driver.execution.attempt_number == 2


def test_there_must_be_something_to_restart() -> None:
    with pytest.raises(control.Refused, match="No task found to restart"):
        restarted(run(flow(log("a"))))


def test_a_restart_that_fails_again() -> None:
    driver = restarted(run(flow(sequence("s", fail("x"), errors=[log("e")]))))
    driver.changed("restart")
    driver.run()
    assert (driver.state, len(driver.only("x").attempts), len(driver.runs("e"))) == ("FAILED", 2, 1)


def test_a_replay_of_the_whole_is_a_new_execution() -> None:
    driver = run(flow(value("a", "{{ execution.id }}")))
    again = replayed(driver).run()
    assert (again.state, again.execution.parent_id) == ("SUCCESS", driver.execution.id)
    assert again.execution.original_id == driver.execution.id
    assert again.only("a").outputs != driver.only("a").outputs


def test_a_replay_from_a_task_keeps_what_was_before() -> None:
    driver = run(flow(value("a", "{{ taskrun.id }}"), value("b", "{{ outputs.a.value }}"), log("c")))
    again = replayed(driver, driver.only("b").id)
    assert again.states() == [("a", "SUCCESS"), ("b", "RESTARTED")]
    again.step(ExecutionChanged("replay"))
    again.run()
    assert again.only("b").outputs == {"value": driver.only("a").id}
    assert (again.state, again.only("a").id != driver.only("a").id, len(again.only("b").attempts)) == (
        "SUCCESS",
        True,
        2,
    )


def test_a_replay_inside_a_loop_does_the_values_after_it_again() -> None:
    driver = run(flow(foreach("f", ["1", "2", "3"], log("x"), log("y"))))
    second = driver.runs("x")[1]
    again = replayed(driver, second.id)
    kept = [(run_.task_id, run_.value) for run_ in again.runs() if run_.task_id != "f"]
    assert kept == [("x", "1"), ("x", "2")]
    again.step(ExecutionChanged("replay"))
    again.run()
    assert (again.state, len(again.runs("x")), len(again.runs("y"))) == ("SUCCESS", 3, 3)


def test_a_state_set_by_hand_goes_on_from_there() -> None:
    driver = run(flow(fail("x"), log("z"), errors=[log("e")]))
    control.set_task_state(driver.flow, driver.execution, driver.now, driver.only("x").id, State.SUCCESS)
    driver.changed("state")
    driver.run()
    assert (driver.state, driver.states()) == ("SUCCESS", [("x", "SUCCESS"), ("z", "SUCCESS")])


@pytest.mark.parametrize(
    ("text", "task_id"),
    [
        (flow(log("a"), **{"finally": [log("x"), log("y")]}), "x"),
        (flow(fail("a"), errors=[log("x"), log("y")]), "x"),
        (flow(parallel("p", *(log(name) for name in "abcx"), concurrent=2)), "x"),
        (flow(task("d", "flow.Dag", tasks=[{"task": log("x")}, {"task": log("y"), "dependsOn": ["x"]}])), "x"),
        (flow(foreach("f", ["1", "2", "3", "4"], log("x"), log("y"), concurrencyLimit=2)), "x"),
    ],
)
def test_a_replay_reaches_a_task_wherever_it_stands(text: str, task_id: str) -> None:
    driver = run(text)
    again = replayed(driver, driver.runs(task_id)[-1].id)
    again.step(ExecutionChanged("replay"))
    again.run()
    assert (again.state, again.ended) == (driver.state, True)
    assert len(again.runs()) == len(driver.runs())


def test_what_runs_after_the_end_is_no_place_to_start_from() -> None:
    driver = run(flow(log("a"), afterExecution=[log("x")]))
    with pytest.raises(control.Refused, match="runs after the end"):
        replayed(driver, driver.only("x").id)


def test_a_replay_starts_children_of_its_own() -> None:
    driver = run(flow(task("s", "flow.Subflow", namespace="n", flowId="child")), child_state=State.FAILED)
    again = replayed(driver, driver.only("s").id)
    again.step(ExecutionChanged("replay"))
    assert (len(again.of(fx.StartExecution)), again.of(fx.RestartExecution)) == (1, [])
