"""OpenTelemetry, when OTEL_EXPORTER_OTLP_ENDPOINT names a collector: executions as traces, the figures of /metrics.

Everything is read from what is stored anyway, in a process of its own: engine, workers and web pay nothing for it.
Names and states leave the machine, never inputs, outputs or messages. The libraries are optional.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import export as metrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode
from prometheus_client.metrics_core import Metric

from executions.codec import loads
from executions.ids import to_uuid
from flows.definition.states import TERMINAL

log = logging.getLogger("celesta.otel")
Json = Mapping[str, Any]
LOOK_SECONDS, METRIC_SECONDS = 1.0, 15.0
_LATE_LOOKS = 5  # so many looks long, rows that were committed late are still found
_AT_ONCE, _MOST_WAITING, _REMEMBERED = 500, 20_000, 50_000
_LOCK = 0x6F74656C  # one exporter at a time, however many are started
_ENDED = [str(state) for state in TERMINAL]
_FAILED = {"FAILED", "KILLED", "CANCELLED"}
_SCOPE = InstrumentationScope("celesta")
_HINTS = "SELECT DISTINCT execution_id FROM queues WHERE stream AND type = 'execution' AND id > %s"
_EXECUTIONS = """
    SELECT json_build_object('id', id, 'namespace', namespace, 'flow_id', flow_id, 'flow_revision', flow_revision,
        'state', state, 'histories', histories, 'labels', labels, 'trigger_execution_id', trigger_execution_id)::text
    FROM executions e WHERE id = ANY(%(ids)s) AND state = ANY(%(ended)s) AND NOT deleted
    AND NOT EXISTS (SELECT FROM task_runs t WHERE t.execution_id = e.id AND t.state <> ALL(%(ended)s))
"""
_RUNS = """
    SELECT json_build_object('id', id, 'execution_id', execution_id, 'task_id', task_id, 'parent_id', parent_id,
        'value', value, 'state', state, 'histories', histories, 'attempts', attempts)::text
    FROM task_runs WHERE execution_id = ANY(%s) ORDER BY seq
