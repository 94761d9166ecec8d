"""Concurrency limits, service levels, dates: when an execution may run and what ends it."""

from datetime import timedelta
from typing import Any

import pytest

from executions.messages import ExecutionCreated, SlotGranted, SlotRefused, TimerFired
from executions.starting import born_failed
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.states import State
from tests.unit.engine.driver import START, drive, flow, log, names, task, value

LIMITED = {"concurrency": {"limit": 1, "behavior": "QUEUE"}}


def test_it_runs_with_a_slot_and_gives_it_back() -> None:
    driver = drive(flow(log("x"), **LIMITED))
    assert names(driver.step(ExecutionCreated())) == ["AcquireSlot"]
    driver.step(SlotGranted())
    assert (driver.state, driver.of(fx.ReleaseSlot)) == ("RUNNING", [])
    assert (driver.run().state, len(driver.of(fx.ReleaseSlot))) == ("SUCCESS", 1)


@pytest.mark.parametrize(("behavior", "state"), [("QUEUE", "QUEUED"), ("CANCEL", "CANCELLED"), ("FAIL", "FAILED")])
def test_without_a_slot(behavior: str, state: str) -> None:
    driver = drive(flow(log("x"), concurrency={"limit": 1, "behavior": behavior}))
    driver.step(ExecutionCreated())
    driver.step(SlotRefused(behavior))
    assert (driver.state, driver.runs()) == (state, [])
    told = [] if behavior == "QUEUE" else [f"Execution is {state} due to concurrency limit exceeded"]
    assert [line.message for line in driver.of(fx.WriteLog)] == told
    if behavior == "QUEUE":
        driver.step(SlotGranted())
        assert driver.run().history() == ["CREATED", "QUEUED", "RUNNING", "SUCCESS"]


def test_what_executors_take_up_together_is_told_in_the_order_of_the_grants() -> None:
    driver = drive(flow(log("x"), **LIMITED))
    driver.step(ExecutionCreated())
    driver.step(SlotRefused("QUEUE", (driver.now + timedelta(milliseconds=1)).isoformat()))
    granted = driver.now + timedelta(milliseconds=2)
    driver.step(SlotGranted(granted.isoformat()))
    queued, running = driver.execution.histories[1:3]
    assert (queued[0], running) == ("QUEUED", ("RUNNING", granted))


@pytest.mark.parametrize("action", ["kill", "unqueue", "force"])
def test_a_place_in_the_queue_is_given_up(action: str) -> None:
    driver = drive(flow(log("x"), **LIMITED))
    driver.step(ExecutionCreated())
    driver.step(SlotRefused("QUEUE"))
    if action == "kill":
        control.kill(driver.flow, driver.execution, driver.now)
    elif action == "unqueue":
        control.unqueue(driver.flow, driver.execution, driver.now, State.CANCELLED)
    else:
        control.force_run(driver.flow, driver.execution, driver.now)
    driver.changed(action)
    driver.run()
    assert (driver.state.is_terminal, len(driver.of(fx.ReleaseSlot))) == (True, 1)


def test_a_slot_that_comes_too_late_is_given_on() -> None:
    driver = drive(flow(log("x"), **LIMITED))
    driver.step(ExecutionCreated())
    control.kill(driver.flow, driver.execution, driver.now)
    driver.changed("kill")
    released = len(driver.of(fx.ReleaseSlot))
    driver.step(SlotGranted())
    assert len(driver.of(fx.ReleaseSlot)) == released + 1


def test_a_pause_keeps_the_slot_and_a_restart_asks_for_one() -> None:
    driver = drive(flow(task("p", "flow.Pause"), task("x", "execution.Fail"), **LIMITED), slot=True).start()
    assert (driver.state, driver.of(fx.ReleaseSlot)) == ("PAUSED", [])
    control.resume(driver.flow, driver.execution, driver.now)
    driver.changed("resume")
    driver.run()
    assert (driver.state, len(driver.of(fx.AcquireSlot)), len(driver.of(fx.ReleaseSlot))) == ("FAILED", 1, 1)
    control.restart(driver.flow, driver.execution, driver.now, lambda: next(driver.ids))
    driver.changed("restart")
    assert len(driver.of(fx.AcquireSlot)) == 2


