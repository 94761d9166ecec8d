"""Subflow and ForEachItem: what is started, what comes back, and what a restart does with it."""

from typing import Any

import pytest

from executions.messages import SubflowEnded
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.states import State
from flows.expressions.errors import Call
from tests.unit.engine.driver import Driver, drive, flow, foreach, log, run, task, value


def subflow(**more: Any) -> dict[str, Any]:
    return task("s", "flow.Subflow", **{"namespace": "n", "flowId": "child", **more})


def restarted(driver: Driver) -> Driver:
    control.restart(driver.flow, driver.execution, driver.now, lambda: next(driver.ids))
    driver.changed("restart")
    return driver


def test_what_is_started_and_what_it_is_told() -> None:
    more = {"inputs": {"x": "{{ inputs.n }}"}, "labels": {"own": "{{ 1 + 1 }}"}, "inheritLabels": True}
    driver = drive(flow(subflow(**more)), {"n": 5}, labels=[{"key": "a", "value": "b"}]).start()
    (order,) = driver.started
    labels = {label["key"]: label["value"] for label in order.labels}
    assert (order.namespace, order.flow_id, order.inputs, order.depth) == ("n", "child", {"x": 5}, 1)
    assert labels == {"a": "b", "own": "2", "system.correlationId": driver.execution.id}
    assert order.trigger is not None and order.trigger["variables"]["executionId"] == driver.execution.id
    assert driver.only("s").outputs == {"executionId": order.execution_id}
    link = f'[[link execution="{order.execution_id}" flowId="child" namespace="n"]]'
    lines = [effect.message for effect in driver.of(fx.WriteLog)]
    assert lines == [f"Created new execution {link}"]


@pytest.mark.parametrize(
    ("child", "transmit", "state"),
    [
        ("SUCCESS", True, "SUCCESS"),
        ("FAILED", True, "FAILED"),
        ("WARNING", True, "WARNING"),
        ("KILLED", True, "KILLED"),
        ("FAILED", False, "SUCCESS"),
        ("WARNING", False, "SUCCESS"),
    ],
)
def test_the_end_of_the_child(child: str, transmit: bool, state: str) -> None:
    driver = run(flow(subflow(transmitFailed=transmit)), child_state=State(child))
    assert (driver.state, driver.only("s").state) == (state, state)
    assert (driver.only("s").outputs or {})["state"] == child


def test_nobody_waits_without_wait() -> None:
    driver = run(flow(subflow(wait=False), log("z")), child_state=State.FAILED)
    assert (driver.state, len(driver.only("s").attempts)) == ("SUCCESS", 1)


def test_a_child_that_cannot_start_fails_the_task_and_is_retried() -> None:
    retry = {"type": "constant", "interval": "PT1S", "maxAttempt": 3}
    driver = run(flow(subflow(retry=retry)), missing_flows=frozenset({"child"}))
    assert (driver.state, len(driver.only("s").attempts)) == ("FAILED", 3)


def test_outputs_come_back_or_the_task_fails() -> None:
    driver = drive(flow(subflow(outputs={"o": "{{ outputs.x.value }}"}))).start()
    (order,) = driver.started
    waiting = order.parent_task_run or {}
    assert waiting["outputs"] == {"o": "{{ outputs.x.value }}"}
    driver.step(SubflowEnded(waiting["taskRunId"], waiting["token"], order.execution_id, "SUCCESS", {"o": "v"}))
    assert driver.only("s").outputs == {"executionId": order.execution_id, "state": "SUCCESS", "outputs": {"o": "v"}}
    failed = drive(flow(subflow())).start()
    (order,) = failed.started
    waiting = order.parent_task_run or {}
    failed.step(SubflowEnded(waiting["taskRunId"], waiting["token"], order.execution_id, "SUCCESS", None, "no x"))
    assert (failed.state, failed.only("s").state) == ("FAILED", "FAILED")


def test_an_end_told_twice_counts_once() -> None:
    driver = drive(flow(subflow(), log("z"))).start()
    (order,) = driver.started
    end = driver.child_end(order)
    driver.step(end, end)
    driver.step(end)
    assert len(driver.jobs) == 1 and len(driver.dropped) == 2


def test_a_restart_restarts_the_failed_child() -> None:
    driver = run(flow(subflow()), child_state=State.FAILED)
    child_id = (driver.only("s").outputs or {})["executionId"]
    restarted(driver)
    (order,) = driver.of(fx.RestartExecution)
    assert (order.execution_id, len(driver.of(fx.StartExecution))) == (child_id, 1)
    token = order.parent_task_run["token"]
    driver.step(SubflowEnded(driver.only("s").id, token, child_id, "SUCCESS"))
    assert driver.state == "SUCCESS"


def test_a_restart_starts_another_when_the_flow_says_so() -> None:
    driver = run(flow(subflow(restartBehavior="NEW_EXECUTION")), child_state=State.FAILED)
    driver.child_state = State.SUCCESS
    assert restarted(driver).run().state == "SUCCESS"
    assert (len(driver.of(fx.RestartExecution)), len(driver.of(fx.StartExecution))) == (0, 2)


