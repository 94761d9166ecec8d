"""What any queue backend must promise. Runs once per backend; there is no in-memory one."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import psycopg
import pytest

from executions import store
from executions.messages import ExecutionChanged, TaskFinished, TimerFired
from executions.queue import postgres
from tests.builders import an_execution

Connect = Callable[[], "psycopg.Connection[Any]"]
TABLES = "executions, task_runs, queues, dead_letters, timers, worker_jobs, payloads, service_instances"


@pytest.fixture(params=[postgres], ids=["postgres"])
def queue(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


@pytest.fixture
def connect(database: str) -> Iterator[Connect]:
    opened: list[psycopg.Connection[Any]] = []

    def open_() -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(database))
        return opened[-1]

    with psycopg.connect(database) as connection:
        connection.execute(f"TRUNCATE {TABLES}")
    yield open_
    for connection in opened:
        connection.close()


def created(connection: Any, number: int = 1) -> list[str]:
    """Ids of committed executions whose first message was taken already."""
    executions = [an_execution() for _ in range(number)]
    store.create(connection, executions)
    connection.execute("DELETE FROM queues")
    connection.commit()
    return [execution.id for execution in executions]


def types(claimed: list[Any]) -> list[list[str]]:
    return [[message.type for message in one.messages] for one in claimed]


def test_a_new_execution_comes_with_its_row_and_its_first_message(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    execution = an_execution(inputs={"a": 1})
    store.create(connection, [execution])
    connection.commit()
    [one] = queue.claim(connection)
    assert one.execution_id == execution.id
    assert one.row["inputs"] == {"a": 1}
    assert types([one]) == [["execution.created"]]


def test_what_a_rolled_back_transaction_published_is_never_seen(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, ExecutionChanged("pause"))
    connection.rollback()
    assert queue.claim(connection) == []


def test_claimed_messages_are_back_when_the_claiming_transaction_rolls_back(
    queue: ModuleType, connect: Connect
) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, ExecutionChanged("pause"))
    connection.commit()
    first = queue.claim(connection)
    connection.rollback()
    assert queue.claim(connection) == first != []


def test_claimed_messages_are_gone_when_the_claiming_transaction_commits(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, ExecutionChanged("pause"))
    connection.commit()
    assert len(queue.claim(connection)) == 1
    connection.commit()
    assert queue.claim(connection) == []


def test_all_messages_of_an_execution_come_together_and_in_order(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    one, other = created(connection, 2)
    for action in ("a", "b", "c"):
        for execution_id in (one, other):
            queue.publish(connection, execution_id, ExecutionChanged(action))
    connection.commit()
    claimed = queue.claim(connection)
    assert [[message.body["action"] for message in each.messages] for each in claimed] == [["a", "b", "c"]] * 2


def test_a_message_keeps_its_body_to_the_letter(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    outputs = {"text": "äöü \n\t\"'\\", "list": [1, 2.5, None, True], "deep": {"a": {"b": []}}}
    queue.publish(connection, execution_id, TaskFinished("r", "t", outputs=outputs))
    connection.commit()
    [one] = queue.claim(connection)
    assert one.messages[0].body["outputs"] == outputs


def test_two_claimers_never_hold_one_execution_at_once(queue: ModuleType, connect: Connect) -> None:
    first, second = connect(), connect()
    [execution_id] = created(first)
    queue.publish(first, execution_id, ExecutionChanged("a"))
    first.commit()
    assert len(queue.claim(first)) == 1
    with connect() as producer:
        queue.publish(producer, execution_id, ExecutionChanged("b"))
    assert queue.claim(second) == []
    second.rollback()
    first.commit()
    [one] = queue.claim(second)
    assert [message.body["action"] for message in one.messages] == ["b"]


def test_claimers_share_the_work_without_waiting(queue: ModuleType, connect: Connect) -> None:
    first, second = connect(), connect()
    ids = created(first, 150)
    for execution_id in ids:
        queue.publish(first, execution_id, ExecutionChanged("a"))
    first.commit()
    taken = [one.execution_id for one in queue.claim(first)]
    others = [one.execution_id for one in queue.claim(second)]
    assert len(taken) == queue.BATCH
    assert sorted(taken + others) == sorted(ids)


def test_a_message_that_commits_after_later_ones_is_not_passed_over(queue: ModuleType, connect: Connect) -> None:
    slow, fast = connect(), connect()
    late, soon = created(fast, 2)
    queue.publish(slow, late, ExecutionChanged("late"))
    queue.publish(fast, soon, ExecutionChanged("soon"))
    fast.commit()
    [one] = queue.claim(fast)
    fast.commit()
    highest = one.messages[-1].id
    slow.commit()
    [found] = queue.claim(fast, max(highest - queue.LATE, 0))
    assert found.execution_id == late


def test_a_postponed_message_waits_and_those_beside_it_do_not(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, ExecutionChanged("bad"))
    queue.publish(connection, execution_id, ExecutionChanged("good"))
    connection.commit()
    [one] = queue.claim(connection)
    connection.rollback()
    assert queue.postpone(connection, [one.messages[0].id], 60.0) == 1
    connection.commit()
    [again] = queue.claim(connection)
    assert [message.body["action"] for message in again.messages] == ["good"]
    connection.commit()
    queue.postpone(connection, [one.messages[0].id], -1.0)
    connection.commit()
    [due] = queue.claim(connection)
    assert [(message.body["action"], message.tries) for message in due.messages] == [("bad", 2)]


def test_messages_put_back_are_the_same_and_hidden_for_a_while(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, TimerFired("k", "x", {"a": [1]}))
    connection.commit()
    first = queue.claim(connection)
    queue.put_back(connection, first, 60.0)
    connection.commit()
    assert queue.claim(connection) == []
    [again] = queue.claim_only(connection, [execution_id])
    assert again.messages == first[0].messages


def test_one_message_of_many_can_be_taken_alone(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    for action in ("a", "b", "c"):
        queue.publish(connection, execution_id, ExecutionChanged(action))
    connection.commit()
    [whole] = queue.claim(connection)
    connection.rollback()
    [one] = queue.claim_only(connection, [execution_id], [whole.messages[1].id])
    assert [message.body["action"] for message in one.messages] == ["b"]


def test_a_parked_message_is_kept_and_its_execution_is_told(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, execution_id, ExecutionChanged("bad"))
    connection.commit()
    [one] = queue.claim(connection)
    connection.rollback()
    queue.park(connection, [one.messages[0].id], "Traceback ...", "the reason")
    connection.commit()
    letters = connection.execute("SELECT id, type, body, error FROM dead_letters").fetchall()
    assert letters[0][1:] == ("execution.changed", {"action": "bad"}, "Traceback ...")
    [told] = queue.claim(connection)
    assert [(message.type, message.body) for message in told.messages] == [
        ("execution.poisoned", {"reason": "the reason"})
    ]
    connection.commit()
    assert queue.redrive(connection, [letters[0][0]]) == 1
    connection.commit()
    assert types(queue.claim(connection)) == [["execution.changed"]]


def test_messages_of_executions_that_do_not_exist_are_parked(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    queue.publish(connection, an_execution().id, ExecutionChanged("lost"))
    queue.publish(connection, execution_id, ExecutionChanged("kept"))
    connection.commit()
    assert queue.park_strays(connection, 60.0) == 0
    assert queue.park_strays(connection, 0.0) == 1
    connection.commit()
    assert queue.oldest_work(connection)[0] == 1


def test_a_purge_takes_hints_and_leaves_work(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    execution = an_execution()
    store.create(connection, [execution])
    queue.publish(connection, execution.id, ExecutionChanged("later"))
    queue.purge(connection, [execution.id])
    queue.publish_all(connection, [store.hint(execution)])
    connection.commit()
    rows = connection.execute("SELECT stream, type FROM queues ORDER BY id").fetchall()
    assert sorted(rows) == [(False, "execution.changed"), (False, "execution.created"), (True, "execution")]


def test_a_purge_takes_the_timers_of_what_ended(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    ended, going_on = created(connection, 2)
    timers = [
        {"execution_id": store.hex_of(id_), "kind": "sla", "key": "0", "due": "2999-01-01T00:00:00Z", "variables": {}}
        for id_ in (ended, going_on)
    ]
    queue.set_timers(connection, timers)
    queue.purge(connection, [ended])
    connection.commit()
    rows = connection.execute("SELECT execution_id FROM timers").fetchall()
    assert [row[0].hex for row in rows] == [store.hex_of(going_on)]


def test_a_notification_arrives_with_the_commit_and_not_before(queue: ModuleType, connect: Connect) -> None:
    listener, connection = connect(), connect()
    listener.autocommit = True
    listener.execute(f"LISTEN {queue.WORK}")
    queue.notify(connection, queue.WORK)
    assert list(listener.notifies(timeout=0.1, stop_after=1)) == []
    connection.commit()
    assert [n.channel for n in listener.notifies(timeout=5, stop_after=1)] == [queue.WORK]
    queue.notify(connection, queue.WORK)
    connection.rollback()
    assert list(listener.notifies(timeout=0.1, stop_after=1)) == []


def test_timers_fire_once_when_due_and_replaced_ones_do_not(queue: ModuleType, connect: Connect) -> None:
    connection = connect()
    [execution_id] = created(connection)
    key = {"execution_id": store.hex_of(execution_id), "variables": {}}

    def timer(kind: str, due: str) -> dict[str, Any]:
        return {**key, "kind": kind, "key": "", "due": due}

    queue.set_timers(connection, [timer("late", "2000-01-01T00:00:00Z")])
    queue.set_timers(connection, [timer("late", "2999-01-01T00:00:00Z"), timer("due", "2000-01-01T00:00:00Z")])
    connection.commit()
    assert queue.fire_timers(connection) == 1
    connection.commit()
    assert queue.fire_timers(connection) == 0
    [one] = queue.claim(connection)
    assert [message.body["kind"] for message in one.messages] == ["due"]
    seconds = queue.seconds_to_next_timer(connection)
    assert seconds is not None and seconds > 1_000_000
