"""Traces and figures as a collector receives them over HTTP, made from what the database holds."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from django.conf import settings as site
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource

from executions.ids import new_id, to_base62, to_uuid
from executions.models import QueueMessage
from executions.state import Attempt, Execution
from flows.definition.states import State
from orchestrator_site import metrics, otel
from tests.builders import a_run
from tests.integration.rest_support import stored

pytestmark = pytest.mark.django_db(transaction=True)


class Collector:
    def __init__(self) -> None:
        self.traces: list[Any] = []
        self.figures: list[Any] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200 and self.path == "/v1/traces":
                    outer.traces += _spans(ExportTraceServiceRequest.FromString(body))
                elif outer.status == 200:
                    outer.figures += _metrics(ExportMetricsServiceRequest.FromString(body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _spans(request: Any) -> list[Any]:
    return [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]


def _metrics(request: Any) -> list[Any]:
    return [metric for one in request.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    found = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    monkeypatch.setenv("NO_PROXY", "*")
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def connection() -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(site.DATABASE_DIRECT_DSN, autocommit=True) as opened:
        yield opened


def hinted(execution: Execution) -> Execution:
    QueueMessage.objects.create(
        stream=True, type="execution", execution_id=to_uuid(execution.id), created=datetime.now(UTC)
    )
    return execution


def test_an_ended_execution_is_one_trace_with_its_task_runs_and_attempts(
    collector: Collector, connection: "psycopg.Connection[Any]"
) -> None:
    exporter = otel.Exporter(lambda: [])
    exporter._marks.append(0)
    run = a_run("say", State.FAILED, outputs={"password": "do not tell"})
    moment = datetime.now(UTC)
    run.attempts.append(Attempt("t1", State.FAILED, [(State.RUNNING, moment), (State.FAILED, moment)], worker="w1"))
    ended = hinted(stored(run, state=State.FAILED, namespace="team", flow_id="work", inputs={"secret": "do not tell"}))
    hinted(stored(a_run("say", State.RUNNING), state=State.RUNNING))
    exporter.look(connection)
    exporter.send()
    spans = {span.name: span for span in collector.traces}
    assert set(spans) == {"team.work", "say", "attempt 1"}
    root, task, attempt = spans["team.work"], spans["say"], spans["attempt 1"]
    assert root.trace_id == to_uuid(ended.id).bytes and not root.parent_span_id
    assert (task.parent_span_id, attempt.parent_span_id) == (root.span_id, task.span_id)
    assert root.end_time_unix_nano - root.start_time_unix_nano == pytest.approx(2e9, rel=0.01)
    assert root.status.code == 2 and [event.name for event in root.events] == ["CREATED", "RUNNING", "FAILED"]
    assert "do not tell" not in str(collector.traces)
    exporter.look(connection)
    exporter.send()
    assert len(collector.traces) == 3  # nothing is sent twice


def test_a_subflow_is_in_the_trace_of_its_parent() -> None:
    parent, child = to_uuid(new_id()), to_uuid(new_id())
    row = {
        "id": str(child),
        "namespace": "team",
        "flow_id": "below",
        "flow_revision": 1,
        "state": "SUCCESS",
        "histories": [("CREATED", "2026-01-01T00:00:00Z")],
        "labels": [{"key": "system.correlationId", "value": to_base62(parent)}, {"key": "team", "value": "a"}],
        "trigger_execution_id": str(parent),
    }
    (span,) = otel.spans_of(row, [], Resource.create())
    assert span.context is not None and span.context.trace_id == parent.int
    assert span.parent is not None and span.parent.span_id == parent.int & (1 << 64) - 1
    assert span.attributes is not None and span.attributes["celesta.label.team"] == "a"
    assert "celesta.label.system.correlationId" not in span.attributes


def test_spans_wait_for_a_collector_that_is_away(collector: Collector, connection: "psycopg.Connection[Any]") -> None:
    exporter = otel.Exporter(lambda: [])
    exporter._marks.append(0)
    hinted(stored())
    collector.status = 400
    exporter.look(connection)
    exporter.send()
    assert collector.traces == [] and len(exporter._waiting) == 1
    collector.status = 200
    exporter.send()
    assert len(collector.traces) == 1 and not exporter._waiting


def test_the_figures_of_prometheus_are_sent_as_they_are_served(collector: Collector) -> None:
    stored(state=State.RUNNING)
    exporter = otel.Exporter(metrics.of_all_processes)
    exporter._figures.export(otel.metrics_of(metrics.of_all_processes(), exporter._resource, 1))
    found = {metric.name: metric for metric in collector.figures}
    assert {"celesta_executions", "celesta_queue_messages", "celesta_dead_letters"} <= set(found)
    running = [point.as_double or point.as_int for point in found["celesta_executions"].gauge.data_points]
    assert sum(running) == 1
    assert not any(name.startswith("celesta_stream") for name in found)


def test_the_process_follows_until_it_is_told_to_stop(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "LOOK_SECONDS", 0.02)
    stop, exporter = threading.Event(), otel.Exporter(lambda: [])
    thread = threading.Thread(target=exporter.run, args=[stop])
    thread.start()
    try:
        while not exporter._measured:
            assert not stop.wait(0.02)
        hinted(stored(flow_id="late"))
        for _ in range(500):
            if collector.traces or stop.wait(0.02):
                break
        assert [span.name.rpartition(".")[2] for span in collector.traces] == ["late"]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_histograms_keep_their_buckets() -> None:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily("celesta_claim_seconds", "text", labels=["service"])
    family.add_metric(["a"], [("0.1", 3.0), ("1.0", 5.0), ("+Inf", 6.0)], 4.5)
    data = otel.metrics_of([family], Resource.create(), 1)
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert (point.bucket_counts, point.explicit_bounds, point.count, point.sum) == ([3, 2, 1], [0.1, 1.0], 6, 4.5)  # type: ignore[union-attr]
