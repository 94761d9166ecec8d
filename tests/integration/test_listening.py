"""Flow triggers on the real queue and database: what is heard, started, remembered, and counted exactly once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.conf import settings

from executions import store, triggering
from executions.ids import new_id
from executions.models import TriggerRecord, TriggerWindow
from executions.starting import CORRELATION, Start, built
from executions.state import Execution
from executor.cache import StateCache
from executor.handlers import Handler
from executor.loops import Loop
from executor.perform import Outgoing
from executor.resolver import Resolver
from flows import catalog, listeners
from flows.definition.states import State

NS = "tests.listening"
TABLES = (
    "executions, task_runs, queues, logs, timers, worker_jobs, flows, triggers, trigger_windows, lineages,"
    " listener_version"
)
UPSTREAM = f"""\
id: {{id}}
namespace: {NS}
inputs:
  - {{{{id: word, type: STRING, defaults: hello}}}}
tasks:
  - id: only
    type: io.kestra.plugin.core.execution.SetVariables
    variables: {{{{heard: "{{{{{{{{ inputs.word }}}}}}}}"}}}}
outputs:
  - {{{{id: said, type: STRING, value: "{{{{{{{{ inputs.word }}}}}}}}"}}}}
"""
LISTENER = f"""\
id: listener
namespace: {NS}
inputs:
  - {{id: word, type: STRING}}
  - {{id: number, type: INT, defaults: 1}}
tasks:
  - {{id: only, type: io.kestra.plugin.core.execution.SetVariables, variables: {{a: b}}}}
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    labels: {{from: "{{{{ trigger.flowId }}}}"}}
"""
AFTER_A = (
    "    conditions: [{type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: tests.listening, flowId: a}]\n"
)
SAID = '    inputs: {word: "{{ trigger.outputs.said }} {{ outputs.nothing ?? inputs.word }}"}\n'
BOTH = (
    "    preconditions:\n      id: both\n      flows:\n"
    f"        - {{namespace: {NS}, flowId: a}}\n        - {{namespace: {NS}, flowId: b}}\n"
)


class House:
    """The executor's loop without its thread, and flows and executions to put in."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        handler = Handler(StateCache(), lambda: datetime.now(UTC))
        self.loop = Loop("test", handler, Resolver(), 0.025, None)

    def start(self, flow_id: str, **inputs: Any) -> Execution:
        flow = catalog.find(NS, flow_id)
        values = {"word": "hello", **inputs}
        execution = built(flow, Start(execution_id=new_id()), values, datetime.now(UTC))
        store.create(self.connection, [execution])
        self.connection.commit()
        return execution

    def settle(self) -> None:
        """Until no message is left that could be applied now."""
        while self.loop._turn():
            pass

    def ran(self, flow_id: str) -> list[Execution]:
        rows = self.connection.execute(
            "SELECT id FROM executions WHERE namespace = %s AND flow_id = %s ORDER BY start_date", [NS, flow_id]
        ).fetchall()
        found = [store.load(self.connection, store.base62_of(str(row[0]))) for row in rows]
        self.connection.rollback()
        return [one for one in found if one is not None]

    def logged(self) -> list[str]:
        rows = self.connection.execute("SELECT message FROM logs ORDER BY id").fetchall()
        self.connection.rollback()
        return [row[0] for row in rows]


@pytest.fixture
def house(database: str, django_db_blocker: Any) -> Iterator[House]:
    with django_db_blocker.unblock(), psycopg.connect(database) as connection:
        connection.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
        connection.commit()
        catalog.forget()
        listeners.forget()
        for name in ("a", "b"):
            catalog.save(UPSTREAM.format(id=name))
        made = House(connection)
        yield made
        made.loop._disconnect()
        connection.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
        connection.commit()
        catalog.forget()


