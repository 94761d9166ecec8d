"""`manage.py check_invariants`: quiet about what is right, and each rule notices what breaks it."""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from executions import store
from executions.ids import to_uuid
from executions.state import Execution
from flows.definition.states import State
from tests.builders import an_execution

TABLES = "executions, task_runs, queues, dead_letters, timers, worker_jobs, concurrency_slots, service_instances"
OLD = "now() - interval '1 minute'"


@pytest.fixture
def connection(database: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute(f"TRUNCATE {TABLES}")
        yield opened
        opened.execute(f"TRUNCATE {TABLES}")


@pytest.fixture
def ended(connection: Any) -> Execution:
    """One that succeeded with one task run of one attempt."""
    execution = an_execution()
    store.create(connection, [execution])
    connection.execute("DELETE FROM queues WHERE NOT stream")
    connection.execute(
        "UPDATE executions SET state = 'SUCCESS', end_date = now(), histories = %s",
        [histories("CREATED", "RUNNING", "SUCCESS")],
    )
    connection.execute(
        "INSERT INTO task_runs (id, execution_id, task_id, state, histories, attempts, dynamic, memory, seq, version)"
        " VALUES (gen_random_uuid(), %s, 'one', 'SUCCESS', %s, %s, false, '{}', 0, 2)",
        [to_uuid(execution.id), histories("CREATED", "RUNNING", "SUCCESS"), '[{"state": "SUCCESS", "histories": []}]'],
    )
    return execution


def histories(*states: str) -> str:
    from executions.codec import dumps

    text = dumps([[state, f"2026-01-01T00:00:0{second}Z"] for second, state in enumerate(states)])
    return text.decode() if isinstance(text, bytes) else text


def check() -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("check_invariants", stdout=out)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    return code, out.getvalue()


def test_it_is_content_with_what_is_right(connection: Any, ended: Execution) -> None:
    code, text = check()
    assert code == 0 and "FAIL" not in text and text.count("ok") == 8


BREAKS = {
    "an end that comes twice": (
        'UPDATE executions SET histories = histories || \'[["SUCCESS", "2026-01-01T00:00:09Z"]]\'',
        "went from SUCCESS to SUCCESS",
    ),
    "time that goes back": (
        "UPDATE executions SET histories = jsonb_set(histories, '{2,1}', '\"2025-01-01T00:00:00Z\"')",
        "SUCCESS at 2025.* comes before RUNNING",
    ),
    "a task that goes on after its end": (
        "UPDATE task_runs SET histories = histories || '[[\"CREATED\", \"2026-01-01T00:00:09Z\"]]', state = 'CREATED'",
        "task one went from SUCCESS to CREATED",
    ),
    "a state that is not in the history": (
        "UPDATE executions SET state = 'FAILED'",
        "is FAILED, its history says SUCCESS",
    ),
    "an end without a date": ("UPDATE executions SET end_date = NULL", "end date is missing"),
    "an attempt that never ended": (
        "UPDATE task_runs SET attempts = jsonb_set(attempts, '{0,state}', '\"RUNNING\"')",
        "attempt 1 of 1 is RUNNING, the task is SUCCESS",
    ),
    "a task left open": (
        "UPDATE task_runs SET state = 'RUNNING', histories = histories - 2",
        "task one is RUNNING and nobody",
    ),
    "a slot that is not given back": (
        f"INSERT INTO concurrency_slots SELECT id, namespace, flow_id, true, {OLD} FROM executions",
        "holds a concurrency slot",
    ),
    "a message nobody takes": (
        "INSERT INTO queues (stream, type, execution_id, body, tries, created)"
        f" SELECT false, 'x', id, '{{}}', 0, {OLD} FROM executions",
        "message x waits for 60 s",
    ),
    "a timer that does not fire": (
        f"INSERT INTO timers (execution_id, kind, key, due, variables) SELECT id, 'retry', '', {OLD}, '{{}}' FROM executions",
        "timer retry is 60 s late",
    ),
    "an execution that nothing moves": (
        "UPDATE executions SET state = 'RUNNING', histories = histories - 2, end_date = NULL",
        "is RUNNING, and nothing of it is under way",
    ),
}


@pytest.mark.parametrize(("statement", "expected"), BREAKS.values(), ids=BREAKS.keys())
def test_it_notices(connection: Any, ended: Execution, statement: str, expected: str) -> None:
    connection.execute(statement)
    code, text = check()
    assert code == 1 and re.search(expected, text), text
    assert ended.id in text


def test_what_waits_for_its_turn_or_for_a_user_is_not_stuck(connection: Any, ended: Execution) -> None:
    for state in (State.QUEUED, State.PAUSED):
        connection.execute(
            "UPDATE executions SET state = %s, end_date = NULL, histories = %s", [state, histories("CREATED", state)]
        )
        assert check()[0] == 0
