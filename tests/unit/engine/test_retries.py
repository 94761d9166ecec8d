"""Retries: whose policy counts, how often and when, and as which behavior."""

from typing import Any

import pytest

from executions.state import Execution
from executions.transitions import effects as fx
from executions.transitions.retries import delay
from flows.definition.properties import Retry
from tests.unit.engine.driver import Data, Driver, drive, fail, flow, foreach, log, parallel, run, sequence, value

THREE: dict[str, Any] = {"type": "constant", "interval": "PT1S", "maxAttempt": 3}


def until_attempt(number: int, **more: Any) -> Data:
    """Fails until its so-manieth try."""
    return value("x", f"{{{{ taskrun.attemptsCount >= {number - 1} ? 'ok' : missing }}}}", **more)


def test_a_task_is_tried_until_it_works() -> None:
    driver = run(flow(until_attempt(3, retry=THREE)))
    run_ = driver.only("x")
    assert (driver.state, [attempt.state for attempt in run_.attempts]) == ("SUCCESS", ["FAILED", "FAILED", "SUCCESS"])
    assert driver.history(run_) == ["CREATED", "RUNNING"] + ["FAILED", "RETRYING", "CREATED", "RUNNING"] * 2 + [
        "SUCCESS"
    ]
    assert driver.history() == ["CREATED", "RUNNING"] + ["RETRYING", "RUNNING"] * 2 + ["SUCCESS"]


@pytest.mark.parametrize(
    ("text", "tries"),
    [
        (flow(fail("x", retry=THREE)), 3),
        (flow(sequence("s", fail("x"), retry=THREE)), 3),
        (flow(sequence("s", sequence("t", fail("x")), retry=THREE)), 3),
        (flow(sequence("s", fail("x", retry={**THREE, "maxAttempt": 2}), retry=THREE)), 2),
        (flow(foreach("f", ["a"], fail("x")), retry=THREE), 3),
        (flow(parallel("p", fail("x"), log("y"), retry=THREE)), 3),
        (flow(fail("x", allowFailure=True), retry=THREE), 1),
        (flow(fail("x"), retry={"type": "constant", "interval": "PT10S", "maxDuration": "PT25S"}), 3),
    ],
)
def test_whose_policy_counts(text: str, tries: int) -> None:
    assert len(run(text).only("x").attempts) == tries


def test_errors_run_when_the_last_try_has_failed() -> None:
    driver = drive(flow(fail("x", retry=THREE), errors=[log("e")])).start()
    driver.work()
    assert driver.runs("e") == [] and driver.state == "RETRYING"
    assert driver.run().only("e").state == "SUCCESS"


def test_a_success_at_the_second_try_may_warn() -> None:
    driver = run(flow(until_attempt(2, retry={**THREE, "warningOnRetry": True})))
    assert (driver.state, driver.only("x").state) == ("WARNING", "WARNING")


def test_what_runs_beside_a_retry_goes_on() -> None:
    driver = drive(flow(parallel("p", fail("x", retry=THREE), sequence("s", log("a"), log("b"))))).start()
    while driver.jobs:
        driver.work()
    assert (driver.only("x").state, driver.only("b").state) == ("RETRYING", "SUCCESS")


def retry(**properties: Any) -> Retry:
    return Retry.model_validate(properties)


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (retry(type="constant", interval="PT2S"), [2, 2, 2]),
        (retry(type="exponential", interval="PT1S", maxInterval="PT30S", delayFactor=3), [1, 3, 9, 27, 30]),
        (retry(type="exponential", interval="PT1S", maxInterval="PT5S"), [1, 2, 4, 5]),
    ],
)
def test_how_long_it_waits(policy: Retry, seconds: list[float]) -> None:
    assert [delay(policy, tries, "k").total_seconds() for tries in range(1, len(seconds) + 1)] == seconds


def test_a_random_delay_lies_between_its_limits() -> None:
    policy = retry(type="random", minInterval="PT1S", maxInterval="PT2S")
    found = [delay(policy, tries, key).total_seconds() for tries in range(1, 20) for key in "abc"]
    assert min(found) >= 1 and max(found) <= 2 and len(set(found)) > 10


def test_another_execution_takes_over() -> None:
    policy = {**THREE, "behavior": "CREATE_NEW_EXECUTION"}
    chain: list[Execution] = []
    driver = drive(flow(sequence("s", fail("x"), log("never")), retry=policy))
    for _ in range(3):
        driver.run()
        chain.append(driver.execution)
        copies = driver.of(fx.CopyExecution)
        if not copies:
            break
        copy: Execution = copies[0].execution
        assert copy.schedule_date is not None and copy.schedule_date > driver.now
        following = Driver(driver.flow, now=copy.schedule_date)
        following.execution = copy
        driver = following
    assert [one.state for one in chain] == ["RETRIED", "RETRIED", "FAILED"]
    assert [one.attempt_number for one in chain] == [1, 2, 3]
    assert {one.original_id or one.id for one in chain} == {chain[0].id}
    assert [one.parent_id for one in chain] == [None, chain[0].id, chain[1].id]
    assert [run_.state for run_ in chain[0].runs.values()] == ["RETRIED", "RETRIED"]


def test_a_worker_that_died_is_no_try() -> None:
    driver = drive(flow(log("x"))).start()
    for count in range(4):
        job = driver.jobs.pop()
        report = driver.report(job, error="WORKER_LOST")
        lost = type(report)(report.task_run_id, report.token, "KILLED", lost=True)
        driver.step(lost)
        assert driver.state == ("RUNNING" if count < 3 else "FAILED")
    assert [attempt.lost for attempt in driver.only("x").attempts] == [True] * 4
