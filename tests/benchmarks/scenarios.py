"""The scenarios by letter, as `docs/benchmarks.md` tells them. Each answers tables: (title, rows)."""

import json
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from executions.ids import to_uuid
from tests.benchmarks import filling, flows, followers, rendering, report, snapshots
from tests.benchmarks.measure import Figures, Wrong, run_burst, run_rate, wait_for_ends
from tests.benchmarks.product import Product, running

Row = dict[str, Any]
Table = tuple[str, list[Row]]
TOO_SLOW = 2_000.0  # ms of p99 at which no higher rate is tried


@dataclass(slots=True)
class Options:
    port: int
    rates: list[float] = field(default_factory=lambda: [10, 25, 50, 75, 100, 150, 200, 400, 800])
    seconds: float = 15.0
    count: int = 1_000
    rows: int = 1_000_000
    by: list[str] = field(default_factory=lambda: ["rest", "python"])


@dataclass(frozen=True, slots=True)
class Scenario:
    letter: str
    title: str
    run: Callable[["Bench"], list[Table]]


class Bench:
    """The product that scenarios share, started at first need, and those that they start with other settings."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._shared: AbstractContextManager[Product] | None = None
        self._product: Product | None = None

    @property
    def product(self) -> Product:
        if self._product is None:
            self._shared = running(self.options.port)
            self._product = self._shared.__enter__()
        return self._product

    def warm(self, product: Product) -> None:
        for by in self.options.by:
            run_rate(product, 100, 100, by=by, follow=False)

    def close(self) -> None:
        if self._shared is not None:
            self._shared.__exit__(None, None, None)
        self._shared = self._product = None

    def other(self, **variables: str) -> AbstractContextManager[Product]:
        return running(self.options.port + 1, variables)


def _latency_row(figures: Figures, **more: Any) -> Row:
    row: Row = {"by": figures.by, "rate": figures.asked, "reached": round(figures.reached, 1), "n": figures.count}
    for name in ("p50", "p95", "p99", "max", "last", "answer_p50", "answer_p99", "seen_p50", "seen_p99", "cpu_ms"):
        row[name] = round(getattr(figures, name), 2)
    return {**more, **row, **_parts(figures.cpu_parts)}


def _parts(cost: dict[str, float]) -> Row:
    return {f"cpu {part}": round(ms, 2) for part, ms in cost.items() if ms > 0.02}


def _rates(bench: Bench, product: Product, by: str, rates: Iterable[float], **more: Any) -> list[Row]:
    rows: list[Row] = []
    for rate in rates:
        count = max(20, int(min(bench.options.count, rate * bench.options.seconds)))
        if rate > bench.options.count / 2:  # a second or two tell little: at least five
            count = int(rate * min(bench.options.seconds, 5.0))
        figures = run_rate(product, rate, count, by=by)
        rows.append(_latency_row(figures, **more))
        print(f"  {by} {rate:g}/s: p50 {figures.p50:.1f} p99 {figures.p99:.1f} last {figures.last:.1f} ms", flush=True)
        if figures.p99 > TOO_SLOW:
            break
    return rows


def rates(bench: Bench) -> list[Table]:
    bench.warm(bench.product)
    return [
        (f"a. order flow, created {_named(by)}", _rates(bench, bench.product, by, bench.options.rates))
        for by in bench.options.by
    ]


def _named(by: str) -> str:
    return "one by one over REST" if by == "rest" else "from Python, what is due in one call"


def long_run(bench: Bench) -> list[Table]:
    """10,000 in 5 minutes, or the part of it that fits into --seconds."""
    rate = 10_000 / 300
    bench.warm(bench.product)
    tables = []
    for by in bench.options.by[:1]:
        figures = run_rate(bench.product, rate, int(rate * bench.options.seconds), by=by)
        tables.append(("b. 10,000 executions in 5 minutes (33/s)", [_latency_row(figures)]))
    return tables


def burst(bench: Bench) -> list[Table]:
    bench.warm(bench.product)
    rows = [_burst(bench.product, 2_000) for _ in range(3)]
    return [("c. burst of 2,000, already created when the executor is let loose", rows)]


def _burst(product: Product, count: int) -> Row:
    rate, cost = run_burst(product, count)
    print(f"  drained at {rate:.0f}/s, {sum(cost.values()):.2f} CPU-ms each", flush=True)
    return {"n": count, "drained_per_s": round(rate), "cpu_ms": round(sum(cost.values()), 2), **_parts(cost)}


def loops(bench: Bench) -> list[Table]:
    """2,111 task runs in three levels and about twice and four times as many, at once and strictly one after the other."""
    rows = []
    for limit in (0, 1):
        previous = 0.0
        for values in (20, 40, 80) if limit == 0 else (20, 40):
            row = _flow_run(bench.product, flows.three_levels(values, limit), limit="none" if limit == 0 else "1")
            row["growth"] = round(row["seconds"] / previous, 2) if previous else ""
            previous = row["seconds"]
            rows.append(row)
    return [("d. ForEach in three levels", rows)]


def parallel(bench: Bench) -> list[Table]:
    """5 If + 5 Log, one after the other; a ForEach over 100 Log without limit."""
    rows = []
    for source in (flows.conditions_and_logs(), flows.loop_of(100)):
        first = _flow_run(bench.product, source)
        found = sorted((_flow_run(bench.product, source) for _ in range(10)), key=lambda row: row["seconds"])
        rows.append({**found[5], "first_seconds": first["seconds"]})
    return [("i. 5 If + 5 Log, ForEach over 100 (median of 10)", rows)]


def _flow_run(product: Product, source: str, **more: Any) -> Row:
    """One execution of a flow: wall time from its creation to its recorded end, CPU, memory, bytes."""
    namespace, flow_id = flows.NAMESPACE, source.split("id: ", 1)[1].split("\n", 1)[0]
    with product.database() as connection:
        known = connection.execute(
            "SELECT 1 FROM flows WHERE namespace = %s AND flow_id = %s", [namespace, flow_id]
        ).fetchone()
        if known is None:
            product.add_flow(source)
        before, size = product.cpu(), _database_bytes(connection)
        answer = json.loads(product.ask("POST", f"/api/v1/main/executions/{namespace}/{flow_id}"))
        wait_for_ends(product)
        after = product.cpu()
        found = connection.execute(_EXECUTION, [to_uuid(answer["id"])]).fetchone()
        assert found is not None
        if found[0] != "SUCCESS":
            raise Wrong(f"{flow_id} ended {found[0]}")
        row = {
            "flow": flow_id,
            **more,
            "task_runs": found[2],
            "seconds": round(found[1], 3),
            "cpu_s": round(sum(after.values()) - sum(before.values()), 2),
            **{
                f"cpu {part}": round(after[part] - before.get(part, 0.0), 2)
                for part in ("executor", "worker", "postgres")
            },
            "executor_MB": round(product.memory()["executor"]),
            "database_kB": (_database_bytes(connection) - size) // 1024,
        }
    report.progress(row)
    return row


_EXECUTION = """SELECT state, extract(epoch FROM end_date - start_date)::float8,
    (SELECT count(*) FROM task_runs WHERE execution_id = executions.id) FROM executions WHERE id = %s"""


def _database_bytes(connection: Any) -> int:
    return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])


def threads(bench: Bench) -> list[Table]:
    rows = []
    for number in (1, 2, 4, 8):
        with bench.other(EXECUTOR_THREADS=str(number)) as product:
            bench.warm(product)
            found = _burst(product, 2_000)
            again = _burst(product, 2_000)
            latency = run_rate(product, 100, 500, by="python")
            rows.append(
                {"threads": number, "drained_per_s": max(found["drained_per_s"], again["drained_per_s"]),
                 "p50 at 100/s": round(latency.p50, 1), "p99 at 100/s": round(latency.p99, 1)}
            )  # fmt: skip
    return [("e. EXECUTOR_THREADS", rows)]


def polling(bench: Bench) -> list[Table]:
    """Notifications are silenced in the database: what remains is polling."""
    rows = []
    for poll in (25, 100):
        with bench.other(EXECUTOR_POLL_MS=str(poll)) as product:
            _silence(product)
            bench.warm(product)
            for rate in (10, 100):
                figures = run_rate(product, rate, int(rate * 10), by="python", follow=False)
                rows.append(_latency_row(figures, poll_ms=poll))
    return [("f. without notifications, by EXECUTOR_POLL_MS", rows)]


def _silence(product: Product) -> None:
    with product.database() as connection:
        connection.execute("CREATE SCHEMA silent")
        connection.execute(
            "CREATE FUNCTION silent.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT NULL::void'"
        )
        connection.execute("ALTER DATABASE celesta SET search_path = silent, pg_catalog, public")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'celesta'"
        )
    time.sleep(3)


def queue_rows(bench: Bench) -> list[Table]:
    """What the message table holds while 1,000 executions run and after them; the article's own figure is rows left."""
    rows = []
    product = bench.product
    with product.database() as connection:
        connection.execute("DELETE FROM queues WHERE stream")
        connection.execute("VACUUM FULL queues")
        highest = connection.execute("SELECT last_value FROM queues_id_seq").fetchone()
        run_rate(product, 200, 1_000, by="python", follow=False)
        passed = connection.execute("SELECT last_value FROM queues_id_seq").fetchone()
        assert highest is not None and passed is not None
        left = connection.execute("SELECT count(*), pg_total_relation_size('queues') FROM queues").fetchone()
        kinds = connection.execute("SELECT type, count(*) FROM queues GROUP BY 1 ORDER BY 1").fetchall()
        assert left is not None
        rows.append(
            {"executions": 1_000, "messages_written": passed[0] - highest[0], "rows_left": left[0],
             "kB_with_indexes": left[1] // 1024, **{f"left {kind}": number for kind, number in kinds}}
        )  # fmt: skip
    return [("g. rows of `queues` after 1,000 executions", rows)]


def idle(bench: Bench) -> list[Table]:
    """A product of its own: started, left alone, its memory and CPU read."""
    with running(bench.options.port + 2) as product:
        time.sleep(5)
        before, began = product.cpu(), time.monotonic()
        time.sleep(min(bench.options.seconds, 20.0))
        spent, passed = product.cpu(), time.monotonic() - began
        memory = product.memory()
        parts = [
            {"part": part, "PSS_MB": round(memory[part], 1),
             "cpu_percent": round((spent[part] - before.get(part, 0.0)) * 100 / passed, 2)}
            for part in memory
        ]  # fmt: skip
        total = {
            "part": "all",
            "PSS_MB": round(sum(memory.values()), 1),
            "cpu_percent": round((sum(spent.values()) - sum(before.values())) * 100 / passed, 2),
            "start_seconds": round(product.start_seconds, 1),
        }
    report.progress(total)
    return [("j. idle", [*parts, total])]


def sizes(bench: Bench) -> list[Table]:
    bench.warm(bench.product)
    rows = []
    for kilobytes, rate in ((1.6, 50), (16, 50), (160, 10)):
        figures = run_rate(
            bench.product, rate, int(rate * min(bench.options.seconds, 10)), by="rest", kilobytes=kilobytes
        )
        rows.append(_latency_row(figures, document_kB=kilobytes))
    return [("k. size of the document", rows)]


def full_database(bench: Bench) -> list[Table]:
    """The same latencies with many finished executions in the database as without."""
    with bench.other() as product:
        bench.warm(product)
        rows = _rates(bench, product, "python", (10, 100), finished=0)
        filling.fill(product, bench.options.rows)
        bench.warm(product)
        rows += _rates(bench, product, "python", (10, 100), finished=bench.options.rows)
    return [("l. finished executions in the database", rows)]


SCENARIOS = (
    Scenario("j", "memory, CPU and start of an idle product", idle),
    Scenario("a", "latency by rate", rates),
    Scenario("b", "10,000 executions in 5 minutes", long_run),
    Scenario("c", "burst", burst),
    Scenario("d", "2,111, 4,111 and 8,111 task runs", loops),
    Scenario("e", "executor threads", threads),
    Scenario("f", "polling without notifications", polling),
    Scenario("g", "rows of the message table", queue_rows),
    Scenario("h", "1,000 followers", followers.measured),
    Scenario("i", "branches and small loops", parallel),
    Scenario("k", "document sizes", sizes),
    Scenario("l", "a full database", full_database),
    Scenario("m", "an old snapshot held by another session", snapshots.measured),
    Scenario("n", "rendering", rendering.measured),
)
