"""Claims jobs and gives them back: the only place of the worker that changes who owns a job. Thread-safe."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from executions import codec
from executions.ids import to_uuid
from executor.worker.connect import BY_KEY, LAZY_COMMIT, LOST, Reconnecting, first_line
from executor.worker.flusher import SQL
from executor.worker.slots import Held, Slots

log = logging.getLogger("celesta.worker")
# Ids are handed out before their transaction commits: look this far behind the highest id seen.
BEHIND = 1000


class Claims:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self.connection = Reconnecting("worker claims", LAZY_COMMIT, BY_KEY)
        self._low: dict[str, int] = {}
        self._to_return: list[Held] = []
        self._doubtful: set[str] = set()  # worker ids under which a claim may have succeeded unseen

    def claim(self, worker: str, queue: str, limit: int, *, everywhere: bool = True) -> list[Held]:
        """Up to `limit` free jobs of the queue, oldest first; not `everywhere`: none far behind those claimed before.
        Raises when the database is away."""
        with self._lock:
            self._settle()
            low = 0 if everywhere else self._low.get(queue, 0)
            rows = self._run(worker, "claim", {"worker": worker, "queue": queue, "limit": limit, "low": low})
            rows.sort()
            if rows:
                self._low[queue] = max(self._low.get(queue, 0), rows[-1][0] - BEHIND)
            return self._hold(worker, rows)

    def take(self, worker: str, named: Sequence[tuple[int, str]], holder: str | None) -> list[Held]:
        """Those of the named jobs (id, token) that are still free, or held by `holder` for us."""
        jobs = [{"id": job, "token": str(to_uuid(token))} for job, token in named]
        with self._lock:
            self._settle()
            rows = self._run(worker, "take", {"worker": worker, "holder": holder, "jobs": codec.dumps(jobs)})
            rows.sort()
            return self._hold(worker, rows)

    def give_back(self, jobs: Iterable[Held]) -> None:
        """Kept for later when the database is away: nothing claimed may stay with a worker that dropped it."""
        with self._lock:
            self._to_return.extend(jobs)
            try:
                self._settle()
            except LOST as error:
                self.connection.lost()
                log.warning("jobs to give back wait for the database: %s", first_line(error))

    def close(self) -> None:
        with self._lock:
            self.connection.close()

    def _run(self, worker: str, name: str, parameters: dict[str, Any]) -> list[Any]:
        try:
            return self.connection.get().execute(SQL[name], parameters).fetchall()
        except LOST:
            # Perhaps it was committed and only the answer got lost.
            self._doubtful.add(worker)
            self.connection.lost()
            raise

    def _hold(self, worker: str, rows: Sequence[Any]) -> list[Held]:
        now = time.monotonic()
        jobs = [
            Held(id, claim, worker, light, kill, token, payload, now, id)
            for id, claim, light, kill, token, payload in rows
        ]
        return self._slots.add(jobs)

    def _settle(self) -> None:
        """What was to be given back while the database was away, and claims whose answer got lost."""
        for worker in list(self._doubtful):
            known = self._slots.known()
            rows = self.connection.get().execute(SQL["claimed"], {"worker": worker}).fetchall()
            self._to_return.extend(
                Held(id, claim, worker, False, False, "", "", 0.0, id) for id, claim in rows if id not in known
            )
            self._doubtful.discard(worker)
        if self._to_return:
            jobs = [{"id": job.id, "claim": job.claim, "worker": job.worker} for job in self._to_return]
            self.connection.get().execute(SQL["give_back"], {"jobs": codec.dumps(jobs)})
            self._to_return.clear()