def test_run_if_and_allow_failure_count_for_subflows_too() -> None:
    assert run(flow(subflow(runIf="{{ false }}"))).only("s").state == "SKIPPED"
    driver = run(flow(subflow(allowFailure=True), log("z")), child_state=State.FAILED)
    assert (driver.state, driver.only("z").state) == ("WARNING", "SUCCESS")


def test_a_date_without_a_zone_is_utc() -> None:
    driver = drive(flow(subflow(scheduleDate="2030-01-01T00:00:00"))).start()
    assert driver.started[0].schedule_date is not None and driver.started[0].schedule_date.isoformat().endswith(
        "+00:00"
    )
    assert run(flow(subflow(scheduleDate="tomorrow"))).state == "FAILED"


# --- ForEachItem


def items(**more: Any) -> dict[str, Any]:
    properties = {
        "items": "kestra:///file",
        "namespace": "n",
        "flowId": "child",
        "inputs": {"x": "{{ taskrun.items }}"},
    }
    return task("e", "flow.ForEachItem", **{**properties, **more})


def batches(*uris: str) -> dict[str, Any]:
    """A driver's options: splitting gives these, merging nothing."""

    def answer(driver: Driver, job: fx.RunTask) -> Any:
        split = job.context["taskrun"]["taskId"].endswith("_split")
        return driver.report(job, outputs={"splits": "kestra:///splits"} if split else None)

    def resolve(call: Call) -> object:
        assert (call.name, "splits" in call.arguments) == ("read", True)
        return "".join(f"{uri}\n" for uri in uris)

    return {"answer": answer, "resolve": resolve}


def test_one_execution_per_batch() -> None:
    driver = run(flow(items(), log("z")), **batches("u0", "u1", "u2"))
    orders = driver.of(fx.StartExecution)
    assert [(order.inputs, order.iteration) for order in orders] == [({"x": f"u{n}"}, n) for n in range(3)]
    assert [task_id for task_id, _ in driver.states()] == ["e", "e_split", "e_items", "e_merge", "z"]
    assert driver.only("e_items").outputs == {
        "numberOfBatches": 3,
        "iterations": {"CREATED": 0, "RUNNING": 0, "SUCCESS": 3},
        "subflowOutputsBaseUri": f"kestra:///n/f/executions/{driver.execution.id}/tasks/e-items/{driver.only('e_items').id}",
    }


def test_inside_a_loop_each_finds_its_own_batches() -> None:
    driver = run(flow(foreach("f", ["a", "b"], items(), concurrencyLimit=0)), **batches("u0"))
    assert (driver.state, len(driver.of(fx.StartExecution)), len(driver.runs("e_merge"))) == ("SUCCESS", 2, 2)


def test_nothing_to_start_is_a_success() -> None:
    driver = run(flow(items()), **batches())
    assert (driver.state, driver.only("e_items").outputs) == ("SUCCESS", None)


@pytest.mark.parametrize(("transmit", "state"), [(True, "FAILED"), (False, "SUCCESS")])
def test_failed_batches(transmit: bool, state: str) -> None:
    driver = run(flow(items(transmitFailed=transmit)), child_state=State.FAILED, **batches("u0", "u1"))
    assert (driver.state, driver.only("e_items").state) == (state, state)
    assert (driver.only("e_items").outputs or {})["iterations"]["FAILED"] == 2


def test_without_wait_all_are_started_and_that_is_it() -> None:
    driver = run(flow(items(wait=False)), child_state=State.FAILED, **batches("u0", "u1"))
    assert driver.state == "SUCCESS"
    assert driver.only("e_items").outputs == {"numberOfBatches": 2, "iterations": {"SUCCESS": 2}}


def test_a_restart_restarts_the_failed_batches_only() -> None:
    driver = drive(flow(items()), **batches("u0", "u1", "u2"))
    driver.start()
    driver.work()
    orders = list(driver.started)
    for order, state in zip(orders, ("SUCCESS", "FAILED", "SUCCESS"), strict=True):
        driver.child_state = State(state)
        driver.step(driver.child_end(order))
    driver.started.clear()
    assert driver.run().state == "FAILED"
    restarted(driver)
    (again,) = driver.of(fx.RestartExecution)
    assert again.execution_id == orders[1].execution_id
    waiting = again.parent_task_run
    end = SubflowEnded(
        waiting["taskRunId"], waiting["token"], again.execution_id, "SUCCESS", None, None, waiting["iteration"]
    )
    driver.step(end)
    assert driver.run().state == "SUCCESS"
    assert (driver.only("e_items").outputs or {})["iterations"] == {
        "CREATED": 0,
        "RUNNING": 0,
        "SUCCESS": 3,
        "FAILED": 0,
    }


def test_a_missing_flow_fails_at_the_first_batch() -> None:
    driver = run(flow(items(), value("z")), missing_flows=frozenset({"child"}), **batches("u0", "u1"))
    assert (driver.state, driver.runs("e_merge")) == ("FAILED", [])
