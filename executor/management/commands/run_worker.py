"""`manage.py run_worker`: one Celery worker on worker_jobs (or on the broker of CELERY_BROKER_URL)."""

import logging
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from executor.worker import starting
from executor.worker.connect import LOST, first_line


class Command(BaseCommand):
    help = "Run jobs: a Celery worker that takes them from PostgreSQL, or from CELERY_BROKER_URL."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", "-Q", default="default", help="worker groups to serve, comma-separated")
        parser.add_argument("--concurrency", "-c", type=int, default=settings.CELESTA.worker_concurrency)
        parser.add_argument("--pool", "-P", default=settings.CELESTA.worker_pool, choices=starting.POOLS)

    def handle(self, *args: Any, **options: Any) -> None:
        queues = [name.strip() for name in options["queues"].split(",") if name.strip()]
        threading.current_thread().name = "main"
        logging.getLogger("celesta.worker").info("worker starting for %s", ", ".join(queues))
        try:
            starting.run(queues, options["pool"], options["concurrency"])
        except LOST as error:
            raise CommandError(f"the database cannot be reached: {first_line(error)}") from None
