"""A steady rate while another session holds an old snapshot: dead rows, sizes, latencies before, during and after."""

import time
from typing import TYPE_CHECKING, Any

import psycopg

from tests.benchmarks import report
from tests.benchmarks.measure import run_rate
from tests.benchmarks.product import Product

if TYPE_CHECKING:
    from tests.benchmarks.scenarios import Bench, Table

RATE = 50.0
_DEAD = """SELECT relname, n_dead_tup, pg_total_relation_size(relid) / 1024 FROM pg_stat_user_tables
WHERE relname IN ('queues', 'worker_jobs', 'executions', 'task_runs') ORDER BY 1"""


def measured(bench: "Bench") -> list["Table"]:
    """A sixth of the time without, four sixths with the snapshot held, a sixth after it was let go."""
    product, part = bench.product, max(4.0, bench.options.seconds / 6)
    bench.warm(product)
    rows = [_part(product, "before", part)]
    with psycopg.connect(product.conninfo, application_name="benchmark snapshot") as other:
        other.execute("SET idle_in_transaction_session_timeout = 0")
        other.commit()
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT count(*) FROM executions")
        rows += [_part(product, f"held, part {number}", part) for number in (1, 2, 3, 4)]
    time.sleep(12)  # autovacuum looks every ten seconds
    rows.append(_part(product, "after", part))
    return [("m. 50/s with an old snapshot held by another session", rows)]


def _part(product: Product, name: str, seconds: float) -> dict[str, Any]:
    figures = run_rate(product, RATE, int(RATE * seconds), by="python", follow=False)
    row: dict[str, Any] = {
        "part": name,
        "n": figures.count,
        "p50": round(figures.p50, 1),
        "p99": round(figures.p99, 1),
        "cpu_ms": round(figures.cpu_ms, 2),
    }
    with product.database() as connection:
        for table, dead, kilobytes in connection.execute(_DEAD):
            row |= {f"dead {table}": dead, f"kB {table}": kilobytes}
    report.progress(row)
    return row
