"""Kill: everything below is told, the execution ends when all has ended, or when its time is over."""

from datetime import timedelta
from typing import Any

import pytest

from executions.messages import SubflowEnded, TimerFired
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.states import State
from tests.unit.engine.driver import Driver, drive, fail, flow, foreach, log, parallel, sequence, task

SUBFLOW = task("s", "flow.Subflow", namespace="n", flowId="child")
RETRY = {"type": "constant", "interval": "PT1H", "maxAttempt": 3}


def killed(driver: Driver, **options: Any) -> Driver:
    control.kill(driver.flow, driver.execution, driver.now, **options)
    driver.changed("kill")
    return driver


WAITING = {
    "a task": log("x"),
    "a task in flowables": sequence("a", parallel("b", log("x"), log("y"))),
    "a loop": foreach("f", ["1", "2"], log("x"), concurrencyLimit=0),
    "a subflow": SUBFLOW,
    "a pause": task("p", "flow.Pause"),
    "a pause beside a task": parallel("b", task("p", "flow.Pause"), log("x")),
    "a retry": fail("x", retry=RETRY),
    "a round": task("w", "flow.LoopUntil", condition="{{ false }}", tasks=[log("x")]),
    "a dag": task("d", "flow.Dag", tasks=[{"task": log("x")}, {"task": log("y"), "dependsOn": ["x"]}]),
    "a loop of 2.0": task("l", "flow.Loop", values=[1, 2], tasks=[log("x")]),
}


@pytest.mark.parametrize("name", WAITING)
def test_a_kill_ends_whatever_it_waits_for(name: str) -> None:
    driver = drive(flow(WAITING[name], log("never"), errors=[log("e")], concurrency={"limit": 1}), slot=True).start()
    if name in ("a retry", "a round"):
        driver.work()
    killed(driver)
    handed_out = {job.task_run_id for job in driver.jobs}
    told = {run_id for effect in driver.of(fx.StopTasks) for run_id in effect.task_run_ids}
    assert told == handed_out and len(driver.of(fx.KillChildren)) == 1
    for job in list(driver.jobs):
        driver.step(driver.report(job, State.KILLED))
    for order in driver.started:
        driver.child_state = State.KILLED
        driver.step(driver.child_end(order))
    assert (driver.state, driver.ended) == ("KILLED", True)
    assert {run.state for run in driver.runs()} <= {State.KILLED, State.SUCCESS, State.FAILED}
    assert not driver.runs("never") and not driver.runs("e")
    assert len(driver.of(fx.ReleaseSlot)) == 1


def test_what_was_quicker_than_the_kill_is_a_success() -> None:
    driver = drive(flow(log("x"), log("y"))).start()
    killed(driver)
    driver.step(driver.report(driver.jobs.pop(), State.SUCCESS))
    assert (driver.state, driver.states()) == ("KILLED", [("x", "SUCCESS")])


def test_it_ends_after_ten_seconds_whatever_still_runs_and_hears_nothing_more() -> None:
    driver = drive(flow(sequence("a", log("x")))).start()
    job = driver.jobs.pop()
    killed(driver)
    assert driver.timers["kill", ""] - driver.now == timedelta(seconds=10)
    driver.step(TimerFired("kill"))
    assert (driver.state, driver.states()) == ("KILLED", [("a", "KILLED"), ("x", "KILLED")])
    driver.step(driver.report(job, State.SUCCESS))
    assert driver.only("x").state == "KILLED" and len(driver.dropped) == 1


def test_a_kill_without_cascade_leaves_children_alone() -> None:
    driver = killed(drive(flow(SUBFLOW)).start(), cascade=False)
    assert driver.of(fx.KillChildren) == []


def test_killing_twice_tells_once() -> None:
    driver = killed(killed(drive(flow(log("x"))).start()))
    assert len(driver.of(fx.StopTasks)) == 1


def test_a_child_that_ends_while_its_parent_is_killed() -> None:
    driver = drive(flow(SUBFLOW)).start()
    (order,) = driver.started
    killed(driver)
    waiting = order.parent_task_run or {}
    driver.step(SubflowEnded(waiting["taskRunId"], waiting["token"], order.execution_id, "KILLED"))
    assert (driver.state, driver.only("s").state) == ("KILLED", "KILLED")


def test_before_it_has_begun_and_after_its_end() -> None:
    driver = killed(drive(flow(log("x"))))
    assert (driver.state, driver.runs()) == ("KILLED", [])
    with pytest.raises(control.Refused):
        control.kill(driver.flow, driver.execution, driver.now)
