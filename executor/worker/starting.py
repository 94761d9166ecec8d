"""Starts and stops a Celery worker with all its parts, whatever its pool and broker."""

import logging
import os
import socket
import warnings
from collections.abc import Sequence
from typing import Any

from celery import signals
from django.conf import settings
from kombu.utils.imports import symbol_by_name

from executions import garbage
from executor.worker import process
from executor.worker.process import Worker
from executor.worker.slots import RUNWAY

log = logging.getLogger("celesta.worker")
POOLS = ("threads", "prefork", "solo")


def run(queues: Sequence[str], pool: str, threads: int) -> None:
    """Until SIGTERM or SIGINT. Raises when the database cannot be reached."""
    external = settings.CELESTA.broker_url is not None
    threads = 1 if pool == "solo" else threads
    direct = pool != "prefork" and not external
    worker = Worker(queues, threads, direct=direct, runway=RUNWAY if pool == "threads" else 0)
    process.install(worker)
    connected = [
        signals.worker_shutting_down.connect(_on_shutting_down, weak=False),
    ]
    if pool == "prefork":
        # Threads and connections come after the fork: children make their own.
        connected.append(signals.worker_ready.connect(lambda **_: worker.start(), weak=False))
        connected.append(signals.worker_process_init.connect(lambda **_: _start_child(queues), weak=False))
        connected.append(signals.worker_process_shutdown.connect(lambda **_: process.current().stop(), weak=False))
    else:
        worker.start()
    try:
        celery = _celery(queues, pool, threads)
        garbage.settle()
        celery.start()
    except SystemExit as exit_:
        if exit_.code:
            raise
    finally:
        worker.stop()
        process.install(None)


def _celery(queues: Sequence[str], pool: str, threads: int) -> Any:
    app = symbol_by_name(settings.CELERY_APP)
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    return app.Worker(
        hostname=f"celesta-{os.getpid()}@{socket.gethostname()}",
        queues=list(queues),
        pool=pool,
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel="WARNING",
    )


def _on_shutting_down(**_: Any) -> None:
    """Runs inside a signal handler: may take no lock."""
    worker = process.current()
    worker.identity.draining = True
    worker.slots.wake()


def _start_child(queues: Sequence[str]) -> None:
    """In a new pool process: a worker of its own, with its own lock and heartbeat, so that its death is noticed."""
    worker = Worker(queues, 1, direct=False, runway=0)
    process.install(worker)
    worker.start()
