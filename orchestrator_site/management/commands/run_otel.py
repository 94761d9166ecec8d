"""`manage.py run_otel`: sends traces and figures to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, until SIGTERM."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Send executions as traces, and the figures of /metrics, to an OpenTelemetry collector."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        from orchestrator_site import metrics, otel  # optional libraries, asked for by environment.read()

        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        otel.Exporter(metrics.of_all_processes).run(stop)
