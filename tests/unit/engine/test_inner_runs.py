"""Task runs that a job makes itself (in a WorkingDirectory): seen while it runs, closed with it, told twice and counted once."""

from typing import Any

import pytest

from executions.messages import TaskFinished, TaskStarted, iso
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.states import State
from tests.unit.engine.driver import Driver, drive, flow, log, task

INNER = "0000000000000000000abc"


def working(**more: Any) -> Driver:
    folder = task("wd", "flow.WorkingDirectory", tasks=[log("a"), log("b")], **more)
    return drive(flow(folder, log("z"))).start()


def inner(driver: Driver, *states: str, **more: Any) -> dict[str, Any]:
    date = iso(driver.now)
    histories = [[state, date] for state in ("CREATED", "RUNNING", *states)]
    attempt = {"token": "inner", "state": histories[-1][0], "histories": histories}
    return {
        "id": INNER,
        "task_id": "a",
        "state": histories[-1][0],
        "histories": histories,
        "attempts": [attempt],
        **more,
    }


def begun(driver: Driver, *children: dict[str, Any]) -> fx.RunTask:
    job = driver.jobs.pop()
    driver.step(TaskStarted(job.task_run_id, job.token, iso(driver.now), "w", list(children)))
    return job


def ended(driver: Driver, job: fx.RunTask, state: str, *children: dict[str, Any], lost: bool = False) -> None:
    date = iso(driver.now)
    message = TaskFinished(job.task_run_id, job.token, state, date, date, "w", lost=lost, children=list(children))
    driver.step(message)


def test_a_task_inside_is_there_while_it_runs_and_ends_with_what_is_told_of_it() -> None:
    driver = working()
    job = begun(driver, inner(driver))
    assert driver.states() == [("wd", "RUNNING"), ("a", "RUNNING")]
    assert driver.only("a").parent_id == driver.only("wd").id
    driver.step(TaskStarted(job.task_run_id, job.token, iso(driver.now), "w", [inner(driver, "SUCCESS")]))
    assert driver.states() == [("wd", "RUNNING"), ("a", "SUCCESS")]
    ended(driver, job, "SUCCESS", inner(driver, "SUCCESS", outputs={"x": 1}))
    assert driver.history(driver.only("a")) == ["CREATED", "RUNNING", "SUCCESS"]
    assert driver.run().state == "SUCCESS"


def test_old_news_of_a_task_inside_change_nothing() -> None:
    driver = working()
    job = begun(driver, inner(driver, "SUCCESS", outputs={"x": 1}))
    driver.step(TaskStarted(job.task_run_id, job.token, iso(driver.now), "w", [inner(driver)]))
    ended(driver, job, "SUCCESS", inner(driver, "FAILED"))
    driver.step(TaskStarted(job.task_run_id, job.token, iso(driver.now), "w", [inner(driver, id="0" * 22)]))
    assert (driver.only("a").state, driver.only("a").outputs) == ("SUCCESS", {"x": 1})
    assert driver.run().state == "SUCCESS"


def test_what_its_job_does_not_tell_the_end_of_is_closed_with_it() -> None:
    driver = working(**{"finally": [log("f")]})
    job = begun(driver, inner(driver))
    ended(driver, job, "FAILED")
    assert (driver.only("a").state, driver.only("a").attempts[-1].state) == ("FAILED", "FAILED")
    assert (driver.run().state, driver.only("f").state) == ("FAILED", "SUCCESS")


def test_a_lost_job_takes_the_tasks_inside_with_it() -> None:
    driver = working()
    ended(driver, begun(driver, inner(driver)), "FAILED", lost=True)
    assert driver.states() == [("wd", "CREATED")]
    assert not driver.execution.open_children.get(driver.only("wd").id)


@pytest.mark.parametrize(("told", "state"), [("SUCCESS", "SUCCESS"), ("FAILED", "KILLED"), ("", "KILLED")])
def test_a_kill_ends_the_tasks_inside(told: str, state: str) -> None:
    driver = working()
    job = begun(driver, inner(driver))
    control.kill(driver.flow, driver.execution, driver.now)
    driver.changed("kill")
    assert driver.state is State.KILLING
    ended(driver, job, "KILLED", *([inner(driver, told)] if told else []))
    assert (driver.state, driver.only("a").state, driver.only("wd").state) == ("KILLED", state, "KILLED")
    assert not any(driver.execution.open_children.values())
