"""The claim loop step by step, without threads of its own: what it must not overlook, and what must not hold it up."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection

from executions import actions, codec, store
from executions.ids import to_uuid
from executions.messages import ExecutionChanged, TaskFinished
from executions.queue import postgres as queue
from executor.cache import StateCache
from executor.handlers import Handler
from executor.helper import Helper
from executor.loops import Loop
from executor.resolver import HELD, THREADS, Resolver
from executor.telemetry import counters
from flows import catalog
from flows.definition.states import State
from tests.builders import an_execution
from tests.plant import eventually

ONE_TASK = """
id: one
namespace: claimed
tasks:
  - {id: only, type: core.debug.Return, format: x}
"""


@pytest.fixture
def loop(transactional_db: None) -> Iterator[Loop]:
    with django_connection.cursor() as cursor:
        cursor.execute("TRUNCATE executions, task_runs, queues, worker_jobs, logs, timers, flows, dead_letters")
    catalog.forget()
    catalog.save(ONE_TASK)
    resolver = Resolver()
    opened = Loop("stepped", Handler(StateCache(), lambda: datetime.now(UTC)), resolver, 0.025, None)
    yield opened
    opened._disconnect()
    resolver.stop()


@pytest.fixture
def other(loop: Loop) -> Iterator["psycopg.Connection[Any]"]:
    """Another executor's connection."""
    from django.conf import settings

    with psycopg.connect(settings.DATABASE_DIRECT_DSN) as connection:
        yield connection
        connection.rollback()


def rows(query: str, *parameters: Any) -> list[Any]:
    with django_connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def taken_ids(loop: Loop) -> set[str]:
    return {one.execution_id for one in loop._turn()}


def test_answers_for_one_execution_do_not_hide_the_backlog_of_others(loop: Loop) -> None:
    asking = actions.trigger("claimed", "one").id
    loop._turn()
    waiting = {execution.id for execution in actions.trigger_many("claimed", "one", [{}] * 150)}
    # Ids go on by far more than are looked at below the mark: a burst of other work.
    rows(
        "SELECT setval(pg_get_serial_sequence('queues', 'id'), nextval(pg_get_serial_sequence('queues', 'id')) + 5000)"
    )
    with django_connection.cursor():
        queue.publish(django_connection.connection, asking, ExecutionChanged("labels"))
    loop.deliver(asking, {})
    loop._full_look.put_off(3600)
    loop.mark = 0
    found = taken_ids(loop) | taken_ids(loop)
    assert waiting <= found, f"{len(waiting - found)} executions are overlooked until the next full look"


def test_thousands_of_messages_of_a_locked_execution_do_not_hide_the_others(
    loop: Loop, other: "psycopg.Connection[Any]"
) -> None:
    giant = actions.trigger("claimed", "one").id
    loop._turn()
    with django_connection.cursor():
        messages = [queue.work(giant, ExecutionChanged("labels")) for _ in range(queue.SCAN + 100)]
        queue.publish_all(django_connection.connection, messages)
    assert len(queue.claim_only(other, [giant])) == 1, "another loop is at it"
    small = actions.trigger("claimed", "one").id
    loop._full_look.ask()
    assert taken_ids(loop) == {small}


def finish(execution_id: str, task_id: str = "only") -> None:
    """What a worker would tell of a task."""
    with django_connection.cursor():
        connection = django_connection.connection
        execution = store.load(connection, execution_id)
        assert execution is not None
        run = execution.at(None, task_id)
        assert run is not None
        rows("DELETE FROM worker_jobs WHERE task_run_id = %s RETURNING id", store.hex_of(run.id))
        queue.publish(connection, execution_id, TaskFinished(run.id, run.attempts[-1].token))


def ended(loop: Loop, flow_id: str = "one") -> str:
    execution_id = actions.trigger("claimed", flow_id).id
    loop._turn()
    finish(execution_id)
    loop._turn()
    assert rows("SELECT state FROM executions") == [("SUCCESS",)]
    return execution_id


def test_the_last_hint_of_an_ended_execution_outlives_a_late_message(loop: Loop) -> None:
    execution_id = ended(loop)
    actions.set_labels(execution_id, {"late": "yes"})
    assert taken_ids(loop) == {execution_id}
    version = rows("SELECT version FROM executions")[0][0]
    hints = [codec.loads(body)["version"] for (body,) in rows("SELECT body::text FROM queues WHERE stream")]
    assert version in hints


