"""Clocks that go back, workers that are lost late, and executions that go on for days."""

from dataclasses import replace
from datetime import timedelta

from executions.codec import dumps, loads
from executions.transitions import control
from flows.definition.parse import parse_flow
from flows.definition.states import State
from tests.unit.engine.driver import Driver


def driver(body: str) -> Driver:
    return Driver(parse_flow(f"id: f\nnamespace: n\n{body}", revision=1))


def test_a_clock_that_is_behind_moves_nothing_back() -> None:
    one = driver("tasks:\n  - {id: a, type: core.debug.Return, format: x}\n")
    one.execution.histories[0] = (State.CREATED, one.now + timedelta(hours=1))  # by a web process whose clock is ahead
    one.run()
    control.change_status(one.flow, one.execution, one.now - timedelta(hours=2), State.FAILED)
    control.restart(one.flow, one.execution, one.now, lambda: next(one.ids))
    dates = [date for _, date in one.execution.histories]
    assert dates == sorted(dates) and len(dates) == 5
    for run in one.runs():
        assert run.histories == sorted(run.histories, key=lambda entry: entry[1])


def test_a_lost_worker_is_replaced_after_the_end_too() -> None:
    one = driver(
        "tasks:\n  - {id: a, type: core.debug.Return, format: x}\n"
        "afterExecution:\n  - {id: late, type: core.debug.Return, format: y}\n"
    ).start()
    one.work()
    assert one.state is State.SUCCESS and not one.ended
    job = one.jobs.pop()
    one.step(replace(one.report(job, State.FAILED), lost=True))
    assert len(one.jobs) == 1, "it is run again elsewhere"
    one.run()
    assert one.only("late").state is State.SUCCESS and one.ended


def test_rounds_of_a_loop_leave_nothing_behind_in_memory() -> None:
    one = driver(
        """
tasks:
  - id: loop
    type: core.flow.LoopUntil
    condition: "{{ outputs.again.value == 'never' }}"
    checkFrequency: {interval: PT1S, maxIterations: 1000}
    tasks:
      - id: two
        type: core.flow.Sequential
        tasks:
          - {id: again, type: core.debug.Return, format: x}
"""
    ).start()

    def size() -> int:
        execution = one.execution
        indexes = (execution.by_parent, execution.open_children, execution.tally, execution.task_counts)
        return sum(len(index) for index in indexes)

    while one.timers == {}:
        one.work()
    first = size()
    for _ in range(20):
        one.fire()
        while one.timers == {}:
            one.work()
    assert size() == first


def test_states_of_tasks_travel_with_a_job_as_they_are() -> None:
    one = driver(
        "tasks:\n  - {id: a, type: core.debug.Return, format: x}\n"
        "  - {id: b, type: core.debug.Return, format: '{{ tasks.a.state }}'}\n"
    ).start()
    one.work()
    (job,) = one.jobs
    assert loads(dumps(job.context))["tasks"]["a"] == {"state": "SUCCESS"}