"""


# --- spans


def spans_of(execution: Json, runs: Iterable[Json], resource: Resource) -> list[ReadableSpan]:
    """An execution, below it its task runs, below these their attempts. What started each other shares a trace."""
    own = UUID(execution["id"])
    labels = {label["key"]: label["value"] for label in execution["labels"] or ()}
    trace = _trace_of(labels, own)
    starter = execution["trigger_execution_id"]
    place = {
        "celesta.namespace": execution["namespace"],
        "celesta.flow": execution["flow_id"],
        "celesta.revision": execution["flow_revision"],
        **{f"celesta.label.{key}": value for key, value in labels.items() if not key.startswith("system.")},
    }
    name = f"{execution['namespace']}.{execution['flow_id']}"
    above = _context(trace, UUID(starter)) if starter else None
    found = [_span(name, _context(trace, own), above, execution, place, resource, SpanKind.SERVER)]
    for run in runs:
        facts = {"celesta.task": run["task_id"], **({"celesta.value": run["value"]} if run["value"] else {})}
        context = _context(trace, UUID(run["id"]))
        parent = _context(trace, UUID(run["parent_id"] or execution["id"]))
        found.append(_span(run["task_id"], context, parent, run, facts, resource))
        for number, attempt in enumerate(run["attempts"] or (), 1):
            inner = _context(trace, UUID(int=UUID(run["id"]).int ^ number))
            about = {"celesta.attempt": number, "celesta.worker": attempt.get("worker") or ""}
            found.append(_span(f"attempt {number}", inner, context, attempt, about, resource))
    return [span for span in found if span.end_time is not None]


def _trace_of(labels: Json, own: UUID) -> int:
    try:
        return to_uuid(labels["system.correlationId"]).int
    except (KeyError, ValueError, TypeError):
        return own.int


def _context(trace: int, span: UUID) -> SpanContext:
    return SpanContext(trace, (span.int & 0xFFFF_FFFF_FFFF_FFFF) or 1, False, TraceFlags(TraceFlags.SAMPLED))


def _span(
    name: str,
    context: SpanContext,
    parent: SpanContext | None,
    row: Json,
    attributes: Json,
    resource: Resource,
    kind: SpanKind = SpanKind.INTERNAL,
) -> ReadableSpan:
    moments = [(str(state), _nanoseconds(date)) for state, date in row["histories"] or ()]
    failed = row["state"] in _FAILED
    return ReadableSpan(
        name=name,
        context=context,
        parent=parent,
        resource=resource,
        attributes={**attributes, "celesta.state": row["state"]},
        events=[Event(state, timestamp=moment) for state, moment in moments],
        kind=kind,
        status=Status(StatusCode.ERROR if failed else StatusCode.OK, row["state"] if failed else None),
        start_time=moments[0][1] if moments else None,
        end_time=moments[-1][1] if moments else None,
        instrumentation_scope=_SCOPE,
    )


def _nanoseconds(date: str) -> int:
    moment = datetime.fromisoformat(date)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


# --- metrics


def metrics_of(families: Iterable[Metric], resource: Resource, since: int) -> metrics.MetricsData:
    """Prometheus' families as they are served, in OpenTelemetry's form. Times in nanoseconds."""
    now = time.time_ns()
    found = [
        metrics.Metric(family.name, family.documentation, "", data)
        for family in families
        if (data := _data(family, since, now)) is not None
    ]
    scope = metrics.ScopeMetrics(_SCOPE, found, "")
    return metrics.MetricsData([metrics.ResourceMetrics(resource, [scope], "")])


def _data(family: Metric, since: int, now: int) -> Any:
    def points(suffix: str = "") -> list[metrics.NumberDataPoint]:
        return [
            metrics.NumberDataPoint(dict(sample.labels), since, now, sample.value)
            for sample in family.samples
            if sample.name == family.name + suffix
        ]

    cumulative = metrics.AggregationTemporality.CUMULATIVE
    match family.type:
        case "gauge":
            return metrics.Gauge(points())
        case "counter":
            return metrics.Sum(points("_total"), cumulative, True)
        case "histogram":
            return metrics.Histogram(_histograms(family, since, now), cumulative)
    return None


def _histograms(family: Metric, since: int, now: int) -> list[metrics.HistogramDataPoint]:
    groups: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in family.samples:
        labels = {key: value for key, value in sample.labels.items() if key != "le"}
        group = groups.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if sample.name.endswith("_bucket"):
            group["buckets"].append((float(sample.labels["le"]), int(sample.value)))
        else:
            group[sample.name.rpartition("_")[2]] = sample.value
    found = []
    for labels_of, group in groups.items():
        buckets = sorted(group["buckets"])
        counts = [count - before for (_, count), before in zip(buckets, [0, *(c for _, c in buckets)], strict=False)]
        bounds = [bound for bound, _ in buckets[:-1]]
        total = buckets[-1][1] if buckets else 0
        smallest, largest = float("inf"), float("-inf")
        point = metrics.HistogramDataPoint(
            dict(labels_of), since, now, total, group.get("sum", 0.0), counts, bounds, smallest, largest
        )
        found.append(point)
    return found


# --- the process


class Exporter:
    """Looks once a second for executions that have ended since; sends them, and every 15 s the figures."""

    def __init__(self, families: Any) -> None:
        self._families = families
        self._resource = Resource.create({"service.name": "celesta"})  # OTEL_SERVICE_NAME and _ATTRIBUTES go before
        self._spans, self._figures = OTLPSpanExporter(), OTLPMetricExporter()
        self._waiting: deque[ReadableSpan] = deque(maxlen=_MOST_WAITING)
        self._sent: OrderedDict[UUID, None] = OrderedDict()
        self._marks: deque[int] = deque(maxlen=_LATE_LOOKS)
        self._since, self._measured = time.time_ns(), 0.0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(
                    settings.DATABASE_DIRECT_DSN, autocommit=True, application_name="celesta otel"
                ) as connection:
                    self._follow(connection, stop)
            except psycopg.Error as error:
                log.warning("the database is away: %s", str(error).strip().partition("\n")[0])
                stop.wait(LOOK_SECONDS)

    def _follow(self, connection: "psycopg.Connection[Any]", stop: threading.Event) -> None:
        while not _row(connection, "SELECT pg_try_advisory_lock(%s)", _LOCK)[0]:
            if stop.wait(LOOK_SECONDS):
                return
        self._marks.clear()
        self._marks.append(_row(connection, "SELECT COALESCE(max(id), 0) FROM queues")[0])
        log.info("traces and figures are sent to the collector")
        while not stop.wait(LOOK_SECONDS):
            self.look(connection)
            self.send()
            if time.monotonic() - self._measured >= METRIC_SECONDS:
                self._measured = time.monotonic()
                self._figures.export(metrics_of(self._families(), self._resource, self._since))

    def look(self, connection: "psycopg.Connection[Any]") -> None:
        highest = _row(connection, "SELECT COALESCE(max(id), 0) FROM queues")[0]
        hinted = [row[0] for row in connection.execute(_HINTS, [self._marks[0]]).fetchall()]
        self._marks.append(highest)
        new = [one for one in hinted if one is not None and one not in self._sent]
        for first in range(0, len(new), _AT_ONCE):
            self._take(connection, new[first : first + _AT_ONCE])

    def _take(self, connection: "psycopg.Connection[Any]", ids: Sequence[UUID]) -> None:
        wanted = {"ids": list(ids), "ended": _ENDED}
        ended = [loads(text) for (text,) in connection.execute(_EXECUTIONS, wanted).fetchall()]
        runs: dict[str, list[Json]] = {}
        for (text,) in connection.execute(_RUNS, [[UUID(one["id"]) for one in ended]]).fetchall():
            run = loads(text)
            runs.setdefault(run["execution_id"], []).append(run)
        for execution in ended:
            self._waiting.extend(spans_of(execution, runs.get(execution["id"], ()), self._resource))
            self._sent[UUID(execution["id"])] = None
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def send(self) -> None:
        """A collector that is away is asked again at the next look; beyond 20,000 spans the oldest are given up."""
        while self._waiting:
            batch = [self._waiting[number] for number in range(min(_AT_ONCE, len(self._waiting)))]
            if self._spans.export(batch) is not SpanExportResult.SUCCESS:
                log.warning("the collector did not take %d spans; tried again", len(self._waiting))
                return
            for _ in batch:
                self._waiting.popleft()


def _row(connection: "psycopg.Connection[Any]", sql: str, *values: Any) -> Any:
    return connection.execute(sql, values).fetchone()
