"""jdbc.postgresql and jdbc.sqlite against real databases."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from executions.storage.site import current as storage
from executor.worker.process import Worker
from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from flows.tasks.jdbc.statements import for_psycopg, statements
from tests.integration.worker_support import Desk, run_claimed, run_one, wait


@pytest.fixture(scope="module")
def postgres(database: str) -> str:
    facts = conninfo_to_dict(database)
    return (
        f"url: 'jdbc:postgresql:///{facts['dbname']}?host={facts.get('host', 'localhost')}&port={facts['port']}', "
        f"username: {facts['user']}, password: '{facts.get('password', '')}'"
    )


def run(table: Desk, worker: Worker, kind: str, properties: str, **inputs: object) -> dict[str, Any]:
    return run_one(table, worker, f"- {{id: one, type: io.kestra.plugin.jdbc.{kind}, {properties}}}", **inputs)


# PostgreSQL.


def test_a_parameter_that_is_not_given_is_named(table: Desk, worker: Worker, postgres: str) -> None:
    properties = f"{postgres}, parameters: {{a: 1}}, sql: 'SELECT :a, :b::int'"
    error = run(table, worker, "postgresql.Query", properties)["error"]
    assert (error.partition("\n")[0], error.splitlines()[-1]) == (
        'syntax error at or near ":"',
        "The parameters have no `b`",
    )


def test_rows_come_as_outputs_with_their_types(table: Desk, worker: Worker, postgres: str) -> None:
    sql = "SELECT 1 AS n, 1.5::numeric AS d, 'a;b' AS t, null AS x, true AS b, DATE '2024-02-29' AS day, '{\"k\": [1]}'::jsonb AS j, ARRAY[1,2] AS l"
    result = run(
        table,
        worker,
        "postgresql.Query",
        f'{postgres}, fetchType: FETCH, sql: "{sql.replace(chr(34), chr(92) + chr(34))}"',
    )
    assert result["outputs"] == {
        "rows": [{"n": 1, "d": 1.5, "t": "a;b", "x": None, "b": True, "day": "2024-02-29", "j": {"k": [1]}, "l": [1, 2]}],
        "size": 1,
    }  # fmt: skip


def test_parameters_are_values_never_text(table: Desk, worker: Worker, postgres: str) -> None:
    hostile = "x'; DROP TABLE flows; --"
    result = run(
        table,
        worker,
        "postgresql.Query",
        f"{postgres}, fetchType: FETCH_ONE, parameters: {{who: '{{{{ inputs.who }}}}', n: 2}},"
        " sql: \"SELECT :who AS who, :n::int * 2 AS n, '100%' AS percent\"",
        who=hostile,
    )
    assert result["outputs"] == {"row": {"who": hostile, "n": 4, "percent": "100%"}, "size": 1}


def test_a_large_result_is_stored_as_ion(table: Desk, worker: Worker, postgres: str) -> None:
    result = run(
        table,
        worker,
        "postgresql.Query",
        f"{postgres}, fetchType: STORE, fetchSize: 100, sql: 'SELECT n FROM generate_series(1, 2500) n'",
    )
    assert result["outputs"]["size"] == 2500
    with storage().open(result["outputs"]["uri"]) as file:
        assert file.read().decode().splitlines()[:2] == ["{n:1}", "{n:2}"]


def test_queries_give_each_result_and_one_failure_undoes_all(table: Desk, worker: Worker, postgres: str) -> None:
    sql = "CREATE TABLE IF NOT EXISTS sql_test (n int); INSERT INTO sql_test VALUES (1) RETURNING n; SELECT count(*) AS c FROM sql_test"
    result = run(table, worker, "postgresql.Queries", f"{postgres}, fetchType: FETCH_ONE, sql: '{sql}'")
    assert result["outputs"]["outputs"] == [
        {"row": None, "size": 0},
        {"row": {"n": 1}, "size": 1},
        {"row": {"c": 1}, "size": 1},
    ]
    failing = "INSERT INTO sql_test VALUES (2); SELECT 1/0"
    result = run(table, worker, "postgresql.Queries", f"{postgres}, sql: '{failing}'")
    assert (result["state"], "division by zero" in result["error"]) == ("FAILED", True)
    assert table.value("SELECT count(*) FROM sql_test") == 1
    apart = run(table, worker, "postgresql.Queries", f"{postgres}, transaction: false, sql: '{failing}'")
    assert (apart["state"], table.value("SELECT count(*) FROM sql_test")) == ("FAILED", 2)
    table.connection.execute("DROP TABLE sql_test")


def test_a_wrong_password_and_a_wrong_url_fail_with_the_reason(table: Desk, worker: Worker, postgres: str) -> None:
    result = run(
        table,
        worker,
        "postgresql.Query",
        "url: 'jdbc:postgresql://127.0.0.1:1/x', username: u, password: p4ssw0rd, sql: SELECT 1",
    )
    assert "Cannot connect" in result["error"] and "p4ssw0rd" not in result["error"]
    assert (
        "must start with jdbc:postgresql:"
        in run(table, worker, "postgresql.Query", "url: 'mysql://x', sql: SELECT 1")["error"]
    )


def test_a_kill_cancels_the_running_statement(table: Desk, worker: Worker, postgres: str) -> None:
    table.define(f"- {{id: one, type: io.kestra.plugin.jdbc.postgresql.Query, {postgres}, sql: 'SELECT pg_sleep(60)'}}")
    (job,) = table.hand_out()
    thread = threading.Thread(target=run_claimed, args=[worker])
    thread.start()
    wait(lambda: table.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"))
    table.connection.execute("UPDATE worker_jobs SET kill = true WHERE id = %s", [job])
    table.connection.execute("SELECT pg_notify('celesta_kill', '')")
    assert table.result(6)["state"] == "KILLED"
    thread.join(5)
    assert not table.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    )


# SQLite.


def test_sqlite_works_on_a_file(table: Desk, worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, name TEXT, price REAL)")
        connection.execute("INSERT INTO orders VALUES (1, 'pen', 1.5), (2, 'ink', 4)")
    connection.close()
    result = run(
        table, worker, "sqlite.Query",
        f"url: 'jdbc:sqlite:{path}', fetchType: FETCH, parameters: {{least: 2}}, sql: 'SELECT id, name, price FROM orders WHERE price > :least'",
    )  # fmt: skip
    assert result["outputs"] == {"rows": [{"id": 2, "name": "ink", "price": 4.0}], "size": 1}


def test_sqlite_goes_from_storage_to_storage(table: Desk, worker: Worker) -> None:
    first = run(
        table,
        worker,
        "sqlite.Queries",
        "url: 'jdbc:sqlite:a.db', outputDbFile: true, sql: 'CREATE TABLE t (n); INSERT INTO t VALUES (7)'",
    )
    uri = first["outputs"]["databaseUri"]
    result = run(
        table,
        worker,
        "sqlite.Query",
        f"url: 'jdbc:sqlite:b.db', sqliteFile: '{uri}', fetchOne: true, sql: 'SELECT n FROM t'",
    )
    assert result["outputs"] == {"row": {"n": 7}, "size": 1}


@pytest.mark.parametrize("sql", ["ATTACH ''/tmp/celesta-x.db'' AS x", "VACUUM INTO ''/tmp/celesta-x.db''"])
def test_sqlite_opens_no_other_file(table: Desk, worker: Worker, sql: str) -> None:
    result = run(table, worker, "sqlite.Query", f"url: 'jdbc:sqlite::memory:', sql: '{sql}'")
    assert result["state"] == "FAILED"
    assert not Path("/tmp/celesta-x.db").exists()


@pytest.mark.parametrize("kind", ["postgresql.Query", "sqlite.Queries"])
def test_a_wrong_property_is_refused_when_the_flow_is_saved(kind: str) -> None:
    for properties, name in (("url: x", "sql"), ("url: x, sql: y, fetchKind: STORE", "fetchKind")):
        with pytest.raises(InvalidFlow, match=name):
            parse_flow(
                f"id: f\nnamespace: n\ntasks:\n- {{id: one, type: io.kestra.plugin.jdbc.{kind}, {properties}}}\n"
            )


def test_statements_are_cut_outside_of_quotes_and_comments() -> None:
    sql = "SELECT ';' ; -- one; two\n /* ; */ ;; SELECT $x$ a;b $x$, \";\", a::text, :p"
    assert statements(sql) == ["SELECT ';'", 'SELECT $x$ a;b $x$, ";", a::text, :p']
    assert for_psycopg("SELECT ':p', :p::int, :q, 5 % 2", {"p": 1}) == "SELECT ':p', %(p)s::int, :q, 5 %% 2"
