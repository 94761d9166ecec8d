"""Every action on an execution in every state, over REST: what it makes of it, or the refusal and its reason."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executions import database, store
from executions.state import Execution
from executions.transitions import control
from flows.definition.states import State
from tests.builders import a_run, an_attempt, an_execution
from tests.integration.rest_support import Rest

NS = "tests.actions"
FLOW = f"""\
id: acted
namespace: {NS}
tasks:
  - id: first
    type: io.kestra.plugin.core.log.Log
    message: x
  - id: second
    type: io.kestra.plugin.core.execution.Fail
"""
# Rows: the state before. Cells: the state after (`=`: as before, `new`: another execution), or the status of a refusal.
TABLE = """
            kill     pause   resume     restart    replay replay-from force-run  unqueue  change-status set-state  labels  from-breakpoint
CREATED     KILLING  422     409        409        new    409         RUNNING    409      409           409        =       409
QUEUED      KILLING  422     409        409        new    409         RUNNING    RUNNING  409           409        =       409
RUNNING     KILLING  PAUSED  409        409        new    409         =          409      409           409        =       409
PAUSED      KILLING  422     RESTARTED  RESTARTED  new    409         RESTARTED  409      409           RESTARTED  =       409
BREAKPOINT  KILLING  422     RESTARTED  409        new    409         RESTARTED  409      409           409        =       RESTARTED
RESTARTED   KILLING  422     409        409        new    409         RUNNING    409      409           409        =       409
RETRYING    KILLING  PAUSED  409        409        new    409         =          409      409           409        =       409
KILLING     =        422     409        409        new    409         409        409      409           409        =       409
SUCCESS     409      422     409        422        new    new         409        409      WARNING       RESTARTED  =       409
WARNING     409      422     409        422        new    new         409        409      =             RESTARTED  =       409
FAILED      409      422     409        RESTARTED  new    new         409        409      WARNING       RESTARTED  =       409
KILLED      409      422     409        RESTARTED  new    new         409        409      WARNING       RESTARTED  =       409
CANCELLED   409      422     409        RESTARTED  new    new         409        409      WARNING       RESTARTED  =       409
RETRIED     409      422     409        RESTARTED  new    new         409        409      WARNING       RESTARTED  =       409
SKIPPED     409      422     409        409        new    new         409        409      409           422        =       409
"""
# What the second task's run is in while the execution is in a state; ended executions leave it as it ended.
SECOND = {
    State.PAUSED: State.SUCCESS,
    State.SUCCESS: State.SUCCESS,
    State.WARNING: State.WARNING,
    State.RETRYING: State.RETRYING,
    State.RUNNING: State.RUNNING,
    State.KILLING: State.KILLING,
}
UNBEGUN = {State.CREATED, State.QUEUED, State.SKIPPED}
Call = Callable[[Rest, str, str], Any]


def _post(path: str, body: Any = None) -> Call:
    return lambda rest, execution_id, run_id: rest.post(
        f"executions/{execution_id}/{path}".replace("{run}", run_id), _filled(body, run_id)
    )


def _filled(body: Any, run_id: str) -> Any:
    return {**body, "taskRunId": run_id} if isinstance(body, dict) else body


ACTIONS: dict[str, Call] = {
    "kill": lambda rest, execution_id, run_id: rest.delete(f"executions/{execution_id}/kill"),
    "pause": _post("pause"),
    "resume": _post("resume"),
    "restart": _post("restart"),
    "replay": _post("replay"),
    "replay-from": _post("replay?taskRunId={run}"),
    "force-run": _post("force-run"),
    "unqueue": _post("unqueue"),
    "change-status": _post("change-status?status=WARNING"),
    "set-state": _post("state", {"state": "SUCCESS"}),
    "labels": _post("labels", [{"key": "a", "value": "b"}]),
    "from-breakpoint": _post("resume-from-breakpoint"),
}


def column(action: str) -> dict[State, str]:
    """What the table says of an action; a state or action that it does not name fails here."""
    lines = TABLE.strip("\n").splitlines()
    names = lines[0].split()
    assert set(names) == set(ACTIONS)
    rows = {State(line.split()[0]): line.split()[1:] for line in lines[1:]}
    assert set(rows) == set(State)
    return {state: row[names.index(action)] for state, row in rows.items()}


def in_state(state: State) -> tuple[Execution, str]:
    """An execution of the flow as it may stand in this state, and the id of its last task run."""
    now = datetime.now(UTC) - timedelta(seconds=5)
    execution = an_execution(namespace=NS, flow_id="acted")
    connection = database.current()
    store.create(connection, [execution])
    run = a_run("first", State.SUCCESS)
    if state not in UNBEGUN:
        execution.add(run)
        run = execution.add(a_run("second", SECOND.get(state, State.FAILED), attempts=[an_attempt(State.FAILED)]))
    elif state is State.SKIPPED:
        execution.add(run)
    execution.state = state
    execution.histories += [(State.RUNNING, now), (state, now)]
    execution.changed = True
    store.save(connection, [execution])
    return execution, run.id


@pytest.fixture
def rest(admin: Rest) -> Rest:
    assert admin.post("flows", FLOW).status_code == 200
    return admin


def outcome(rest: Rest, action: str, state: State) -> str:
    """As the table writes it."""
    execution, run_id = in_state(state)
    answer = ACTIONS[action](rest, execution.id, run_id)
    after = rest.json(f"executions/{execution.id}")["state"]["current"]
    if answer.status_code >= 300:
        message = answer.json()["message"]
        assert message.startswith(("Illegal argument: ", "Illegal state: ")), message
        assert len(message) > len("Illegal argument: ") + 10, "a refusal says why"
        assert after == state, "a refusal changes nothing"
        return str(answer.status_code)
    if answer.content and answer.json()["id"] != execution.id:
        copy = rest.json(f"executions/{answer.json()['id']}")
        assert (copy["parentId"], copy["originalId"], after) == (execution.id, execution.id, state)
        return "new"
    return "=" if after == state else str(after)


@pytest.mark.parametrize("action", list(ACTIONS))
def test_an_action_does_in_each_state_what_the_table_says(rest: Rest, action: str) -> None:
    assert {state: outcome(rest, action, state) for state in State} == column(action)


def test_an_execution_is_deleted_in_any_state(rest: Rest) -> None:
    for state in State:
        execution, _ = in_state(state)
        assert rest.delete(f"executions/{execution.id}").status_code == 204, state
        assert rest.get(f"executions/{execution.id}").status_code == 404, state


def test_the_states_told_in_the_documents_are_those_of_the_table() -> None:
    told = {action: {state.value for state in states} for action, states in control.ACTS_IN.items()}
    names = TABLE.strip("\n").splitlines()[0].split()
    for action in told:
        index = names.index(action) + 1
        rows = [line.split() for line in TABLE.strip("\n").splitlines()[1:]]
        assert told[action] == {row[0] for row in rows if not row[index].isdigit()}, action


@pytest.mark.parametrize("action", ["kill", "pause", "resume", "restart", "force-run", "unqueue"])
def test_an_action_on_many_is_done_on_all_or_none(rest: Rest, action: str) -> None:
    """By ids and by query: one that cannot be acted on refuses the whole, and is named."""
    fit = {"kill": State.RUNNING, "pause": State.RUNNING, "resume": State.PAUSED, "restart": State.FAILED,
           "force-run": State.QUEUED, "unqueue": State.QUEUED}[action]  # fmt: skip
    unfit = State.SUCCESS
    method = "DELETE" if action == "kill" else "POST"
    fits = [in_state(fit)[0].id for _ in range(2)]
    other = in_state(unfit)[0].id
    refused = rest.call(method, f"executions/{action}/by-ids", [*fits, other])
    assert refused.status_code == 400, refused.content
    assert [item["invalidValue"] for item in refused.json()["invalids"]] == [other]
    assert refused.json()["message"] == f"invalid bulk {action}"
    assert {rest.json(f"executions/{one}")["state"]["current"] for one in fits} == {fit}
    query = f"namespace={NS}&state={fit}"
    done = rest.call(method, f"executions/{action}/by-query?{query}")
    assert (done.status_code, done.json()) == (200, {"count": 2}), done.content
    assert fit not in {rest.json(f"executions/{one}")["state"]["current"] for one in fits}


def test_unknown_ids_refuse_an_action_on_many(rest: Rest) -> None:
    known = in_state(State.RUNNING)[0].id
    refused = rest.call("DELETE", "executions/kill/by-ids", [known, "4uVnqbZ0bFKZ4bXkYF4mQv"])
    assert refused.status_code == 400
    assert refused.json()["invalids"][0]["message"] == "execution not found"
    assert rest.json(f"executions/{known}")["state"]["current"] == "RUNNING"


@pytest.mark.parametrize("task_run", ["unknownTaskId", "4uVnqbZ0bFKZ4bXkYF4mQv", "x" * 5000])
def test_an_unknown_task_run_is_refused(rest: Rest, task_run: str) -> None:
    execution, _ = in_state(State.FAILED)
    for answer in (
        rest.post(f"executions/{execution.id}/replay?taskRunId={task_run}"),
        rest.post(f"executions/{execution.id}/state", {"taskRunId": task_run, "state": "SUCCESS"}),
    ):
        assert answer.status_code == 422 and len(answer.json()["message"]) < 200
    assert "No task found" in rest.post(f"executions/{execution.id}/replay?taskRunId={task_run}").json()["message"]
