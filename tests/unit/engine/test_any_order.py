"""Whatever the order of reports, timers and ends of children, however often each is told: the same end."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions.messages import Message, TimerFired
from executions.transitions import control
from executions.transitions.outputs import value_path
from flows.definition.states import State
from tests.unit.engine.driver import Driver, drive, fail, flow, foreach, log, parallel, sequence, task, value

RETRY = {"type": "constant", "interval": "PT1S", "maxAttempt": 3}
SUBFLOW = task("sub", "flow.Subflow", namespace="n", flowId="child")
FLOWS = {
    "parallel chains": parallel("p", sequence("s", log("a"), log("b")), log("c"), sequence("t", log("d"), log("e"))),
    "loops in loops": foreach(
        "f", ["1", "2", "3"], foreach("g", ["x", "y"], value("v", "{{ taskrun.value }}"), log("w")), concurrencyLimit=0
    ),
    "a failure beside others": parallel("p", sequence("s", fail("a"), errors=[log("e")]), log("c"), log("d")),
    "a dag": task(
        "dag",
        "flow.Dag",
        tasks=[
            {"task": log("a")},
            {"task": log("b")},
            {"task": log("c"), "dependsOn": ["a", "b"]},
            {"task": value("d", "{{ outputs.v is defined }}"), "dependsOn": ["b"]},
            {"task": log("e"), "dependsOn": ["c", "d"]},
        ],
    ),
    "retries": parallel(
        "p", fail("a", retry=RETRY), value("b", "{{ taskrun.attemptsCount > 1 ? 1 : x }}", retry=RETRY)
    ),
    "subflows": parallel(
        "p", SUBFLOW, log("a"), foreach("f", ["1", "2"], {**SUBFLOW, "id": "inner"}, concurrencyLimit=0)
    ),
    "rounds": parallel(
        "p", log("a"), task("w", "flow.LoopUntil", condition="{{ outputs.w.iterationCount == 3 }}", tasks=[log("b")])
    ),
    "a loop of 2.0": task(
        "l",
        "flow.Loop",
        values=["a", "b", "c"],
        concurrencyLimit=2,
        tasks=[value("v", "{{ item.value }}"), value("u", "{{ outputs.v.value }}")],
        outputs=[{"id": "o", "value": "{{ outputs.u.value }}"}],
    ),
    "pauses": foreach("f", ["1", "2"], task("p", "flow.Pause", delay="PT1S", tasks=[log("a")]), concurrencyLimit=0),
    "labels": parallel(
        "p", *(task(f"l{n}", "execution.Labels", labels={f"k{n}": "v"}) for n in range(3)), log("a"), log("b")
    ),
}


def summary(driver: Driver) -> dict[str, Any]:
    """The end, without ids and dates: order of creation and of attempts' dates may differ."""
    execution = driver.execution
    runs = sorted(
        (run.task_id, tuple(value_path(execution, run)), str(run.value), run.state.value, len(run.attempts))
        for run in driver.runs()
    )
    outputs = sorted((run.task_id, str(run.value), str(_plain(run.outputs))) for run in driver.runs())
    return {
        "state": driver.state.value,
        "ended": driver.ended,
        "runs": runs,
        "outputs": outputs,
        "labels": sorted(label["key"] for label in execution.labels),
        "open": {key: count for key, count in execution.open_children.items() if count},
    }


def _plain(outputs: Any) -> Any:
    """Without ids and moments."""
    if not isinstance(outputs, dict):
        return outputs
    return {key: item for key, item in outputs.items() if key not in ("executionId", "resumed")}


def pending(driver: Driver) -> list[Message]:
    """Everything that may happen now."""
    found: list[Message] = [driver.answer(driver, job) for job in driver.jobs]
    found += [driver.child_end(order) for order in driver.started]
    found += [TimerFired(kind, key) for kind, key in driver.timers]
    return found


def forget(driver: Driver, messages: list[Message]) -> None:
    told = {(getattr(one, "task_run_id", None), getattr(one, "token", None)) for one in messages}
    driver.jobs = [job for job in driver.jobs if (job.task_run_id, job.token) not in told]
    ended = {one.child_id for one in messages if hasattr(one, "child_id")}
    driver.started = [order for order in driver.started if order.execution_id not in ended]
    for one in messages:
        if isinstance(one, TimerFired):
            driver.now = max(driver.now, driver.timers.pop((one.kind, one.key), driver.now))


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choices=st.data())
def test_any_order_and_any_duplication_come_to_the_same_end(name: str, choices: st.DataObject) -> None:
    text = flow(FLOWS[name], log("last"), errors=[log("failed")])
    expected = summary(drive(text).run())
    driver = drive(text).start()
    told: list[Message] = []
    for _ in range(500):
        possible = pending(driver)
        if driver.ended or not possible:
            break
        chosen = choices.draw(st.lists(st.sampled_from(range(len(possible))), min_size=1, max_size=4))
        now = [possible[index] for index in chosen]
        # Old news comes again at any time; a timer of the past is a wake-up without a cause.
        again = choices.draw(st.lists(st.sampled_from(told), max_size=2)) if told else []
        forget(driver, now)
        driver.step(*again, *now)
        told += [one for one in now if not isinstance(one, TimerFired)]
    assert summary(driver) == expected


@settings(max_examples=40, deadline=None)
@given(choices=st.data())
def test_a_kill_at_any_moment_ends_everything(choices: st.DataObject) -> None:
    name = choices.draw(st.sampled_from(sorted(FLOWS)))
    driver = drive(flow(FLOWS[name], log("last"))).start()
    for _ in range(choices.draw(st.integers(0, 6))):
        possible = pending(driver)
        if driver.ended or not possible:
            break
        one = choices.draw(st.sampled_from(possible))
        forget(driver, [one])
        driver.step(one)
    if driver.state.is_terminal:
        return
    killed_to_the_end(driver)


def killed_to_the_end(driver: Driver) -> None:
    """A kill, and everything that is told of it obeys."""
    control.kill(driver.flow, driver.execution, driver.now)
    driver.changed("kill")
    driver.timers.pop(("kill", ""), None)
    driver.child_state = State.KILLED
    while not driver.ended:
        told: list[Message] = [driver.report(job, State.KILLED) for job in driver.jobs]
        told += [driver.child_end(order) for order in driver.started if (order.parent_task_run or {})["wait"]]
        assert told, driver.states()
        forget(driver, told)
        driver.step(*told)
    assert (driver.state, driver.jobs) == (State.KILLED, [])
    assert all(run.state.is_terminal for run in driver.runs())
