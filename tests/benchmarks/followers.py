"""1,000 SSE clients of one web process: how late they see a change, what they cost, and that one consumer serves all."""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import orjson

from tests.benchmarks import report
from tests.benchmarks.measure import percentile
from tests.benchmarks.product import Product

if TYPE_CHECKING:
    from tests.benchmarks.scenarios import Bench, Table

CLIENTS = 1_000
_WAITING = """
id: waiting
namespace: bench
tasks:
  - id: pause
    type: io.kestra.plugin.core.flow.Pause
  - id: end
    type: io.kestra.plugin.core.debug.Return
    format: done
"""
_CONSUMERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'celesta web stream' AND query ILIKE 'LISTEN%'"
)


def measured(bench: "Bench") -> list["Table"]:
    product = bench.product
    product.add_flow(_WAITING)
    rows = [_watched(product, watchers, CLIENTS // watchers) for watchers in (CLIENTS, 10)]
    return [("h. 1,000 SSE clients of one web process", rows)]


def _watched(product: Product, watchers: int, executions: int) -> dict[str, Any]:
    """`watchers` clients on each of `executions` paused executions, which are then resumed."""
    ids = [json.loads(product.ask("POST", "/api/v1/main/executions/bench/waiting"))["id"] for _ in range(executions)]
    _until(product, "PAUSED", executions)
    web = product.processes()["web"][0]
    before = web.memory_full_info().pss
    found = asyncio.run(_follow(product, ids, watchers, lambda: (web.memory_full_info().pss, web.num_threads())))
    (memory, threads), delays, consumers = found
    row = {
        "executions": executions, "clients": executions * watchers, "consumers": consumers, "threads": threads,
        "kB_per_client": round((memory - before) / 1024 / (executions * watchers), 1),
        "p50_ms": round(percentile(delays, 50), 1), "p99_ms": round(percentile(delays, 99), 1),
        "seen": len(delays),
    }  # fmt: skip
    report.progress(row)
    return row


def _until(product: Product, state: str, number: int) -> None:
    deadline = time.monotonic() + 30
    with product.database() as connection:
        while connection.execute(
            "SELECT count(*) FROM executions WHERE flow_id = 'waiting' AND state = %s", [state]
        ).fetchone() != (number,):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not {number} executions are {state}")
            time.sleep(0.05)


async def _follow(product: Product, ids: list[str], watchers: int, cost: Any) -> Any:
    seen: list[tuple[str, float]] = []
    ready = [0]
    clients = [asyncio.create_task(_client(product, id_, seen, ready)) for id_ in ids for _ in range(watchers)]
    while ready[0] < len(clients):
        await asyncio.sleep(0.05)
        for client in clients:
            if client.done():
                client.result()
    await asyncio.sleep(1.0)
    spent = cost()
    with product.database() as connection:
        consumers = connection.execute(_CONSUMERS).fetchone()
        assert consumers is not None
        for id_ in ids:
            await asyncio.to_thread(product.ask, "POST", f"/api/v1/main/executions/{id_}/resume")
        await asyncio.wait_for(asyncio.gather(*clients), 60)
        ends = {
            to: end
            for to, end in connection.execute(
                "SELECT id, extract(epoch FROM end_date)::float8 FROM executions WHERE flow_id = 'waiting'"
            )
        }
    from executions.ids import to_uuid

    delays = [(moment - ends[to_uuid(id_)]) * 1000 for id_, moment in seen]
    return spent, delays, consumers[0]


async def _client(product: Product, id_: str, seen: list[tuple[str, float]], ready: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", product.port)
    writer.write(
        f"GET /api/v1/main/executions/{id_}/follow HTTP/1.1\r\nHost: 127.0.0.1:{product.port}\r\n"
        f"Authorization: {product.authorization}\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    first = True
    while line := await reader.readline():
        if line.startswith(b"data:") and b"{" in line:
            if first:
                first, ready[0] = False, ready[0] + 1
            state = orjson.loads(line[5:]).get("state") or {}
            if state.get("current") == "SUCCESS":
                seen.append((id_, time.time()))
                break
    writer.close()
