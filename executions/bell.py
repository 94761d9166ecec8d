"""Doorbells after a commit: one NOTIFY for many small transactions. Losing one costs latency, never a message."""

import threading
from contextlib import suppress

from django.db import connection as django_connection
from django.db import transaction

from executions import database
from executions.queue import postgres as queue

_lock = threading.Lock()
_wanted: set[str] = set()


def ring(*channels: str) -> None:
    """Wake the readers of these channels (executors and followers) once the caller's transaction has committed."""
    wanted = channels or (queue.WORK, queue.STREAM)
    pending = {getattr(entry[1], "channels", None) for entry in django_connection.run_on_commit}
    if wanted not in pending:
        transaction.on_commit(_Ring(wanted), robust=True)


class _Ring:
    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels

    def __call__(self) -> None:
        """NOTIFY takes a database-wide lock at its commit: threads that ring while one does are rung for together."""
        _wanted.update(self.channels)
        while _wanted and _lock.acquire(blocking=False):
            try:
                self._notify()
            finally:
                _lock.release()

    def _notify(self) -> None:
        channels = []
        with suppress(KeyError):
            while True:
                channels.append(_wanted.pop())
        if channels:
            queue.ring(database.current(), channels)