def sla(**more: Any) -> dict[str, Any]:
    return {"sla": [{"id": "s", **more}]}


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED"), ("NONE", "SUCCESS")])
def test_the_longest_duration(behavior: str, state: str) -> None:
    driver = drive(
        flow(log("x"), **sla(type="MAX_DURATION", duration="PT5S", behavior=behavior, labels={"late": "yes"}))
    )
    driver.start()
    job = driver.jobs.pop()
    assert driver.timers["sla", "0"] == driver.execution.start_date + timedelta(seconds=5)
    driver.step(TimerFired("sla", "0"))
    driver.step(driver.report(job, State.SUCCESS if behavior == "NONE" else State.KILLED))
    assert (driver.state, {"key": "late", "value": "yes"} in driver.execution.labels) == (state, True)
    assert "it runs for longer than PT5S" in " ".join(line.message for line in driver.of(fx.WriteLog))


def test_a_timeout_that_is_no_duration_fails_the_task_and_is_named() -> None:
    driver = drive(flow(log("x", timeout="1 second")))
    driver.start()
    told = " ".join(line.message for line in driver.of(fx.WriteLog))
    assert (driver.state, "The property `timeout` is not a duration: Text '1 second'" in told) == ("FAILED", True)


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED"), ("NONE", "SUCCESS")])
def test_an_assertion(behavior: str, state: str) -> None:
    text = flow(
        value("x", "bad"),
        log("y"),
        **sla(type="EXECUTION_ASSERTION", behavior=behavior, **{"assert": "{{ outputs.x.value == 'good' }}"}),
    )
    driver = drive(text).start()
    while driver.jobs:
        job = driver.jobs.pop(0)
        is_killed = driver.state is State.KILLING
        driver.step(driver.report(job, State.KILLED) if is_killed else driver.answer(driver, job))
    assert driver.state == state


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
def test_an_assertion_that_never_held_lets_nothing_start(behavior: str, state: str) -> None:
    more = sla(type="EXECUTION_ASSERTION", behavior=behavior, **{"assert": "{{ 1 == 2 }}"})
    driver = drive(flow(log("x"), **more)).start()
    assert (driver.state, driver.runs(), driver.history()) == (state, [], ["CREATED", "RUNNING", state])


def test_an_assertion_that_cannot_be_evaluated_is_no_violation() -> None:
    more = sla(type="EXECUTION_ASSERTION", behavior="FAIL", **{"assert": "{{ outputs.missing.value }}"})
    assert drive(flow(log("x"), **more)).run().state == "SUCCESS"


def test_an_execution_that_is_born_failed_says_why_and_runs_what_comes_after_its_end() -> None:
    driver = drive(flow(log("x"), afterExecution=[log("after")]))
    driver.execution.parent_task_run = {"executionId": "e", "taskRunId": "r", "token": "t", "wait": True}
    born_failed(driver.execution, "no good", driver.now)
    driver.run()
    assert (driver.state, driver.states()) == ("FAILED", [("after", "SUCCESS")])
    assert [told.state for told in driver.of(fx.TellParent)] == ["FAILED"]
    assert [line.message for line in driver.of(fx.WriteLog)] == ["no good"]


def test_a_date_in_the_future_is_waited_for() -> None:
    driver = drive(flow(log("x")))
    driver.execution.schedule_date = START + timedelta(hours=1)
    driver.start()
    assert (driver.state, driver.timers) == ("CREATED", {("start", ""): START + timedelta(hours=1)})
    assert driver.run().state == "SUCCESS" and driver.now > START + timedelta(hours=1)
