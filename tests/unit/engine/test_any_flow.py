"""Any flow whatever, in any order of events: it comes to an end, counts right, and can be restarted and replayed."""

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions.messages import ExecutionChanged
from executions.state import Execution
from executions.transitions import control
from executions.transitions import effects as fx
from flows.definition.parse import parse_flow
from flows.definition.states import State
from tests.unit.engine.driver import Data, Driver, fail, flow, log, task
from tests.unit.engine.test_any_order import forget, killed_to_the_end, pending

RETRY = {"type": "constant", "interval": "PT1S", "maxAttempt": 2}
FIRST_TRY = "{{ taskrun.attemptsCount == 0 }}"
LEAVES: list[Data] = [
    log("x"),
    log("x", runIf="{{ false }}"),
    log("x", disabled=True),
    fail("x"),
    fail("x", condition=FIRST_TRY),
    fail("x", allowFailure=True),
    fail("x", condition=FIRST_TRY, retry=RETRY),
    log("x", message="{{ missing }}"),
    task("x", "execution.Labels", labels={"k": "v"}),
    task("x", "flow.Pause", delay="PT1S"),
    task("x", "flow.Pause", delay="PT1S", behavior="WARN"),
    task("x", "flow.Subflow", namespace="n", flowId="child"),
    task("x", "execution.Exit", state="WARNING"),
]


def leaf() -> st.SearchStrategy[Data]:
    return st.sampled_from(LEAVES).map(dict)


def around(inner: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    some = st.lists(inner, min_size=1, max_size=3)

    def listed(type_name: str, **more: Any) -> st.SearchStrategy[Data]:
        extras = {"errors": st.lists(leaf(), max_size=1), "finally": st.lists(leaf(), max_size=1)}
        fixed = {"tasks": some, **{key: st.just(item) for key, item in more.items()}}
        return st.fixed_dictionaries(fixed, optional=extras).map(lambda found: task("x", type_name, **found))

    return st.one_of(
        listed("flow.Sequential"),
        listed("flow.Parallel"),
        listed("flow.Parallel", concurrent=1),
        listed("flow.AllowFailure"),
        listed("flow.ForEach", values=["a", "b", "c"], concurrencyLimit=0),
        listed("flow.ForEach", values=["a", "b", "c"], concurrencyLimit=2),
        listed("flow.ForEach", values=["a", "b"]),
        listed("flow.ForEach", values=[]),
        listed("flow.Loop", values=["a", "a"], concurrencyLimit=0),
        listed("flow.LoopUntil", condition="{{ true }}"),
        some.map(lambda found: task("x", "flow.If", condition="{{ true }}", then=found)),
        some.map(lambda found: task("x", "flow.Switch", value="a", cases={"a": found})),
        st.lists(inner, min_size=1, max_size=4).map(
            lambda found: task(
                "x", "flow.Dag", tasks=[{"task": one, "after": number} for number, one in enumerate(found)]
            )
        ),
    )


TASKS = st.lists(st.recursive(leaf(), around, max_leaves=6), min_size=1, max_size=3)


def numbered(value: Any, ids: Any) -> Any:
    """Every task gets an id of its own; the tasks of a Dag depend on the one before, every other."""
    if isinstance(value, list):
        return [numbered(item, ids) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: numbered(item, ids) for key, item in value.items()}
    if found.get("type", "").endswith("Dag"):
        names = [item["task"]["id"] for item in found["tasks"]]
        found["tasks"] = [
            {"task": item["task"], "dependsOn": names[max(number - 1, 0) : number] if number % 2 else []}
            for number, item in enumerate(found["tasks"])
        ]
    return {**found, "id": f"t{next(ids)}"} if "type" in found and "id" in found else found


def played(driver: Driver, choices: st.DataObject, steps: int = 1_000) -> Driver:
    """Everything that can happen happens, in a random order."""
    for _ in range(steps):
        possible = pending(driver)
        if driver.ended or not possible:
            break
        one = possible[choices.draw(st.integers(0, len(possible) - 1))]
        forget(driver, [one])
        driver.step(one)
    return driver


def check(driver: Driver) -> None:
    execution = driver.execution
    assert (driver.ended, driver.jobs) == (True, []), f"{driver.states()} of\n{driver.flow.source}"
    assert driver.state.is_terminal and driver.state is not State.RETRIED
    assert all(run.state.is_terminal for run in driver.runs()), driver.states()
    assert not any(execution.open_children.values())
    counted: dict[Any, dict[State, int]] = {}
    for run in driver.runs():
        states = counted.setdefault(run.parent_id, {})
        states[run.state] = states.get(run.state, 0) + 1
        assert run.parent_id is None or run.parent_id in execution.runs
    for parent, states in execution.tally.items():
        assert {state: number for state, number in states.items() if number} == counted.get(parent, {})
    places = [(run.parent_id, run.task_id, run.value) for run in driver.runs()]
    assert len(places) == len(set(places)), "a task ran twice at one place"


def begun(driver: Driver) -> Driver:
    driver.step(ExecutionChanged())
    return driver


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(tasks=TASKS, errors=st.lists(leaf(), max_size=1), last=st.lists(leaf(), max_size=1), choices=st.data())
def test_any_flow_ends_and_can_be_restarted_and_replayed(
    tasks: list[Data], errors: list[Data], last: list[Data], choices: st.DataObject
) -> None:
    ids = itertools.count()
    text = flow(*numbered(tasks, ids), errors=numbered(errors, ids), **{"finally": numbered(last, ids)})
    driver = Driver(parse_flow(text), child_state=choices.draw(st.sampled_from([State.SUCCESS, State.FAILED])))
    check(played(driver.start(), choices))
    runs = driver.runs()
    if runs:
        run = choices.draw(st.sampled_from(runs))
        new_id = driver.ids.__next__
        (effect,) = control.replay(driver.flow, driver.execution, driver.now, new_id, task_run_id=run.id).effects
        assert isinstance(effect, fx.CopyExecution)
        copy: Execution = effect.execution
        again = Driver(driver.flow, now=driver.now, child_state=State.SUCCESS)
        again.ids, again.execution = driver.ids, copy
        check(played(begun(again), choices))
    if driver.state is State.FAILED:
        control.restart(driver.flow, driver.execution, driver.now, driver.ids.__next__)
        driver.child_state = State.SUCCESS
        check(played(begun(driver), choices))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(tasks=TASKS, choices=st.data())
def test_a_pause_by_hand_at_any_moment_loses_nothing(tasks: list[Data], choices: st.DataObject) -> None:
    driver = Driver(parse_flow(flow(*numbered(tasks, itertools.count())))).start()
    played(driver, choices, steps=choices.draw(st.integers(0, 8)))
    if driver.state not in control.PAUSABLE:
        return
    control.pause(driver.flow, driver.execution, driver.now)
    begun(driver)
    played(driver, choices, steps=choices.draw(st.integers(0, 8)))
    while driver.state in control.RESUMABLE:
        control.resume(driver.flow, driver.execution, driver.now)
        begun(driver)
    check(played(driver, choices))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(tasks=TASKS, errors=st.lists(leaf(), max_size=1), choices=st.data())
def test_a_kill_at_any_moment_ends_any_flow(tasks: list[Data], errors: list[Data], choices: st.DataObject) -> None:
    ids = itertools.count()
    driver = Driver(parse_flow(flow(*numbered(tasks, ids), errors=numbered(errors, ids)))).start()
    played(driver, choices, steps=choices.draw(st.integers(0, 10)))
    if driver.state in control.KILLABLE:
        killed_to_the_end(driver)
    check(played(driver, choices))
