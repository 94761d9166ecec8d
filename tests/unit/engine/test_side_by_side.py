"""Parallel and Dag: what runs at once, and what waits for what."""

import pytest

from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from tests.unit.engine.driver import Data, Driver, drive, fail, flow, log, parallel, run, task


def dag(*items: tuple[Data, list[str]], **more: object) -> Data:
    tasks = [{"task": one, "dependsOn": needs} for one, needs in items]
    return task("d", "flow.Dag", tasks=tasks, **more)


def open_tasks(driver: Driver) -> set[str]:
    return {job.context["taskrun"]["taskId"] for job in driver.jobs}


@pytest.mark.parametrize(("limit", "begun"), [(0, 3), (1, 1), (2, 2)])
def test_so_many_tasks_at_a_time(limit: int, begun: int) -> None:
    driver = drive(flow(parallel("p", log("a"), log("b"), log("c"), concurrent=limit))).start()
    assert len(driver.jobs) == begun
    most = begun
    while driver.work():
        most = max(most, len(driver.jobs))
    assert (most, driver.state) == (begun, "SUCCESS")


def test_a_dag_starts_a_task_when_all_it_needs_has_ended() -> None:
    text = flow(dag((log("a"), []), (log("b"), []), (log("c"), ["a", "b"]), (log("e"), ["a"])))
    driver = drive(text).start()
    assert open_tasks(driver) == {"a", "b"}
    driver.work()
    assert open_tasks(driver) == {"b", "e"}
    driver.work()
    assert open_tasks(driver) == {"e", "c"}
    assert driver.run().state == "SUCCESS"


def test_a_dag_with_a_limit_fills_free_places() -> None:
    text = flow(dag(*((log(name), []) for name in "abce"), (log("last"), ["a", "e"]), concurrent=2))
    driver = drive(text).start()
    order = [job.context["taskrun"]["taskId"] for job in driver.jobs]
    while driver.work():
        assert len(driver.jobs) <= 2
        order += [
            job.context["taskrun"]["taskId"] for job in driver.jobs if job.context["taskrun"]["taskId"] not in order
        ]
    assert (order, driver.state) == (["a", "b", "c", "e", "last"], "SUCCESS")


def test_a_dag_waits_for_an_end_whatever_it_is() -> None:
    driver = run(
        flow(dag((fail("a", allowFailure=True), []), (log("b", runIf="{{ false }}"), []), (log("c"), ["a", "b"])))
    )
    assert (driver.state, driver.only("c").state) == ("WARNING", "SUCCESS")


def test_nobody_waits_for_a_disabled_task() -> None:
    driver = run(flow(dag((log("a", disabled=True), []), (log("b"), ["a"]))))
    assert driver.states() == [("d", "SUCCESS"), ("b", "SUCCESS")]


def test_a_failure_in_a_dag_starts_nothing_more() -> None:
    driver = run(flow(dag((fail("a"), []), (log("b"), ["a"]), errors=[log("e")])))
    assert (driver.state, driver.states()) == ("FAILED", [("d", "FAILED"), ("a", "FAILED"), ("e", "SUCCESS")])


@pytest.mark.parametrize(
    ("needs", "message"),
    [(["b"], "d: Cyclic dependency detected: a, b"), (["x"], "d: Not existing task id in dependency: x")],
)
def test_impossible_dags_are_refused(needs: list[str], message: str) -> None:
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(flow(dag((log("a"), needs), (log("b"), ["a"]))))
    assert message in str(refused.value)
