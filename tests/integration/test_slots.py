"""Slots of concurrency limits: as many as the limit says, in the order of waiting, each at a moment of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from executions import slots, store
from executions.state import Execution
from flows.definition.states import State
from tests.builders import an_execution

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
FLOW = ("company.team", "a_flow")


def some_executions(connection: Any, number: int) -> list[Execution]:
    made = [an_execution() for _ in range(number)]
    store.create(connection, made)
    connection.execute("DELETE FROM queues")
    slots.hold(connection, [FLOW])
    return made


def granted(connection: Any) -> list[tuple[str, datetime]]:
    rows = connection.execute("SELECT execution_id, body->>'date' FROM queues WHERE type = 'slot.granted' ORDER BY id")
    return [(row[0].hex, datetime.fromisoformat(row[1])) for row in rows]


def test_slots_are_granted_up_to_the_limit_and_in_order_of_waiting(connection: Any) -> None:
    made = some_executions(connection, 5)
    answers = [slots.acquire(connection, each, 2, NOW, wait=True)[0] for each in made]
    assert answers == [True, True, False, False, False]
    assert slots.acquire(connection, made[0], 2, NOW, wait=True)[0], "asking twice is no second slot"
    assert slots.release(connection, made[1], 2, NOW) == 1
    assert [id_ for id_, _ in granted(connection)] == [store.hex_of(made[2].id)]
    assert slots.release(connection, made[3], 2, NOW) == 0, "one that waited took no slot"
    assert slots.release(connection, made[0], 2, NOW) == 1
    running = connection.execute("SELECT count(*) FROM concurrency_slots WHERE running").fetchone()
    assert running == (2,)


def test_every_answer_and_grant_is_later_than_all_before_even_by_clocks_that_differ(connection: Any) -> None:
    made = some_executions(connection, 6)
    clocks = [NOW, NOW - timedelta(seconds=2), NOW, NOW + timedelta(seconds=1), NOW, NOW]
    answers = [
        slots.acquire(connection, each, 1, clock, wait=True)[1] for each, clock in zip(made, clocks, strict=True)
    ]
    moments = [datetime.fromisoformat(answer) for answer in answers]
    made[0].move(State.RUNNING, moments[0])
    made[0].move(State.SUCCESS, NOW + timedelta(seconds=5))
    assert slots.release(connection, made[0], 4, NOW - timedelta(seconds=1)) == 4
    told = granted(connection)
    assert [id_ for id_, _ in told] == [store.hex_of(each.id) for each in made[1:5]]
    every = [*moments, made[0].histories[-1][1], *(moment for _, moment in told)]
    assert every == sorted(set(every))
    assert datetime.fromisoformat(slots.acquire(connection, made[5], 9, NOW, wait=True)[1]) > every[-1]


def test_slots_of_executions_that_are_over_are_found(connection: Any) -> None:
    [execution] = some_executions(connection, 1)
    slots.acquire(connection, execution, 1, NOW, wait=True)
    connection.execute("UPDATE concurrency_slots SET since = since - interval '1 hour'")
    assert slots.drop_orphans(connection) == []
    connection.execute("UPDATE executions SET state = 'KILLED'")
    assert slots.drop_orphans(connection) == [FLOW]
