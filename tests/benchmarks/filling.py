"""Fills the database with finished executions, as the order flow leaves them."""

from tests.benchmarks.product import Product

BATCH = 100_000
_EXECUTIONS = """
INSERT INTO executions (id, namespace, flow_id, flow_revision, state, histories, version, inputs, labels, variables,
    outputs, original_id, depth, attempt_number, original_created, kind, deleted, memory, trimmed, start_date, end_date)
SELECT gen_random_uuid(), namespace, flow_id, flow_revision, state, histories, version, inputs, labels, variables,
    outputs, original_id, depth, attempt_number, original_created, kind, deleted, memory, trimmed,
    start_date - n * interval '1 s', end_date - n * interval '1 s'
FROM (SELECT * FROM executions WHERE flow_id = 'order' AND state = 'SUCCESS' ORDER BY id DESC LIMIT 1) AS model
CROSS JOIN generate_series(%(low)s::int, %(high)s::int) AS n"""
_RUNS = """
INSERT INTO task_runs (id, execution_id, task_id, value, iteration, state, histories, attempts, outputs, dynamic,
    memory, seq, version)
SELECT gen_random_uuid(), e.id, t.task_id, t.value, t.iteration, t.state, t.histories, t.attempts, t.outputs,
    t.dynamic, t.memory, t.seq, t.version
FROM executions e CROSS JOIN (SELECT * FROM task_runs WHERE execution_id = %(model)s) AS t
WHERE NOT EXISTS (SELECT FROM task_runs WHERE execution_id = e.id)"""


def fill(product: Product, rows: int) -> None:
    with product.database() as connection:
        connection.execute("SET synchronous_commit = off")
        model = connection.execute(
            "SELECT id FROM executions WHERE flow_id = 'order' AND state = 'SUCCESS' ORDER BY id DESC LIMIT 1"
        ).fetchone()
        assert model is not None
        for low in range(0, rows, BATCH):
            connection.execute(_EXECUTIONS, {"low": low + 1, "high": min(low + BATCH, rows)})
        connection.execute(_RUNS, {"model": model[0]})
        connection.execute("VACUUM ANALYZE executions")
        connection.execute("VACUUM ANALYZE task_runs")
        connection.execute("CHECKPOINT")