def test_an_end_once_told_keeps_its_date(loop: Loop) -> None:
    catalog.save(f"{ONE_TASK}afterExecution:\n  - {{id: after, type: core.debug.Return, format: y}}\n")
    execution_id = ended(loop)
    told = rows("SELECT end_date, histories::text FROM executions")
    finish(execution_id, "after")
    assert taken_ids(loop) == {execution_id}
    assert rows("SELECT state FROM task_runs WHERE task_id = 'after'") == [("SUCCESS",)]
    assert rows("SELECT end_date, histories::text FROM executions") == told


def test_the_end_of_a_limited_execution_is_dated_before_the_start_that_it_allows(loop: Loop) -> None:
    catalog.save(f"{ONE_TASK}concurrency: {{limit: 1}}\n")
    first, second = (actions.trigger("claimed", "one").id for _ in range(2))
    taken_ids(loop)
    finish(first)
    while taken_ids(loop):
        pass
    found = rows("SELECT id, histories::text FROM executions")
    histories = {store.base62_of(str(row[0])): dict(store.loads(row[1])) for row in found}
    assert datetime.fromisoformat(histories[first]["SUCCESS"]) <= datetime.fromisoformat(histories[second]["RUNNING"])


def test_reasons_that_cannot_be_stored_as_they_are_stop_nobody(loop: Loop, other: "psycopg.Connection[Any]") -> None:
    execution = an_execution(state=State.RUNNING)
    store.create(other, [execution])
    ids = [row[0] for row in other.execute("SELECT id FROM queues WHERE NOT stream").fetchall()]
    queue.park(other, ids, "Traceback \x00 \ud800", "because \x00 \ud800")
    store.fail_hard(other, execution.id, "because \x00 \ud800")
    assert other.execute("SELECT error FROM executions").fetchone() == ("because \ufffd \ufffd",)


ASKING = """
id: asking
namespace: claimed
tasks:
  - {id: only, type: core.debug.Return, format: x, runIf: "{{ kv('slow', errorOnMissing=false) == null }}"}
"""


def test_questions_that_wait_for_their_turn_are_not_asked_twice(loop: Loop, other: "psycopg.Connection[Any]") -> None:
    catalog.save(ASKING)
    number = 2 * THREADS
    before = counters().get("questions_resolved", 0)
    other.execute("LOCK TABLE key_values")  # the first ones are slow, the others wait for them
    actions.trigger_many("claimed", "asking", [{}] * number)
    loop.thread.start()
    time.sleep(HELD + 1.0)  # messages that nobody held would be back, and their questions asked once more
    other.rollback()
    eventually(lambda: rows("SELECT count(*) FROM worker_jobs") == [(number,)], 20)
    loop.stop()
    loop.thread.join(10)
    assert counters()["questions_resolved"] - before == number


def test_a_broker_is_told_of_jobs_that_are_there(loop: Loop, other: "psycopg.Connection[Any]") -> None:
    seen: list[tuple[int, int]] = []

    def ring(jobs: Sequence[queue.Job]) -> None:
        row = other.execute("SELECT count(*) FROM worker_jobs").fetchone()
        other.rollback()
        seen.append((len(jobs), row[0] if row else 0))

    loop._ring = ring
    actions.trigger_many("claimed", "one", [{}] * 3)
    loop._turn()
    assert seen == [(3, 3)]


def test_an_execution_that_another_executor_is_at_is_left_to_it(loop: Loop, other: "psycopg.Connection[Any]") -> None:
    theirs = actions.trigger("claimed", "one").id
    assert [one.execution_id for one in queue.claim(other)] == [theirs]
    other.execute("SET LOCAL lock_timeout = '1s'")
    mine = actions.trigger("claimed", "one").id
    assert taken_ids(loop) == {mine}
    other.rollback()
    assert taken_ids(loop) == {theirs}


def test_nothing_runs_of_an_execution_that_had_to_be_failed_by_sql(
    loop: Loop, other: "psycopg.Connection[Any]"
) -> None:
    ids = [actions.trigger("claimed", "one").id for _ in range(2)]
    loop._turn()
    rows("UPDATE worker_jobs SET claimed_by = 'w' WHERE execution_id = %s RETURNING id", store.hex_of(ids[0]))
    for execution_id in ids:
        store.fail_hard(other, execution_id, "its flow cannot be read")
    other.commit()
    assert rows("SELECT execution_id, kill FROM worker_jobs") == [(to_uuid(ids[0]), True)]


def test_a_helper_passes_what_its_leader_has_passed(loop: Loop) -> None:
    helper = Helper(loop, "helper", loop._handler, loop._resolver, 0.025, None)
    loop._turn()
    helper._turn()
    actions.trigger_many("claimed", "one", [{}] * 3)
    loop._turn()
    helper._full_look.put_off(3600)
    assert helper._turn() == []
    assert helper.mark == loop.mark > 0
    helper._disconnect()
