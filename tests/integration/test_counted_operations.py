"""What an execution costs, counted instead of timed: statements, rows written, scans, jobs' payloads."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection

from executions import actions
from executor.cache import StateCache
from executor.clock import Clock
from executor.handlers import Handler
from executor.loops import Loop
from executor.resolver import Resolver
from executor.worker.flusher import SQL
from executor.worker.process import Worker
from flows import catalog

ORDER = """
id: order
namespace: counted
inputs:
  - {id: order, type: JSON}
  - {id: unused, type: STRING, defaults: "%s"}
tasks:
  - id: transform
    type: io.kestra.plugin.transform.jsonata.TransformValue
    from: "{{ inputs.order }}"
    expression: '{"id": id, "total": $sum(items.price)}'
  - id: hello
    type: io.kestra.plugin.core.output.OutputValues
    values:
      log: "{{ outputs.transform.value }}"
""" % ("never named by any task " * 20)
EACH = """
id: each
namespace: counted
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.ForEach
    values: [%s]
    concurrencyLimit: 0
    tasks:
      - {id: leaf, type: io.kestra.plugin.core.debug.Return, format: "{{ taskrun.value }}"}
"""
ONE_BY_ONE = """
id: one-by-one
namespace: counted
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.ForEach
    values: [%s]
    tasks:
      - {id: leaf, type: io.kestra.plugin.core.debug.Return, format: "{{ taskrun.value }}"}