def test_an_end_starts_the_listening_flow_with_inputs_from_its_outputs(house: House) -> None:
    catalog.save(LISTENER + AFTER_A + SAID)
    upstream = house.start("a", word="hi")
    house.start("b")
    house.settle()
    (heard,) = house.ran("listener")
    assert heard.state is State.SUCCESS
    assert heard.inputs == {"word": "hi hi", "number": 1}
    assert heard.trigger is not None and heard.trigger["id"] == "after"
    assert heard.trigger["variables"] == {
        "executionId": upstream.id,
        "namespace": NS,
        "flowId": "a",
        "flowRevision": 1,
        "state": "SUCCESS",
        "outputs": {"said": "hi"},
    }
    labels = {label["key"]: label["value"] for label in heard.labels}
    assert labels == {"from": "a", CORRELATION: upstream.id}
    assert heard.depth == 1
    row = TriggerRecord.objects.get(namespace=NS, flow_id="listener", trigger_id="after")
    assert row.last_date is not None and row.execution_id is None


def test_a_change_counts_once_though_its_handling_is_undone_and_done_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.save(LISTENER + AFTER_A + SAID)
    send = Outgoing.send
    broken: list[bool] = []

    def breaks_once(self: Outgoing, connection: Any) -> Any:
        done = send(self, connection)
        if any(one.flow_id == "listener" for one in self.creates) and not broken:
            broken.append(True)
            raise RuntimeError("after everything was written")
        return done

    monkeypatch.setattr(Outgoing, "send", breaks_once)
    house.start("a")
    house.settle()
    assert broken and len(house.ran("listener")) == 1
    assert house.connection.execute("SELECT sum(started) FROM lineages").fetchone() == (1,)


@pytest.mark.parametrize(("state", "times"), [("SUCCESS", 1), ("FAILED", 2)])
def test_a_trigger_is_switched_off_when_its_execution_ends_as_stopafter_says(
    house: House, state: str, times: int
) -> None:
    catalog.save(LISTENER + AFTER_A + SAID + f"    stopAfter: [{state}]\n")
    for _ in range(2):
        house.start("a")
        house.settle()
    assert len(house.ran("listener")) == times
    assert TriggerRecord.objects.get(flow_id="listener").disabled is (times == 1)
    assert ("Trigger `after` is switched off: its execution ended as SUCCESS" in house.logged()) is (times == 1)


def test_what_several_executions_must_meet_is_kept_between_them(house: House) -> None:
    catalog.save(LISTENER + BOTH + '    inputs: {word: "{{ trigger.outputs.said }}"}\n')
    house.start("a")
    house.start("a")
    house.settle()
    assert house.ran("listener") == []
    assert len(TriggerWindow.objects.get().met) == 1
    house.start("b", word="last")
    house.settle()
    (heard,) = house.ran("listener")
    assert heard.inputs["word"] == "last"
    assert TriggerWindow.objects.get().met == {}, "reset on success"
    house.start("b")
    house.settle()
    assert len(house.ran("listener")) == 1


def test_without_reset_each_further_execution_of_the_window_starts_one(house: House) -> None:
    catalog.save(LISTENER + BOTH + "      resetOnSuccess: false\n")
    for name in ("a", "b", "b", "a"):
        house.start(name)
        house.settle()
    assert len(house.ran("listener")) == 3


def test_a_window_goes_with_its_flow(house: House) -> None:
    catalog.save(LISTENER + BOTH)
    house.start("a")
    house.settle()
    catalog.delete(NS, "listener")
    assert not TriggerWindow.objects.exists() and not TriggerRecord.objects.exists()
    catalog.save(LISTENER + BOTH)
    house.start("b")
    house.settle()
    assert house.ran("listener") == []


def test_a_flow_saved_changed_or_deleted_is_heard_of_at_once(house: House) -> None:
    catalog.save(LISTENER + AFTER_A)
    house.start("a")
    house.settle()
    assert len(house.ran("listener")) == 1
    catalog.save(LISTENER + AFTER_A.replace("flowId: a", "flowId: b"))
    house.start("a")
    house.settle()
    assert len(house.ran("listener")) == 1
    house.start("b")
    house.settle()
    assert len(house.ran("listener")) == 2
    catalog.set_disabled(NS, "listener", True)
    house.start("b")
    house.settle()
    catalog.set_disabled(NS, "listener", False)
    assert triggering.switch(house.connection, (NS, "listener", "after"), is_disabled=True)
    house.connection.commit()
    house.start("b")
    house.settle()
    assert len(house.ran("listener")) == 2


