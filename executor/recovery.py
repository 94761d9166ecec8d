"""Keeps this executor's row alive, finds dead processes and work that nobody has any more."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from executions import services, slots
from executions.ids import new_id
from executions.queue import postgres as queue
from executions.queue.postgres import Job
from executions.services import Service
from executor.background import Background
from executor.clock import Clock
from executor.connections import Connection
from executor.full_look import FullLook
from executor.telemetry import count, counters, tell
from flows import catalog

EVERY = 0.25
BEAT = 2.0
# By heartbeat: no new one for so long while this loop looked. Its own clock counts, and a pause between two looks for a
# second at most: neither a jump of the database's clock nor a sleep of the whole machine makes anybody dead.
SILENCE = 8.0
LONGEST_PAUSE = 1.0
# By session lock: found free for so long without a heartbeat in between. A worker that merely lost its connection
# has a new one, and the lock again, sooner.
UNLOCKED = 0.5
# After (re)connecting, locks mean nothing for a while: everybody else is reconnecting too.
SETTLING = 3.0
LOST_CLAIM = 2.0
SLOW_LOOK = 5.0
UNCLAIMED = 5.0
Ring = Callable[[Sequence[Job]], None]


@dataclass(slots=True)
class _Watched:
    """One service since its last heartbeat: seconds that were looked at without a new one, and without its lock."""

    silent: float = 0.0
    unlocked: float = 0.0
    has_lock: bool = True


class Recovery(Background):
    name = "recovery"

    def __init__(self, clock: Clock, threads: int, ring: Ring | None) -> None:
        super().__init__()
        self.id = new_id()
        self._clock, self._threads, self._ring = clock, threads, ring
        self._lock_key = 0
        self._enlisted = False
        self._last_beat = self._last_sweep = self._since = 0.0
        self._slow_look = FullLook(SLOW_LOOK)
        self._rung: dict[int, tuple[float, float]] = {}  # job -> when to ring for it again, and the interval after
        self._watched: dict[tuple[str, str], _Watched] = {}  # by service and its last heartbeat

    def opened(self, connection: Connection) -> None:
        """The lock comes before the row: a row without lock is a dead process."""
        self._since = self._last_sweep = time.monotonic()
        self._watched.clear()
        if not self._lock_key:
            self._lock_key = secrets.randbits(62)
        services.lock(connection, self._lock_key)
        if not self._enlisted:
            self._enlist(connection)

    def closing(self, connection: Connection) -> None:
        services.leave(connection, self.id)

    def turn(self, connection: Connection) -> float:
        now = time.monotonic()
        if now - self._last_beat >= BEAT:
            self._last_beat = now
            self._clock.adjust(connection)
            if not services.beat(connection, self.id, "RUNNING", counters()):
                self.id = new_id()
                self._enlist(connection)
        self._sweep(connection, now)
        if self._slow_look.is_due():
            with self._slow_look:
                self._look_slowly(connection)
        return EVERY

    def _enlist(self, connection: Connection) -> None:
        row = {
            "id": self.id,
            "kind": "executor",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "lock_key": self._lock_key,
            "threads": self._threads,
        }
        services.enlist(connection, row, counters())
        self._enlisted = True

    def _sweep(self, connection: Connection, now: float) -> None:
        passed, self._last_sweep = min(now - self._last_sweep, LONGEST_PAUSE), now
        seen = services.others(connection, self.id)
        before, self._watched = self._watched, {}
        for service in seen:
            key = service.id, service.beat
            self._watched[key] = _look(before.get(key), service, passed)
        dead = [service for service in seen if self._is_dead(self._watched[service.id, service.beat], now)]
        buried = services.bury(connection, dead) if dead else []
        for service_id, kind in buried:
            tell("worker.lost", service=service_id, kind=kind)
            count("services_lost")
        if buried:
            self._lose_jobs(connection, 0.0)

    def _is_dead(self, watched: _Watched, now: float) -> bool:
        if watched.unlocked >= UNLOCKED and now - self._since > SETTLING:
            return True
        return watched.silent > SILENCE

    def _lose_jobs(self, connection: Connection, seconds: float) -> None:
        lost = queue.lose_jobs(connection, seconds)
        if lost:
            queue.notify(connection, queue.WORK)
            tell("jobs.lost", jobs=len(lost), workers=",".join(sorted({worker for _, _, worker in lost})))
            count("jobs_lost", len(lost))

    def _look_slowly(self, connection: Connection) -> None:
        """What no event tells of."""
        self._lose_jobs(connection, LOST_CLAIM)
        self._ring_again(connection, queue.unclaimed_jobs(connection, UNCLAIMED))
        queue.park_strays(connection)
        for namespace, flow_id in slots.drop_orphans(connection):
            self._grant(connection, namespace, flow_id)

    def _ring_again(self, connection: Connection, unclaimed: Sequence[Job]) -> None:
        """Each job at growing intervals: those that merely wait for busy workers must not flood a broker."""
        if not unclaimed:
            self._rung.clear()
            return
        queue.notify(connection, queue.JOBS, "r")
        if self._ring is None:
            return
        now = time.monotonic()
        known = {job.id: self._rung.get(job.id, (0.0, SLOW_LOOK)) for job in unclaimed}
        due = [job for job in unclaimed if known[job.id][0] <= now]
        known |= {job.id: (now + known[job.id][1], known[job.id][1] * 2) for job in due}
        self._rung = known
        if due:
            self._ring(due)

    def _grant(self, connection: Connection, namespace: str, flow_id: str) -> None:
        try:
            flow = catalog.load(connection, namespace, flow_id)
        except LookupError:
            return
        if flow.concurrency is not None:
            with connection.transaction():
                slots.hold(connection, [(namespace, flow_id)])
                slots.grant(connection, namespace, flow_id, flow.concurrency.limit, self._clock.now())
            queue.notify(connection, queue.WORK)


def _look(before: _Watched | None, service: Service, passed: float) -> _Watched:
    if before is None:
        return _Watched(has_lock=not service.is_unlocked)
    is_still_unlocked = service.is_unlocked and not before.has_lock
    return _Watched(
        silent=before.silent + passed,
        unlocked=before.unlocked + passed if is_still_unlocked else 0.0,
        has_lock=not service.is_unlocked,
    )
