"""One measurement: load from the generator's process, every end and every output checked, latencies and costs."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from executions.ids import to_base62, to_uuid
from tests.benchmarks.documents import is_summary_of, order
from tests.benchmarks.flows import ORDER
from tests.benchmarks.follower import Follower
from tests.benchmarks.product import ROOT, Product

END_SECONDS = 120.0
_OPEN = "SELECT count(*) FROM executions WHERE state <> ALL(ARRAY['CANCELLED','FAILED','KILLED','RETRIED','SKIPPED','SUCCESS','WARNING'])"
_ENDS = """SELECT e.id, e.state, extract(epoch FROM e.end_date)::float8, t.outputs
FROM executions e LEFT JOIN task_runs t ON t.execution_id = e.id AND t.task_id = 'hello' WHERE e.id = ANY(%s)"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Latencies in ms, from the due time to the recorded end; `last` is that of the execution due last."""

    by: str
    asked: float
    reached: float  # executions per second, from the first due time to the last end
    count: int
    p50: float
    p95: float
    p99: float
    max: float
    last: float
    answer_p50: float  # due time to the answer of the create call
    answer_p99: float
    seen_p50: float  # how much later than recorded a follower reads the end
    seen_p99: float
    cpu_ms: float  # CPU of all processes with PostgreSQL, per execution
    cpu_parts: dict[str, float]

    def row(self) -> dict[str, Any]:
        return asdict(self)


class Wrong(Exception):
    """An execution did not end as it must: no figure is worth anything."""


_next_number = [1]


def run_rate(
    product: Product, rate: float, count: int, *, by: str, kilobytes: float = 1.6, batch: int = 200, follow: bool = True
) -> Figures:
    """`rate` 0: everything is created at once, in batches."""
    first = _next_number[0]
    _next_number[0] += count
    follower = Follower(product.conninfo) if follow else None
    hidden = frozenset({follower.backend} if follower else ())
    with _generator(product, rate, count, by, kilobytes, batch, first) as generator:
        before = product.cpu(hidden)
        assert generator.stdin is not None and generator.stdout is not None
        generator.stdin.close()
        rows = json.loads(generator.stdout.read() or "null")
    if rows is None:
        raise Wrong("the generator failed")
    wait_for_ends(product)
    after = product.cpu(hidden)
    if follower:
        time.sleep(0.3)
        follower.stop()
    ends = _checked_ends(product, rows, kilobytes)
    cost = {part: (after[part] - before.get(part, 0.0)) * 1000 / count for part in after}
    return _figures(by, rate, rows, ends, follower.seen if follower else {}, cost)


def run_burst(product: Product, count: int) -> tuple[float, dict[str, float]]:
    """Executions per second and CPU ms by part. The executor is frozen until all are created."""
    first = _next_number[0]
    _next_number[0] += count
    executor = product.processes()["executor"][0]
    before = product.cpu()
    executor.suspend()
    try:
        with _generator(product, 0, count, "python", 1.6, 500, first) as generator:
            assert generator.stdin is not None and generator.stdout is not None
            generator.stdin.close()
            rows = json.loads(generator.stdout.read() or "null")
    finally:
        began = time.time()
        executor.resume()
    if rows is None:
        raise Wrong("the generator failed")
    wait_for_ends(product)
    after = product.cpu()
    ends = _checked_ends(product, rows, 1.6)
    cost = {part: (after[part] - before.get(part, 0.0)) * 1000 / count for part in after}
    return count / (max(ends.values()) - began), cost


def _generator(
    product: Product, rate: float, count: int, by: str, kilobytes: float, batch: int, first: int
) -> "subprocess.Popen[str]":
    job = {
        "by": by, "rate": rate, "count": count, "kilobytes": kilobytes, "batch": batch, "first": first,
        "namespace": ORDER[0], "flow": ORDER[1], "port": product.port, "authorization": product.authorization,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.generator"],
        cwd=ROOT,
        env=product.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job))
    process.stdin.flush()
    return process


def wait_for_ends(product: Product, seconds: float = END_SECONDS) -> float:
    """Until no execution is open; the moment."""
    deadline = time.monotonic() + seconds
    with product.database() as connection:
        while (left := connection.execute(_OPEN).fetchone()) and left[0]:
            if time.monotonic() > deadline:
                raise Wrong(f"{left[0]} executions did not end within {seconds:g} s")
            time.sleep(0.05)
    return time.time()


def _checked_ends(product: Product, rows: list[Any], kilobytes: float) -> dict[str, float]:
    numbers = {row[1]: row[0] for row in rows}
    ends: dict[str, float] = {}
    with product.database() as connection:
        for id_, state, end, outputs in connection.execute(_ENDS, [[to_uuid(text) for text in numbers]]):
            execution_id = to_base62(id_)
            found = ((outputs or {}).get("values") or {}).get("log")
            found = json.loads(found) if isinstance(found, str) else found
            if state != "SUCCESS" or not is_summary_of(order(numbers[execution_id], kilobytes), found):
                raise Wrong(f"execution {execution_id} ended {state} with {found!r}")
            ends[execution_id] = end
    if len(ends) != len(rows):
        raise Wrong(f"{len(rows) - len(ends)} executions are missing")
    return ends


def _figures(
    by: str, rate: float, rows: list[Any], ends: dict[str, float], seen: dict[str, float], cost: dict[str, float]
) -> Figures:
    latencies = [(ends[id_] - due) * 1000 for _, id_, due, _ in rows]
    answers = [(answered - due) * 1000 for _, _, due, answered in rows]
    behind = [(seen[id_] - ends[id_]) * 1000 for _, id_, _, _ in rows if id_ in seen]
    begin = rows[0][2]
    return Figures(
        by=by,
        asked=rate,
        reached=len(rows) / (max(ends.values()) - begin),
        count=len(rows),
        p50=percentile(latencies, 50),
        p95=percentile(latencies, 95),
        p99=percentile(latencies, 99),
        max=max(latencies),
        last=latencies[-1],
        answer_p50=percentile(answers, 50),
        answer_p99=percentile(answers, 99),
        seen_p50=percentile(behind, 50),
        seen_p99=percentile(behind, 99),
        cpu_ms=sum(cost.values()),
        cpu_parts=cost,
    )


def percentile(values: list[float], percent: float) -> float:
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
