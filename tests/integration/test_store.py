"""Rows to aggregates and back, and that a save never overwrites somebody else's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executions import codec, store
from executions.queue import postgres as queue
from executions.state import Execution
from executor.cache import StateCache, obtain
from flows.definition.states import State
from tests.builders import a_run, an_attempt, an_execution

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def stored(connection: Any, execution: Execution) -> Execution:
    found = store.load(connection, execution.id)
    assert found is not None
    return found


def started(connection: Any, runs: int = 1) -> Execution:
    execution = an_execution()
    store.create(connection, [execution])
    execution.move(State.RUNNING, NOW + timedelta(days=365))
    for number in range(runs):
        execution.add(a_run(f"task{number}"))
    store.save(connection, [execution])
    store.settle(execution)
    connection.commit()
    return execution


def test_an_execution_is_read_back_as_it_was_stored(connection: Any) -> None:
    execution = an_execution(
        inputs={"text": "ä", "number": 1.5, "none": None},
        labels=[{"key": "a", "value": "b"}],
        variables={"x": [1]},
        trigger={"id": "t", "type": "T", "variables": {}},
        schedule_date=NOW,
        depth=3,
        original_created=NOW,
        memory={"slot": True},
        parent_task_run={"executionId": an_execution().id, "taskRunId": "r"},
    )
    store.create(connection, [execution])
    run = execution.add(a_run("t", value="1", iteration=0, outputs={"value": [1]}, memory={"m": 1}))
    run.attempts.append(an_attempt())
    child = execution.add(a_run("u", parent_id=run.id))
    execution.move(State.RUNNING, execution.histories[0][1])
    store.save(connection, [execution])
    store.settle(execution)
    found = stored(connection, execution)
    assert found == execution
    assert found.by_parent == {None: [run.id], run.id: [child.id]}
    assert found.open_children == {None: 1, run.id: 1}


def test_only_touched_runs_are_written_with_the_version_of_the_step(connection: Any) -> None:
    execution = started(connection, runs=3)
    second = list(execution.runs.values())[1]
    execution.move_run(second, State.RUNNING, NOW + timedelta(days=400))
    store.save(connection, [execution])
    versions = connection.execute("SELECT task_id, version FROM task_runs ORDER BY seq").fetchall()
    assert versions == [("task0", 2), ("task1", 3), ("task2", 2)]
    changes = store.changes_since(connection, execution.id, 2)
    assert changes is not None
    assert [run.task_id for run in changes.runs] == ["task1"]


def test_a_save_of_a_stale_copy_is_refused(connection: Any) -> None:
    execution = started(connection)
    mine, theirs = stored(connection, execution), stored(connection, execution)
    theirs.labels = [{"key": "a", "value": "b"}]
    store.save(connection, [theirs])
    with pytest.raises(store.StaleVersion):
        store.save(connection, [mine])


def test_a_stale_copy_in_memory_is_refreshed_with_what_changed(connection: Any) -> None:
    execution = started(connection, runs=2)
    copy, theirs = stored(connection, execution), stored(connection, execution)
    first = next(iter(theirs.runs.values()))
    theirs.move_run(first, State.RUNNING, NOW)
    theirs.move_run(first, State.SUCCESS, NOW)
    theirs.add(a_run("new", parent_id=first.id))
    store.save(connection, [theirs])
    [fresh] = store.read_scalars(connection, [execution.id])
    store.refresh(connection, [(copy, fresh)])
    store.settle(theirs)
    for each in (copy, theirs):  # a state that no run is in any more may be counted as 0
        each.tally = {parent: {s: n for s, n in states.items() if n} for parent, states in each.tally.items()}
    assert copy == theirs == stored(connection, execution)


def test_removed_runs_force_other_processes_to_read_anew(connection: Any) -> None:
    execution = started(connection, runs=3)
    cache = StateCache()
    cache.put(stored(connection, execution))
    execution.remove(list(execution.runs.values())[1])
    store.save(connection, [execution])
    store.settle(execution)
    queue.publish_all(
        connection, [{"type": "execution.changed", "execution_id": store.hex_of(execution.id), "body": {}}]
    )
    claimed = queue.claim_only(connection, [execution.id])
    without_row = [queue.Claimed(one.execution_id, one.version, one.trimmed, None, one.messages) for one in claimed]
    found = obtain(connection, without_row, cache)[execution.id]
    assert [run.task_id for run in found.runs.values()] == ["task0", "task2"]
    assert found.version == execution.version


def test_a_current_copy_is_taken_from_memory_without_a_query(connection: Any) -> None:
    execution = started(connection)
    cache = StateCache()
    cache.put(execution)
    one = queue.Claimed(execution.id, execution.version, 0, None, ())
    assert obtain(connection, [one], cache)[execution.id] is execution
    assert cache.take(execution.id) is None, "who took it owns it"


def test_the_cache_keeps_the_newer_copy_and_drops_the_oldest() -> None:
    cache = StateCache(max_executions=2)
    old, newer = an_execution(), an_execution()
    newer.id, newer.version = old.id, 5
    cache.put(newer)
    cache.put(old)
    assert cache.take(old.id) is newer
    kept = [an_execution() for _ in range(3)]
    for execution in kept:
        cache.put(execution)
    assert cache.take(kept[0].id) is None
    assert cache.take(kept[2].id) is kept[2]


def test_what_postgresql_refuses_is_stored_replaced(connection: Any) -> None:
    nasty = {
        "nul": "a\x00b",
        "surrogate": "x\ud800y",
        "nan": float("nan"),
        "inf": float("inf"),
        "big": 10**30,
    }
    execution = an_execution(inputs=nasty)
    store.create(connection, [execution])
    found = stored(connection, execution).inputs
    assert found["nul"] == "a\ufffdb"
    assert found["nan"] is None and found["inf"] is None
    assert found["surrogate"].startswith("x") and found["surrogate"].endswith("y")
    assert found["big"] == pytest.approx(10**30)


def test_data_nested_without_end_is_refused_with_a_reason() -> None:
    cyclic: list[Any] = ["\ud800"]
    cyclic.append(cyclic)
    with pytest.raises(ValueError, match="nested deeper"):
        codec.dumps(cyclic)


def test_a_create_with_task_runs_stores_them_too(connection: Any) -> None:
    execution = an_execution()
    execution.add(a_run("a", State.SUCCESS))
    store.create(connection, [execution])
    assert [run.task_id for run in stored(connection, execution).runs.values()] == ["a"]


def test_an_execution_that_cannot_be_loaded_is_ended_by_sql(connection: Any) -> None:
    execution = started(connection)
    connection.execute("UPDATE executions SET histories = '{\"broken\": 1}'")
    store.fail_hard(connection, execution.id, "the reason")
    row = connection.execute("SELECT state, error, end_date IS NOT NULL FROM executions").fetchone()
    assert row == ("FAILED", "the reason", True)
    assert connection.execute("SELECT state FROM task_runs").fetchall() == [("FAILED",)]
    hints = connection.execute("SELECT body->>'state' FROM queues WHERE stream").fetchall()
    assert hints == [("FAILED",)]
