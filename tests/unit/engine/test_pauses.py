"""Pause: by itself, for a while, with questions for who resumes it; and the pause of a whole execution by hand."""

from datetime import timedelta
from typing import Any

import pytest

from executions.transitions import control
from tests.unit.engine.driver import Driver, drive, fail, flow, foreach, log, parallel, task, value


def pause(task_id: str = "p", **more: Any) -> dict[str, Any]:
    return task(task_id, "flow.Pause", **more)


def resumed(driver: Driver, **options: Any) -> Driver:
    control.resume(driver.flow, driver.execution, driver.now, **options)
    driver.changed("resume")
    return driver


def test_it_waits_for_a_user_then_its_tasks_run() -> None:
    driver = drive(flow(pause(tasks=[log("inner")]), log("z"))).start()
    assert (driver.state, driver.states(), driver.timers) == ("PAUSED", [("p", "PAUSED")], {})
    resumed(driver).run()
    assert driver.history() == ["CREATED", "RUNNING", "PAUSED", "RESTARTED", "RUNNING", "SUCCESS"]
    assert driver.history(driver.only("p")) == ["CREATED", "RUNNING", "PAUSED", "RUNNING", "SUCCESS"]
    assert [task_id for task_id, _ in driver.states()] == ["p", "inner", "z"]


def test_a_resume_refuses_what_is_not_paused() -> None:
    driver = drive(flow(pause())).start()
    resumed(driver).run()
    with pytest.raises(control.Refused):
        control.resume(driver.flow, driver.execution, driver.now)


def test_what_the_user_answers_is_an_output() -> None:
    driver = drive(flow(pause(onResume=[{"id": "why", "type": "STRING"}]), value("z", "{{ outputs.p.onResume.why }}")))
    resumed(driver.start(), inputs={"why": "because"}).run()
    assert driver.only("z").outputs == {"value": "because"}


def test_its_outputs_tell_who_resumed_it_and_when() -> None:
    driver = drive(flow(pause(), value("z", "{{ outputs.p.resumed.by }}"))).start()
    moment = driver.now.isoformat().replace("+00:00", "Z")
    resumed(driver, by="ann").run()
    assert driver.only("p").outputs == {"resumed": {"by": "ann", "on": moment, "to": "RUNNING"}}
    assert driver.only("z").outputs == {"value": "ann"}


@pytest.mark.parametrize("told", [log("tell"), fail("tell"), log("tell", disabled=True)])
@pytest.mark.parametrize("inner", [[], [log("a"), log("b")]])
def test_onpause_runs_while_it_waits_and_decides_nothing(told: dict[str, Any], inner: list[dict[str, Any]]) -> None:
    driver = drive(flow(pause(onPause=told, tasks=inner), log("z"))).start()
    driver.work()
    assert (driver.state, driver.only("p").state) == ("PAUSED", "PAUSED")
    assert [run.state.is_terminal for run in driver.runs("tell")] == ([] if told.get("disabled") else [True])
    resumed(driver).run()
    assert (driver.state, driver.only("p").state) == ("SUCCESS", "SUCCESS")
    assert [run.task_id for run in driver.runs() if run.task_id != "tell"] == ["p", *(t["id"] for t in inner), "z"]


def test_a_resume_before_onpause_has_ended_waits_for_it() -> None:
    driver = drive(flow(pause(onPause=log("tell")), log("z"))).start()
    resumed(driver)
    assert [job.context["task"]["id"] for job in driver.jobs] == ["tell"]
    assert driver.run().state == "SUCCESS"


ENDINGS: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    "a duration resumes": ({"pauseDuration": "PT5S"}, "SUCCESS", "SUCCESS", True),
    "so does its older name": ({"delay": "PT5S"}, "SUCCESS", "SUCCESS", True),
    "as a template": ({"delay": "{{ inputs.delay }}"}, "SUCCESS", "SUCCESS", True),
    "a timeout fails": ({"timeout": "PT5S"}, "FAILED", "FAILED", False),
    "an allowed timeout warns": ({"timeout": "PT5S", "allowFailure": True}, "WARNING", "WARNING", True),
    "behavior WARN": ({"pauseDuration": "PT5S", "behavior": "WARN"}, "WARNING", "WARNING", True),
    "behavior FAIL": ({"pauseDuration": "PT5S", "behavior": "FAIL"}, "FAILED", "FAILED", False),
    "behavior CANCEL": ({"pauseDuration": "PT5S", "behavior": "CANCEL"}, "CANCELLED", "CANCELLED", False),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_end_of_its_time(name: str) -> None:
    properties, state, run_state, goes_on = ENDINGS[name]
    driver = drive(flow(pause(**properties), log("z")), {"delay": "PT5S"}).start()
    paused_at = driver.now
    assert (driver.state, list(driver.timers.values())) == ("PAUSED", [paused_at + timedelta(seconds=5)])
    driver.run()
    assert (driver.state, driver.only("p").state, bool(driver.runs("z"))) == (state, run_state, goes_on)
    assert "PAUSED" in driver.history(driver.only("p"))


def test_a_resume_before_the_time_forgets_the_timer() -> None:
    driver = drive(flow(pause(pauseDuration="PT5S", behavior="FAIL"), log("z"))).start()
    resumed(driver).run()
    assert driver.state == "SUCCESS"


def test_several_pauses_go_on_when_all_are_over() -> None:
    driver = drive(flow(foreach("f", ["a", "b"], pause(), log("x"), concurrencyLimit=0))).start()
    resumed(driver)
    assert (driver.state, driver.runs("x")) == ("PAUSED", [])
    resumed(driver).run()
    assert (driver.state, len(driver.runs("x"))) == ("SUCCESS", 2)


def test_what_runs_beside_a_pause_ends_but_nothing_starts() -> None:
    driver = drive(flow(parallel("side", pause("p"), {**log("a")}), log("z"))).start()
    driver.work()
    assert (driver.state, driver.only("a").state, driver.jobs) == ("PAUSED", "SUCCESS", [])
    assert resumed(driver).run().state == "SUCCESS"


def test_a_failure_behind_a_pause_restarts_there() -> None:
    driver = drive(flow(pause(tasks=[fail("x", condition="{{ taskrun.attemptsCount == 0 }}")]))).start()
    resumed(driver).run()
    assert (driver.state, driver.only("p").state) == ("FAILED", "FAILED")
    control.restart(driver.flow, driver.execution, driver.now, lambda: next(driver.ids))
    assert (driver.only("p").state, driver.only("x").state) == ("RUNNING", "RESTARTED")
    driver.changed("restart")
    driver.run()
    assert (driver.state, driver.history(driver.only("p")).count("PAUSED")) == ("SUCCESS", 1)


def test_a_pause_by_hand_starts_nothing_and_goes_on_where_it_was() -> None:
    driver = drive(flow(log("a"), log("b"))).start()
    control.pause(driver.flow, driver.execution, driver.now)
    driver.changed("pause")
    driver.work()
    assert (driver.state, driver.states()) == ("PAUSED", [("a", "SUCCESS")])
    assert resumed(driver).run().states() == [("a", "SUCCESS"), ("b", "SUCCESS")]
