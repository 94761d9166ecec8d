"""The table of what this process has claimed: what waits for a thread, what runs, what was given back. No SQL."""

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from executor.worker.attempt import Attempt

# A job that no thread could start within this time goes back to the queue.
PATIENCE = 0.05
# Work for about this long lies ready per thread, at most RUNWAY jobs: claims of free threads only reach a sixth
# of the rate with tiny tasks, a fixed prefetch strands short tasks behind long ones (dispatch.md).
READY_SECONDS = 0.02
RUNWAY = 64
# Results that wait for the flusher also count against what may be claimed.
UNWRITTEN_LIMIT = 1000


@dataclass(slots=True)
class Held:
    """One claimed job. `worker` and `claim` fence it: the database refuses what an older claim brings."""

    id: int
    claim: int
    worker: str
    light: bool
    kill: bool
    token: str
    payload: str
    taken: float
    leader: int  # the job at the head of the message it travels in
    started: float | None = None
    attempt: Attempt | None = None


class Slots:
    """Thread-safe. `room()` is the runway of dispatch.md: it adapts to the mean time of a task."""

    def __init__(self, threads: int, runway: int = RUNWAY) -> None:
        self.threads, self.runway = threads, runway
        self.mean = 1.0
        self.hungry = False  # more jobs may be waiting in the database than the last claim took
        self._lock = threading.Lock()
        self._held: dict[int, Held] = {}
        self._running: dict[int, Held] = {}
        self._waiting: dict[int, Held] = {}
        self._dropped: list[Held] = []
        self._last_end = 0.0
        self.wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self.wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self.busy = threading.Event()

    def wake(self) -> None:
        """Get the claiming thread out of its wait."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b"x")

    def room(self) -> int:
        """How many jobs to claim now."""
        with self._lock:
            return self._room()

    def _room(self) -> int:
        running, waiting = len(self._running), len(self._waiting)
        if len(self._held) - running - waiting > UNWRITTEN_LIMIT:
            return 0
        ready = min(self.runway, int(self.threads * READY_SECONDS / max(self.mean, 1e-6)))
        limit = self.threads + ready
        taken = running + waiting
        if running >= self.threads and self._is_stuck(time.monotonic()):
            return 0
        return limit - taken if taken < self.threads or taken <= limit // 2 else 0

    def _is_stuck(self, now: float) -> bool:
        """No thread came free for a while: what is claimed now would only wait."""
        return now - max(self._last_end, max(job.started or 0.0 for job in self._running.values())) > PATIENCE

    def add(self, jobs: Iterable[Held]) -> list[Held]:
        """Those that are new. A claim that a crash of the database forgot may come again, of a job that runs here."""
        new = []
        with self._lock:
            for job in jobs:
                known = self._held.get(job.id)
                if known is None:
                    self._held[job.id] = self._waiting[job.id] = job
                    new.append(job)
                else:
                    known.claim, known.worker = job.claim, job.worker
        return new

    def start(self, job_id: int) -> Held | None:
        """The job, now running; None when it was given back meanwhile."""
        with self._lock:
            job = self._waiting.pop(job_id, None)
            if job is None:
                return None
            job.started = time.monotonic()
            self._running[job_id] = job
            self.busy.set()
            return job

    def end(self, job: Held) -> None:
        """Its thread is free; the result is in the flusher's hands."""
        with self._lock:
            if self._running.pop(job.id, None) is None:
                return
            self._last_end = now = time.monotonic()
            self.mean += 0.1 * (now - (job.started or now) - self.mean)
            if not self._running:
                self.busy.clear()
            refill = self.hungry and self._room() > 0
        if refill:
            self.wake()

    def forget(self, jobs: Iterable[Held]) -> None:
        """Results stored or refused: nothing of these jobs is ours any more."""
        with self._lock:
            for job in jobs:
                if self._held.get(job.id) is job:
                    del self._held[job.id]

    def overdue(self) -> list[Held]:
        """Takes out the jobs that waited too long and that no thread is about to start."""
        now = time.monotonic()
        with self._lock:
            if not self._waiting:
                return []
            full = len(self._running) >= self.threads
            late = [
                job
                for job in self._waiting.values()
                if now - job.taken > PATIENCE and ((full and self._is_stuck(now)) or self._is_behind(job, now))
            ]
            return self._take_out(late)

    def _is_behind(self, job: Held, now: float) -> bool:
        """The jobs of one message run one after the other: one of them is taking its time."""
        if job.leader == job.id:
            return False
        ahead = [other for other in self._running.values() if other.leader == job.leader]
        return any(now - (other.started or now) > PATIENCE for other in ahead)

    def unstarted(self) -> list[Held]:
        """Takes out everything that does not run yet."""
        with self._lock:
            return self._take_out(list(self._waiting.values()))

    def _take_out(self, jobs: list[Held]) -> list[Held]:
        for job in jobs:
            del self._waiting[job.id]
            del self._held[job.id]
        return jobs

    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def running(self) -> list[Held]:
        with self._lock:
            return list(self._running.values())

    def known(self) -> set[int]:
        with self._lock:
            return set(self._held)

    def count(self) -> int:
        return len(self._held)
