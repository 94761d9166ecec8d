"""All parts of one worker process, put together: started and stopped here, and asked by transport and Celery task."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from executions.ids import to_base62
from executions.messages import iso
from executor.worker import run
from executor.worker.attempt import Attempt
from executor.worker.claims import Claims
from executor.worker.feed import Feed
from executor.worker.flusher import Flusher, Report
from executor.worker.identity import Identity
from executor.worker.outcome import Outcome, stopped_outcome
from executor.worker.slots import RUNWAY, Held, Slots
from executor.worker.tools import Tools
from executor.worker.watch import Watch

log = logging.getLogger("celesta.worker")


class Worker:
    """`direct`: claimed jobs are run by threads of this very process, so messages need to carry ids only."""

    def __init__(self, queues: Sequence[str], threads: int, *, direct: bool = True, runway: int = RUNWAY) -> None:
        self.direct = direct
        self.slots = Slots(threads, runway)
        self.claims = Claims(self.slots)
        self.flusher = Flusher(self.slots.forget)
        self.identity = Identity(queues, threads, self.slots.known, self.kill, self._held_for_dead, self.drain)
        poll = settings.CELESTA.executor_poll_ms / 1000
        self.feed = Feed(self.slots, self.claims, self.identity, lambda: self.identity.draining, poll)
        self.watch = Watch(self.slots, self._announce, self._send_logs, self._give_up)
        self.tools = Tools()

    def start(self) -> None:
        """Raises when the database cannot be reached."""
        self.identity.start()
        self.flusher.start()
        self.watch.start()

    def drain(self) -> None:
        """Nothing more is claimed or started; what runs goes on."""
        self.identity.draining = True
        self.claims.give_back(self.slots.unstarted())

    def stop(self) -> None:
        """Called when no task runs any more."""
        self.drain()
        self.watch.stop()
        self.flusher.stop(timeout=30)
        self.claims.close()
        self.tools.close()
        self.identity.stop()

    # Asked by the transport.

    def message_body(self, jobs: Sequence[Held]) -> str:
        if self.direct:
            named = ",".join(f"[{job.id},null]" for job in jobs)
            return f"[[[{named}]],{{}},{{}}]"
        named = ",".join(f'[{job.id},"{to_base62(UUID(job.token))}"]' for job in jobs)
        return f'[[[{named}]],{{"holder":"{self.identity.id}"}},{{}}]'

    def message_done(self, jobs: Iterable[Held]) -> None:
        """Run by another process (prefork), which took them over: they are no longer ours."""
        if not self.direct:
            for job in jobs:
                self.slots.start(job.id)
                self.slots.end(job)
            self.slots.forget(jobs)

    def message_refused(self, jobs: Iterable[Held]) -> None:
        """Celery could not even start the task."""
        ours = [job for job in jobs if job.id in self.slots.known()]
        self.message_done(ours)
        self.claims.give_back(ours)

    # Asked by the Celery task.

    def run_named(self, named: Sequence[tuple[int, str | None]], holder: str | None = None) -> None:
        """Run jobs one after the other. Never raises."""
        try:
            if named and named[0][1] is not None:
                if not self.identity.is_fresh() or self.identity.draining:
                    return
                taken = [(job, token) for job, token in named if token is not None]
                mine = {job.id for job in self.claims.take(self.identity.id, taken, holder)}
                named = [entry for entry in named if entry[0] in mine]
            for job_id, _ in named:
                self._run_one(job_id)
        except Exception:
            log.exception("jobs %s", named)

    def _run_one(self, job_id: int) -> None:
        job = self.slots.start(job_id)
        if job is None:
            return
        if not self.identity.is_fresh():
            self.slots.end(job)
            self.slots.forget([job])
            self.claims.give_back([job])
            return
        try:
            outcome = run.run(job, self.tools)
            self._report(job, outcome)
        finally:
            self.slots.end(job)

    def _report(self, job: Held, outcome: Outcome) -> None:
        attempt = job.attempt
        if attempt is not None:
            if not attempt.finish():
                log.warning("job %d came back after its attempt had been ended", job.id)
                return
            lines, metrics = attempt.drain()
        else:
            lines, metrics = [], []
        body = outcome.message(started=attempt.started_at if attempt else None, worker=job.worker)
        self.flusher.put(Report(job, body, outcome.outputs, True, lines, metrics))

    # Called by the watch and the heartbeat.

    def kill(self, job_ids: Iterable[int]) -> None:
        wanted = set(job_ids)
        for job in self.slots.running():
            if job.id in wanted and job.attempt is not None:
                job.attempt.stop_aside(killed=True)

    def _held_for_dead(self) -> None:
        """Nothing of what was claimed is ours any more. The recovery loop gives all of it to others."""
        self.slots.unstarted()
        running = self.slots.running()
        for job in running:
            if job.attempt is not None:
                job.attempt.disown()
        self.slots.forget(running)

    def _announce(self, job: Held) -> None:
        attempt = job.attempt
        assert attempt is not None
        body: dict[str, Any] = {
            "task_run_id": attempt.run_id,
            "token": attempt.token,
            "date": iso(attempt.started_at),
            "worker": job.worker,
        }
        if inner := attempt.drain_inner():
            body["children"] = inner
        self.flusher.put(Report(job, body, final=False))

    def _send_logs(self, job: Held) -> None:
        assert job.attempt is not None
        if self.flusher.is_behind():
            return
        lines, metrics = job.attempt.drain()
        self.flusher.put(Report(job, final=False, lines=lines, metrics=metrics))

    def _give_up(self, job: Held) -> None:
        """The thread does not come back: the attempt ends without it; the thread stays busy until it does."""
        attempt = job.attempt
        assert attempt is not None
        if not attempt.finish():
            return
        attempt.log("WARN", "the task did not stop in time and is left to itself; what it still does is ignored")
        outcome = stopped_outcome(attempt)
        lines, metrics = attempt.drain()
        body = outcome.message(started=attempt.started_at, worker=job.worker)
        self.flusher.put(Report(job, body, outcome.outputs, True, lines, metrics))


_current: Worker | None = None


def current() -> Worker:
    if _current is None:
        raise RuntimeError("no worker runs in this process: start one with `manage.py run_worker`")
    return _current


def install(worker: Worker | None) -> None:
    global _current
    _current = worker


__all__ = ["Attempt", "Worker", "current", "install"]
