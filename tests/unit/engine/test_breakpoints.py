"""Breakpoints: an execution stops before a task until somebody lets it go on."""

from datetime import timedelta
from typing import Any

import pytest

from executions.transitions import control
from executions.transitions.breakpoints import KEY
from flows.definition.states import State
from tests.unit.engine.driver import Driver, drive, fail, flow, foreach, log, parallel, sequence, task


def stopping(text: str, *points: dict[str, Any]) -> Driver:
    driver = drive(text)
    driver.execution.memory[KEY] = [{"value": None, **point} for point in points]
    return driver.run()


def let_go(driver: Driver, *points: dict[str, Any], renew: bool = False) -> Driver:
    control.resume_from_breakpoint(driver.flow, driver.execution, driver.now, points if renew else None)
    driver.changed("resume-from-breakpoint")
    return driver.run()


@pytest.mark.parametrize(
    "held", [log("b"), sequence("b", log("inner")), task("b", "execution.Labels", labels={"a": "b"})]
)
def test_it_stops_before_the_task_and_goes_on_with_it(held: dict[str, Any]) -> None:
    driver = stopping(flow(log("a"), held, log("c")), {"id": "b"})
    assert (driver.state, driver.states()) == ("BREAKPOINT", [("a", "SUCCESS"), ("b", "BREAKPOINT")])
    assert let_go(driver).state == "SUCCESS"
    assert driver.history() == ["CREATED", "RUNNING", "BREAKPOINT", "RESTARTED", "RUNNING", "SUCCESS"]
    assert driver.history(driver.only("b"))[:3] == ["CREATED", "BREAKPOINT", "CREATED"]


def test_what_runs_beside_it_goes_on_to_its_end_and_what_follows_waits() -> None:
    driver = stopping(flow(parallel("p", log("a"), sequence("s", log("b"), log("c")))), {"id": "a"})
    assert driver.states() == [("p", "RUNNING"), ("a", "BREAKPOINT"), ("s", "RUNNING"), ("b", "SUCCESS")]
    assert let_go(driver).state == "SUCCESS"


def test_one_turn_of_a_loop() -> None:
    driver = stopping(flow(foreach("f", ["x", "y", "z"], log("a"))), {"id": "a", "value": "y"})
    assert [(run.value, run.state) for run in driver.runs("a")] == [("x", "SUCCESS"), ("y", "BREAKPOINT")]
    assert let_go(driver).state == "SUCCESS"


def test_other_breakpoints_take_the_place_of_the_first() -> None:
    driver = stopping(flow(log("a"), log("b"), log("c")), {"id": "a"}, {"id": "b"})
    assert let_go(driver, {"id": "c"}, renew=True).states()[-1] == ("c", "BREAKPOINT")
    assert let_go(driver, renew=True).state == "SUCCESS"


def test_a_kill_ends_it_there() -> None:
    driver = stopping(flow(log("a")), {"id": "a"})
    control.kill(driver.flow, driver.execution, driver.now)
    driver.changed("kill")
    assert (driver.state, driver.states()) == ("KILLED", [("a", "KILLED")])


def test_a_try_that_fails_is_not_stopped_again() -> None:
    retry = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}
    driver = stopping(flow(fail("a", retry=retry)), {"id": "a"})
    assert (let_go(driver).state, len(driver.only("a").attempts)) == ("FAILED", 2)


def test_a_pause_beside_it_is_not_resumed_with_it() -> None:
    text = flow(parallel("p", task("w", "flow.Pause"), log("a")), log("z"))
    driver = stopping(text, {"id": "a"})
    assert driver.state is State.PAUSED
    control.resume(driver.flow, driver.execution, driver.now)
    driver.changed("resume")
    assert (driver.run().state, driver.only("w").state) == ("BREAKPOINT", "SUCCESS")
    assert let_go(driver).state == "SUCCESS"


def test_after_a_pause_that_ends_by_itself_the_breakpoint_is_still_there() -> None:
    text = flow(parallel("p", log("a"), task("w", "flow.Pause", pauseDuration="PT5S")), log("z"))
    driver = drive(text)
    driver.execution.memory[KEY] = [{"id": "a", "value": None}]
    driver.start()
    assert driver.state is State.PAUSED
    driver.now += timedelta(seconds=6)
    driver.fire()
    assert (driver.state, driver.only("w").state) == ("BREAKPOINT", "SUCCESS")
    assert let_go(driver).state == "SUCCESS"


def test_only_what_is_at_a_breakpoint_is_let_go() -> None:
    driver = drive(flow(task("w", "flow.Pause"))).start()
    with pytest.raises(control.Refused, match="not at a breakpoint"):
        control.resume_from_breakpoint(driver.flow, driver.execution, driver.now)
