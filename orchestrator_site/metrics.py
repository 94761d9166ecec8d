"""GET /metrics in Prometheus' form: what the database knows of all processes, and this web process's own figures.

For callers who are known, and for scrapers on this machine that no proxy speaks for. Names of flows never appear.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from rest_framework.request import Request
from rest_framework.views import APIView

from executions.api.auth import NamespacePermission
from executions.codec import loads
from executions.live import fanout
from executor.telemetry import BOUNDS
from flows.access import Role
from flows.definition.states import TERMINAL

_QUEUES = """
    SELECT CASE WHEN stream THEN 'stream' ELSE 'work' END, type, count(*), extract(epoch FROM now() - min(created))::float8
    FROM queues GROUP BY 1, 2
"""
_JOBS = """
    SELECT queue, CASE WHEN claimed_by IS NULL THEN 'waiting' ELSE 'running' END, count(*),
        extract(epoch FROM now() - min(created))::float8
    FROM worker_jobs GROUP BY 1, 2
"""
_LIVE = "SELECT state, count(*) FROM executions WHERE NOT state = ANY(%s) AND NOT deleted GROUP BY 1"
_RECENT = (
    "SELECT state, count(*) FROM executions WHERE start_date > now() - interval '1 hour' AND NOT deleted GROUP BY 1"
)
_SERVICES = "SELECT id, kind, state, extract(epoch FROM now() - beat)::float8, facts::text FROM service_instances"
_LETTERS = "SELECT count(*) FROM dead_letters"


class ScraperPermission(NamespacePermission):
    """Loopback without a proxy's header, or anybody with a role."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return _is_local(request._request) or super().has_permission(request, view)


def _is_local(request: HttpRequest) -> bool:
    forwarded = any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"))
    try:
        return not forwarded and ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class MetricsView(APIView):
    roles = {"GET": Role.VIEWER}
    permission_classes = [ScraperPermission]
    schema = None

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)


def of_all_processes() -> Iterator[Metric]:
    """Without what only a web process knows of itself."""
    return (family for family in Everything().collect() if not family.name.startswith("celesta_stream_"))


class Everything:
    """Asked anew at each scrape."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            yield from _queues(_rows(cursor, _QUEUES))
            yield from _jobs(_rows(cursor, _JOBS))
            terminal = [str(state) for state in TERMINAL]
            yield _states("celesta_executions", "Executions that have not ended", _rows(cursor, _LIVE, [terminal]))
            yield _states("celesta_executions_last_hour", "Executions started within an hour", _rows(cursor, _RECENT))
            yield from _services(_rows(cursor, _SERVICES))
            letters = GaugeMetricFamily("celesta_dead_letters", "Messages that were parked")
            letters.add_metric([], _rows(cursor, _LETTERS)[0][0])
            yield letters
        yield from _streams()


def _rows(cursor: Any, sql: str, parameters: list[Any] | None = None) -> list[Any]:
    cursor.execute(sql, parameters)
    return list(cursor.fetchall())


def _queues(rows: list[Any]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("celesta_queue_messages", "Rows of the queue", labels=["kind", "type"])
    age = GaugeMetricFamily("celesta_queue_oldest_seconds", "Age of the oldest row", labels=["kind", "type"])
    for kind, name, count, oldest in rows:
        depth.add_metric([kind, name], count)
        age.add_metric([kind, name], max(0.0, oldest or 0.0))
    yield depth
    yield age


def _jobs(rows: list[Any]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("celesta_worker_jobs", "Jobs handed to workers", labels=["queue", "state"])
    age = GaugeMetricFamily("celesta_worker_jobs_oldest_seconds", "Age of the oldest job", labels=["queue", "state"])
    for queue, state, count, oldest in rows:
        depth.add_metric([queue, state], count)
        age.add_metric([queue, state], max(0.0, oldest or 0.0))
    yield depth
    yield age


def _states(name: str, text: str, rows: list[Any]) -> Metric:
    found = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in rows:
        found.add_metric([state], count)
    return found


_BUCKET = re.compile(r"(\w+)_le_(\w+)")


def _services(rows: list[Any]) -> Iterator[Metric]:
    """What processes tell with their heartbeat: counters, and times in buckets."""
    alive = GaugeMetricFamily(
        "celesta_service_beat_seconds", "Since the last heartbeat", labels=["service", "kind", "state"]
    )
    counters: dict[str, CounterMetricFamily] = {}
    times = {
        name: HistogramMetricFamily(f"celesta_{name}_seconds", text, labels=["service"])
        for name, text in (
            ("claim", "Taking messages from the queue"),
            ("handler", "Applying a batch of messages"),
            ("batch", "A whole batch, commit included"),
        )
    }
    for service, kind, state, silence, text in rows:
        alive.add_metric([service, kind, state], silence)
        facts: dict[str, Any] = loads(text)
        for name, family in times.items():
            if f"{name}_us" in facts:
                family.add_metric([service], *_histogram(name, facts))
        for name, value in facts.items():
            if isinstance(value, int) and not _BUCKET.fullmatch(name) and not name.endswith("_us"):
                family_of = counters.setdefault(
                    name, CounterMetricFamily(f"celesta_{name}", f"Told by a process: {name}", labels=["service"])
                )
                family_of.add_metric([service], value)
    yield alive
    yield from times.values()
    yield from counters.values()


def _histogram(name: str, facts: Mapping[str, Any]) -> tuple[list[tuple[str, float]], float]:
    total, buckets = 0, []
    for bound in (*BOUNDS, "inf"):
        total += facts.get(f"{name}_le_{str(bound).replace('.', '_')}", 0)
        buckets.append((str(bound).replace("inf", "+Inf"), float(total)))
    return buckets, facts[f"{name}_us"] / 1e6


def _streams() -> Iterator[Metric]:
    followers = GaugeMetricFamily("celesta_stream_followers", "Streams and sockets open in this web process")
    lag = GaugeMetricFamily("celesta_stream_lag_seconds", "How late the last hint reached this web process")
    told = fanout.figures()
    followers.add_metric([], told.followers)
    lag.add_metric([], told.lag)
    yield followers
    yield lag


_registry = CollectorRegistry()
_registry.register(Everything())
ProcessCollector(registry=_registry)
