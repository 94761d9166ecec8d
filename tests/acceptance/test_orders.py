"""The article's order flow by the API: all of them SUCCESS, nothing left behind, and how long one takes."""

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.plant import ROOT, Plant, settled_faults, size

ORDER = (ROOT / "flows" / "examples" / "order.json").read_text()
FORM = "application/x-www-form-urlencoded"
PATH = "/api/v1/main/executions/company.team/order"


def create(product: Plant, query: str = "") -> Any:
    status, answer = product.request("POST", PATH + query, urlencode({"order": ORDER}).encode(), FORM)
    assert status == 200, answer
    return answer


def test_a_thousand_orders_all_succeed_and_leave_one_message_each_at_most(product: Plant) -> None:
    count = size(200, 1_000)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as clients:
        ids = [answer["id"] for answer in clients.map(lambda _: create(product), range(count))]
    product.wait_until_ended(60)
    print(f"{count} orders in {time.monotonic() - began:.1f} s")
    assert len(set(ids)) == count
    assert product.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", count)]
    assert settled_faults(product, runs=2) == []
    assert product.value("SELECT count(*) FROM worker_jobs") == 0
    assert product.value("SELECT count(*) FROM queues") <= count
    hello = product.value("SELECT DISTINCT outputs->'values'->>'log' FROM task_runs WHERE task_id = 'hello'")
    assert json.loads(hello)["total_price"] == 253.25


@pytest.mark.benchmark
def test_the_latency_of_an_order_at_ten_a_second(product: Plant) -> None:
    """From the request's start to the end that the executor stored, by the one clock of this machine."""
    for _ in range(20):
        create(product, "?wait=true")
    taken, start = [], time.time()
    with ThreadPoolExecutor(8) as clients:
        futures = []
        for number in range(100):
            time.sleep(max(0.0, start + number / 10 - time.time()))  # the rate of the measurement
            futures.append((time.time(), clients.submit(create, product)))
        for began, future in futures:
            taken.append((began, future.result()["id"]))
    product.wait_until_ended(30)
    milliseconds = sorted((ended(product, id_) - began) * 1000 for began, id_ in taken)
    p50, p99 = statistics.median(milliseconds), milliseconds[98]
    print(f"\norder flow at 10/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {milliseconds[-1]:.1f} ms (of 100)")
    assert p50 <= 30


def ended(product: Plant, execution_id: str) -> float:
    from executions.ids import to_uuid

    query = "SELECT extract(epoch FROM end_date) FROM executions WHERE id = %s"
    return float(product.value(query, to_uuid(execution_id)))


def test_the_example_is_the_articles_flow() -> None:
    """The flow itself is the one of the article but for its trigger: two tasks, one output."""
    source = Path(ROOT / "flows" / "examples" / "order.yaml").read_text()
    assert "transform.jsonata.TransformValue" in source and "core.output.OutputValues" in source
