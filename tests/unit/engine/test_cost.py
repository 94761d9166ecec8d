"""What one result costs does not grow with the number of task runs: counted in calls, not in seconds."""

import sys
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import pytest

from executions.messages import TaskFinished
from executions.transitions.effects import RunTask
from flows.definition.states import State
from tests.unit.engine.driver import Data, Driver, drive, flow, foreach, log, parallel, task


def calls_of(work: Callable[[], Any]) -> int:
    """Python function calls made by it: the same on every machine."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def begun(tasks: Data, count: int) -> Driver:
    """A loop of so many values, two tasks each, half of all done."""
    driver = drive(flow(tasks)).start()
    while len(driver.runs()) < count:
        reports = [driver.report(job) for job in islice(driver.jobs, 500)]
        del driver.jobs[:500]
        assert reports
        driver.step(*reports)
    return driver


def report(driver: Driver, job: RunTask) -> None:
    driver.step(driver.report(job))


SHAPES: dict[str, Callable[[int], Data]] = {
    "all values at once": lambda n: foreach(
        "f", f"{{{{ range(1, {n // 2}) }}}}", log("a"), log("b"), concurrencyLimit=0
    ),
    "ten values at a time": lambda n: foreach("f", f"{{{{ range(1, {n}) }}}}", log("a"), log("b"), concurrencyLimit=10),
    "one value at a time": lambda n: foreach("f", f"{{{{ range(1, {n}) }}}}", log("a"), log("b")),
    "a loop of 2.0": lambda n: task(
        "f", "flow.Loop", values=f"{{{{ range(1, {n}) }}}}", concurrencyLimit=10, tasks=[log("a"), log("b")]
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_result_costs_the_same_among_100_and_10000_task_runs(shape: str) -> None:
    costs = []
    for count in (100, 10_000):
        driver = begun(SHAPES[shape](count), count // 2)
        found = [calls_of(partial(report, driver, job)) for job in list(driver.jobs)[:5]]
        costs.append(max(found))
    assert costs[1] <= costs[0] * 1.2, costs


def test_200_parallel_tasks_that_finish_at_once_are_joined_exactly_once() -> None:
    driver = drive(flow(parallel("p", *(log(f"t{n}") for n in range(200))), log("last"))).start()
    reports = [driver.report(job) for job in driver.jobs]
    driver.jobs.clear()
    driver.step(*reports, *reversed(reports))
    assert len(driver.dropped) == 200
    assert [job.context["taskrun"]["taskId"] for job in driver.jobs] == ["last"]
    assert driver.only("p").state == State.SUCCESS
    assert sum(run.state is State.SUCCESS for run in driver.runs()) == 201


@pytest.mark.parametrize("size", [1, 7, 200])
def test_joining_in_any_batches_is_the_same(size: int) -> None:
    driver = drive(flow(parallel("p", *(log(f"t{n}") for n in range(200))), log("last"))).start()
    reports: list[TaskFinished] = [driver.report(job) for job in driver.jobs]
    driver.jobs.clear()
    for start in range(0, len(reports), size):
        driver.step(*reports[start : start + size])
    assert [job.context["taskrun"]["taskId"] for job in driver.jobs] == ["last"]
