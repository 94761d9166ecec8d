"""Writes what attempts bring, in batches: results, logs, metrics and the deletion of their jobs in one statement."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from executions import codec, named_sql
from executions.queue import postgres as message_queue
from executor.worker.connect import BY_KEY, LOST, Reconnecting, first_line
from executor.worker.slots import Held

Json = Any
log = logging.getLogger("celesta.worker")
SQL = named_sql.load(Path(__file__).with_name("worker.sql"))
BATCH = 200
# Outputs above this are stored once in `payloads`; messages and task runs only refer to them.
LARGE = 8 * 1024
# Log lines and metrics of running tasks that wait here; more of them stay with their tasks, which are slowed down then.
MOST_WAITING = 5_000


@dataclass(slots=True)
class Report:
    """What one job has to tell: its end, or (with `final` false) its start; and what it wrote meanwhile."""

    job: Held
    body: dict[str, Json] | None = None
    outputs: str | None = None  # JSON text
    final: bool = True
    lines: list[dict[str, Json]] = field(default_factory=list)
    metrics: list[dict[str, Json]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.lines) + len(self.metrics)


class Flusher:
    """One thread and one connection per process. Takes the first report, drains the rest, writes at once: the time
    of the commit makes the batches."""

    def __init__(self, forget: Callable[[Iterable[Held]], None]) -> None:
        self._forget = forget
        self._queue: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._connection = Reconnecting("worker results", BY_KEY)
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
        # Lines and metrics of running tasks, each number written by one thread: the watch's and the flusher's.
        self._told = self._written = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, report: Report) -> None:
        if not report.final:
            self._told += report.size
        self._queue.put(report)

    def is_behind(self) -> bool:
        """The database takes less than running tasks write."""
        return self._told - self._written >= MOST_WAITING

    def stop(self, timeout: float) -> None:
        """Everything put before is written first."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._connection.close()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch: list[Report | None] = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            stopping = None in batch
            reports = [report for report in batch if report is not None]
            self._write_until_stored(reports)
            self._written += sum(report.size for report in reports if not report.final)

    def _write_until_stored(self, reports: Sequence[Report]) -> None:
        pause = 0.05
        while reports:
            try:
                self._write(reports)
                return
            except (*LOST, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
                log.warning("results wait for the database: %s", first_line(error))
                self._connection.lost()
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            except Exception:
                if len(reports) > 1:
                    log.exception("a batch of %d results was refused: trying one by one", len(reports))
                    for report in reports:
                        self._write_until_stored([report])
                    return
                reports = [self._unstorable(reports[0])]

    def _unstorable(self, report: Report) -> Report:
        """The last resort: the end is told without what could not be stored, in plain ASCII."""
        log.exception("the result of job %d cannot be stored", report.job.id)
        if not report.final or report.body is None:
            return Report(report.job, final=False)
        body = {name: report.body.get(name) for name in ("task_run_id", "token", "started", "ended", "worker")}
        body |= {"state": "FAILED", "error": "The result of the task could not be stored."}
        return Report(report.job, body)

    def _write(self, reports: Sequence[Report]) -> None:
        ended = {report.job.id for report in reports if report.final and report.body is not None}
        started = [
            _row(report, report.body)
            for report in reports
            if not report.final and report.body is not None and report.job.id not in ended
        ]
        lines = [line for report in reports for line in report.lines]
        metrics = [metric for report in reports for metric in report.metrics]
        results = "[" + ",".join(_result(report) for report in reports if report.job.id in ended and report.final)
        if not (ended or started or lines or metrics):
            return
        answer = (
            self._connection.get()
            .execute(
                SQL["finish"],
                {
                    "results": results + "]",
                    "started": codec.dumps(started),
                    "logs": codec.dumps(lines),
                    "metrics": codec.dumps(metrics),
                },
            )
            .fetchone()
        )
        self._ring(work=bool(ended or started), stream=bool(lines))
        stored = set(answer[0] or ()) if answer else set()
        for report in reports:
            if report.final and report.body is not None and report.job.id not in stored:
                log.warning(
                    "refused: a late result (%s) of job %d, task run %s, attempt %s",
                    report.body.get("state"), report.job.id, report.body.get("task_run_id"), report.job.token,
                )  # fmt: skip
        self._forget([report.job for report in reports if report.final])

    def _ring(self, *, work: bool, stream: bool) -> None:
        channels = [name for name, wanted in ((message_queue.WORK, work), (message_queue.STREAM, stream)) if wanted]
        if channels:
            with suppress(*LOST):  # stored it is; the next write will find the connection lost
                message_queue.ring(self._connection.get(), channels)


def _row(report: Report, body: Json) -> dict[str, Json]:
    return {"id": report.job.id, "claim": report.job.claim, "worker": report.job.worker, "body": body}


def _result(report: Report) -> str:
    """JSON text of one result row; outputs were serialised by the task's own thread and are not parsed again."""
    body = codec.dumps(report.body)
    large = "null"
    if report.outputs is not None:
        if len(report.outputs) > LARGE:
            large = report.outputs
        else:
            body = f'{body[:-1]},"outputs":{report.outputs}}}'
    return (
        f'{{"id":{report.job.id},"claim":{report.job.claim},"worker":{codec.dumps(report.job.worker)},'
        f'"body":{body},"large":{large}}}'
    )
