"""Looks at the running attempts twenty times a second: tells of starts, and of tasks inside, sends logs on, times out.
Asleep when idle."""

import threading
import time
from collections.abc import Callable

from executor.worker.slots import Held, Slots

EVERY = 0.05
# Log lines of a running attempt go out this often, or sooner when many have gathered.
LOG_EVERY = 0.2
MANY_LINES = 500
# A thread that does not come back this long after it was stopped is left to itself; its attempt ends without it.
GRACE = 8.0


class Watch:
    def __init__(
        self,
        slots: Slots,
        announce: Callable[[Held], None],
        send_logs: Callable[[Held], None],
        give_up: Callable[[Held], None],
    ) -> None:
        self._slots, self._announce, self._send_logs, self._give_up = slots, announce, send_logs, give_up
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._last_logs = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._slots.busy.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _run(self) -> None:
        while not self._stopping:
            self._slots.busy.wait()
            time.sleep(EVERY)
            now = time.monotonic()
            logs_due = now - self._last_logs > LOG_EVERY
            if logs_due:
                self._last_logs = now
            for job in self._slots.running():
                self._look(job, now, logs_due)

    def _look(self, job: Held, now: float, logs_due: bool) -> None:
        attempt = job.attempt
        if attempt is None or attempt.finished:
            return
        if (not attempt.announced and now - (job.started or now) > EVERY) or (attempt.announced and attempt.has_news):
            attempt.announced = True
            self._announce(job)
        lines = attempt.unwritten()
        if lines and (logs_due or lines > MANY_LINES):
            self._send_logs(job)
        if attempt.deadline is not None and now > attempt.deadline:
            attempt.deadline = None
            attempt.stop_aside(killed=False)
        if attempt.stopped and now - attempt.stopped_at > GRACE:
            self._give_up(job)
