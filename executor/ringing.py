"""Tells a broker that does not live in the database of new jobs: ids and attempt tokens, never data. Every message may
be lost or doubled: the claim in `worker_jobs` decides who runs a job, and the recovery loop rings again."""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from celery import Celery
from django.conf import settings
from kombu.utils.imports import symbol_by_name

from executions.queue.postgres import Job
from executor.connections import first_line
from executor.telemetry import count, tell

TASK = "celesta.run"
# Light jobs share a message: its cost outweighs theirs.
SHARED = 25
# Batches of jobs that wait for a broker which is away; more are left to the recovery loop.
MOST_WAITING = 1_000
LONGEST_PAUSE = 5.0
STOP_SECONDS = 5.0


class Ringer:
    """Called by the loops after their commits. One thread publishes, so that no loop ever waits for a broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: queue.Queue[Sequence[Job] | None] = queue.Queue(MOST_WAITING)
        self._stopping = threading.Event()
        self._producer: Any = None
        self.thread = threading.Thread(target=self._run, name="ringing", daemon=True)

    def __call__(self, jobs: Sequence[Job]) -> None:
        try:
            self._waiting.put_nowait(jobs)
        except queue.Full:
            count("rings_dropped", len(jobs))

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """What waits is published first, if the broker answers; another executor rings for the rest."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self.thread.join(STOP_SECONDS)
        self._stopping.set()

    def _run(self) -> None:
        while (jobs := self._waiting.get()) is not None:
            self._publish_until_told(jobs)
        self._disconnect()

    def _publish_until_told(self, jobs: Sequence[Job]) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            try:
                self._publish(jobs)
                return
            except Exception as error:  # of whatever library the broker's transport uses
                tell("broker.lost", error=first_line(error), jobs=len(jobs))
                count("broker_failures")
                self._disconnect()
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _publish(self, jobs: Sequence[Job]) -> None:
        if self._producer is None:
            self._producer = self._app.amqp.Producer(self._app.connection_for_write())
        for name, group in messages(jobs):
            self._app.send_task(
                TASK, args=[group], queue=name, producer=self._producer, retry=False, ignore_result=True
            )  # fmt: skip
        count("rings", len(jobs))

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                producer.connection.close()


def messages(jobs: Sequence[Job]) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """(Celery queue, [(id, token)]): light jobs of a queue together, all others alone."""
    light: dict[str, list[tuple[int, str]]] = {}
    for job in jobs:
        if job.light:
            light.setdefault(job.queue, []).append((job.id, job.token))
        else:
            yield job.queue, [(job.id, job.token)]
    for name, named in light.items():
        for start in range(0, len(named), SHARED):
            yield name, named[start : start + SHARED]


def configured() -> Ringer | None:
    """None for PostgreSQL, whose workers hear of jobs by the transaction itself."""
    return None if settings.CELESTA.broker_url is None else Ringer(symbol_by_name(settings.CELERY_APP))