"""
LONG = 300
HOT = ("executions", "task_runs", "queues", "worker_jobs")


class House:
    """A loop and a worker without threads of their own: each step is taken by the test, so that counts are exact."""

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.loop = Loop("counted", Handler(StateCache(), Clock().now), self.resolver, 0.025, None)
        self.worker = Worker(["default"], 400)
        self.worker.identity.start()
        self.statements: Counter[str] = Counter()
        self.part = "other"

    def run(self, count: int, flow_id: str = "order") -> None:
        """Create, then go on in lockstep until nothing is left."""
        inputs = [
            {"order": {"id": n, "items": [{"price": n}, {"price": 1}]}} if flow_id == "order" else {}
            for n in range(count)
        ]
        self.part = "create"
        actions.trigger_many("counted", flow_id, inputs)
        while self._step():
            pass

    def _step(self) -> bool:
        self.part = "executor"
        taken = self.loop._turn()
        self.part = "worker"
        self.worker.feed._announced = True  # the notification, which a worker would wait for
        jobs = self.worker.feed.next_jobs(["default"], 0.0)
        self.worker.run_named([(job.id, None) for job in jobs])
        reports = []
        with suppress(Empty):
            while True:
                reports.append(self.worker.flusher._queue.get_nowait())
        self.worker.flusher._write_until_stored([report for report in reports if report is not None])
        self.part = "other"
        return bool(taken or jobs)

    def close(self) -> None:
        self.loop._disconnect()
        self.resolver.stop()
        self.worker.stop()


@pytest.fixture
def house(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with django_connection.cursor() as cursor:  # what other modules left would be counted, or keep dead rows in the way
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND (state LIKE 'idle in transaction%' OR backend_xmin IS NOT NULL)"
        )
        cursor.execute("TRUNCATE executions, task_runs, queues, worker_jobs, logs, payloads, timers, flows")
    for source in (ORDER, EACH % ",".join(map(str, range(100))), ONE_BY_ONE % ",".join(map(str, range(LONG)))):
        catalog.save(source)
    opened, mine = House(), threading.get_ident()
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if threading.get_ident() == mine:
            opened.statements[opened.part] += 1
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    yield opened
    opened.close()


@pytest.fixture
def rows_written(transactional_db: None) -> Iterator[Any]:
    """Counts each row inserted, updated or deleted, by triggers on the hot tables."""
    with django_connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION count_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM nextval('counted_' || TG_TABLE_NAME || '_' || lower(TG_OP)); RETURN NULL; END $$"
        )
        for table in (*HOT, "logs", "payloads"):
            for operation in ("insert", "update", "delete"):
                cursor.execute(f"CREATE SEQUENCE counted_{table}_{operation}")
            cursor.execute(
                f"CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION count_row()"
            )

    def counts() -> dict[str, int]:
        with django_connection.cursor() as cursor:
            cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE sequencename LIKE 'counted_%'")
            return {name.removeprefix("counted_"): number for name, number in cursor.fetchall() if number}

    yield counts
    with django_connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION count_row() CASCADE")
        for table in (*HOT, "logs", "payloads"):
            for operation in ("insert", "update", "delete"):
                cursor.execute(f"DROP SEQUENCE counted_{table}_{operation}")


def ended(state: str = "SUCCESS") -> int:
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM executions WHERE state = %s", [state])
        row = cursor.fetchone()
    return int(row[0])


def test_a_batch_of_eighty_takes_as_many_statements_as_one_execution(house: House) -> None:
    house.run(1)  # flows are parsed, connections opened, statements prepared
    counted = []
    for number in (1, 80):
        house.statements.clear()
        house.run(number)
        counted.append(dict(house.statements))
    assert ended() == 82
    one, many = counted
    assert many["executor"] <= one["executor"] + 1, "the once-a-second full look may fall into it"
    assert many["worker"] <= one["worker"] + 2
    assert one["executor"] <= 18, "three steps and an empty claim"
    assert one["worker"] <= 8


def test_rows_written_for_one_execution(house: House, rows_written: Any) -> None:
    house.run(1)
    before = rows_written()
    house.run(20)
    after = rows_written()
    spent = {name: (after[name] - before.get(name, 0)) / 20 for name in after}
    assert ended() == 21
    assert spent == {
        "executions_insert": 1,
        "executions_update": 3,
        "task_runs_insert": 2,
        "task_runs_update": 2,
        "worker_jobs_insert": 2,
        "worker_jobs_update": 2,  # claims
        "worker_jobs_delete": 2,
        # created, two results, four hints; all but the last hint are gone at the end
        "queues_insert": 7,
        "queues_delete": 6,
    }


def test_a_result_writes_its_own_task_run_only(house: House, rows_written: Any) -> None:
    house.run(1, "each")
    spent = rows_written()
    assert ended() == 1
    assert spent["task_runs_insert"] == 101
    assert spent["task_runs_update"] <= 2 * 101, "each leaf once with its result, the loop with each batch at most"
    assert spent["executions_update"] <= 10, "once for each batch, not for each result"


def test_looking_in_vain_keeps_the_prepared_statements(house: House) -> None:
    house.run(1)
    house.loop._turn()
    connection = house.loop._connection
    assert connection is not None
    names = {row[0] for row in connection.execute("SELECT statement FROM pg_prepared_statements")}
    assert len(names) >= 5, "psycopg forgets them with each rollback"


def test_a_job_carries_what_its_templates_name_and_nothing_else(house: House) -> None:
    actions.trigger_many("counted", "order", [{"order": {"id": 1, "items": []}}])
    house.loop._turn()
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT payload::text FROM worker_jobs")
        (payload,) = cursor.fetchone()
    assert '"items"' in payload
    assert "never named" not in payload


def test_no_hot_table_is_scanned_from_end_to_end_when_it_is_large(house: House) -> None:
    house.run(1)
    with django_connection.cursor() as cursor:
        for statement in _FILL:
            cursor.execute(statement)
        cursor.execute("ANALYZE executions, task_runs, queues, worker_jobs")
    house.loop._disconnect()
    house.worker.claims.connection.lost()
    house.worker.flusher._connection.lost()
    before = _scans()
    house.run(30)
    house.close()  # a connection tells its statistics when it ends
    scanned = {table: number - before[table] for table, number in _scans().items() if number > before[table]}
    assert scanned == {}
    assert ended() >= 31


def test_a_step_of_a_long_execution_does_not_walk_through_what_earlier_steps_left(house: House) -> None:
    house.run(1)
    for full_look in (house.loop._full_look, house.worker.feed._full_look):
        full_look.put_off(3600)  # those walk through everything, and come by the clock
    before = _looked_at()
    house.run(1, "one-by-one")
    house.close()
    spent = {name: (number - before[name]) / LONG for name, number in _looked_at().items()}
    assert ended() == 2
    assert spent["queues rows"] <= 6, "the hints of an execution are not in the way of its work"


def test_results_find_their_jobs_by_key_past_no_dead_row(house: House) -> None:
    house.run(1)
    nothing = dict.fromkeys(("results", "started", "logs", "metrics"), "[]")
    connection = house.worker.flusher._connection.get()
    plan = "\n".join(str(row[0]) for row in connection.execute("EXPLAIN " + SQL["finish"], nothing))
    assert "Seq Scan on worker_jobs" not in plan
    assert plan.count("Index Cond: (id = ANY") >= 2, plan


def _looked_at() -> dict[str, int]:
    """Rows fetched by an index."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT relname || ' rows', idx_tup_fetch FROM pg_stat_user_tables")
        return {name: int(number or 0) for name, number in cursor.fetchall()}


_FILL = (
    "CREATE TEMP TABLE model AS SELECT * FROM executions LIMIT 1",
    "INSERT INTO executions SELECT (jsonb_populate_record(m, jsonb_build_object('id', gen_random_uuid()))).*"
    " FROM model m, generate_series(1, 20000)",
    "INSERT INTO task_runs (id, execution_id, task_id, state, histories, attempts, dynamic, memory, seq, version)"
    " SELECT gen_random_uuid(), e.id, 'transform', 'SUCCESS', '[]', '[]', false, '{}', 1, 2 FROM executions e",
    "INSERT INTO queues (stream, type, execution_id, body, tries, created)"
    " SELECT true, 'execution', e.id, '{}', 0, now() FROM executions e",
    "INSERT INTO worker_jobs (queue, execution_id, task_run_id, token, task_type, light, payload, claim, deaths, kill,"
    " created) SELECT 'elsewhere', e.id, gen_random_uuid(), gen_random_uuid(), 't', true, '{}', 0, 0, false, now()"
    " FROM executions e",
    "DROP TABLE model",
)


def _scans() -> dict[str, int]:
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY(%s)", [list(HOT)])
        return dict(cursor.fetchall())