def test_inputs_that_the_flow_refuses_make_a_failed_execution_that_says_so(house: House) -> None:
    catalog.save(LISTENER + AFTER_A + "    inputs: {number: many}\n")
    house.start("a")
    house.settle()
    (heard,) = house.ran("listener")
    assert heard.state is State.FAILED
    assert heard.error is not None and "number" in heard.error and "Trigger `after`" in heard.error


def test_outputs_that_a_heard_execution_heard_of_are_not_its_own(house: House) -> None:
    """A chain a, listener, second: the listener has no outputs, those of `a` do not reach the second."""
    catalog.save(LISTENER + AFTER_A + SAID)
    after = AFTER_A.replace("flowId: a", "flowId: listener")
    wanted = "    inputs: {word: \"{{ trigger.outputs.said ?? 'none' }} {{ trigger.flowId }}\"}\n"
    catalog.save((LISTENER + after + wanted).replace("id: listener\n", "id: second\n", 1))
    house.start("a", word="hi")
    house.settle()
    assert [one.inputs["word"] for one in house.ran("listener")] == ["hi hi"]
    assert [one.inputs["word"] for one in house.ran("second")] == ["none listener"]


def test_a_condition_that_cannot_be_evaluated_is_told_in_the_log_and_harms_nobody(house: House) -> None:
    catalog.save(
        LISTENER
        + "    conditions: [{type: io.kestra.plugin.core.condition.Expression, expression: '{{ nothing.here }}'}]\n"
    )
    upstream = house.start("a")
    house.settle()
    assert house.ran("listener") == []
    assert house.ran("a")[0].state is State.SUCCESS and house.ran("a")[0].id == upstream.id
    assert any("could not be evaluated" in message and "nothing" in message for message in house.logged())


def test_flows_that_start_each_other_end_at_the_depth_limit(house: House) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        condition = AFTER_A.replace("flowId: a", f"flowId: {other}")
        catalog.save((LISTENER + condition).replace("id: listener", f"id: {name}"))
    house.start("ping")
    house.settle()
    chain = [*house.ran("ping"), *house.ran("pong")]
    assert len(chain) == settings.CELESTA.depth_limit + 1
    assert any(f"{settings.CELESTA.depth_limit} deep" in message for message in house.logged())


def test_one_origin_starts_no_more_than_its_budget(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CELESTA", replace(settings.CELESTA, lineage_limit=5))
    for name in ("one", "two"):
        catalog.save((LISTENER + '    inputs: {word: "x"}\n').replace("id: listener", f"id: {name}"))
    house.start("a")
    house.settle()
    assert len(house.ran("one")) + len(house.ran("two")) == 5
    assert any("5 executions have come of" in message for message in house.logged())


def test_flows_that_call_each_other_end_at_the_depth_limit(house: House) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        call = f"{{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: {NS}, flowId: {other}}}"
        catalog.save(f"id: {name}\nnamespace: {NS}\ntasks: [{call}]\n")
    house.start("ping")
    house.settle()
    chain = [*house.ran("ping"), *house.ran("pong")]
    assert len(chain) == settings.CELESTA.depth_limit + 1
    assert {one.state for one in chain} == {State.FAILED}
    assert any("Recursion limit" in message for message in house.logged())


def test_an_execution_of_the_playground_is_not_heard(house: House) -> None:
    catalog.save(LISTENER + AFTER_A)
    flow = catalog.find(NS, "a")
    execution = built(flow, Start(kind="PLAYGROUND"), {"word": "x"}, datetime.now(UTC))
    store.create(house.connection, [execution])
    house.connection.commit()
    house.settle()
    assert house.ran("a")[0].state is State.SUCCESS
    assert house.ran("listener") == []
