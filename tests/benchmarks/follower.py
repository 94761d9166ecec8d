"""Sees ends as a client would: after the commit, by the stream's notifications. One thread, one connection."""

import threading
import time
from typing import Any

import psycopg

from executions.ids import to_base62

TERMINAL = ["SUCCESS", "FAILED", "WARNING", "KILLED", "CANCELLED"]
_NEW = """SELECT id, execution_id, body->>'state' FROM queues
WHERE id > %s AND stream AND type = 'execution' ORDER BY id"""
_LATE = """SELECT id, execution_id, body->>'state' FROM queues WHERE id = ANY(%s) AND stream AND type = 'execution'"""
_HIGH = "SELECT COALESCE(max(id), 0) FROM queues"
GAP_SECONDS = 1.0


class Follower:
    """`seen` is execution id to the moment (seconds since the epoch) at which its end was read."""

    def __init__(self, conninfo: str) -> None:
        self.seen: dict[str, float] = {}
        self._connection: Any = psycopg.connect(conninfo, autocommit=True, application_name="benchmark follower")
        self._connection.execute("LISTEN celesta_stream")
        self.backend = self._connection.info.backend_pid
        self._high = self._connection.execute(_HIGH).fetchone()[0]
        self._gaps: dict[int, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._connection.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            list(self._connection.notifies(timeout=0.1, stop_after=1))
            self._read()

    def _read(self) -> None:
        """New rows, and those that were committed later than ones with higher numbers."""
        rows = self._connection.execute(_NEW, [self._high]).fetchall()
        now = time.time()
        self._gaps = {number: since for number, since in self._gaps.items() if now - since < GAP_SECONDS}
        late = self._connection.execute(_LATE, [list(self._gaps)]).fetchall() if self._gaps else []
        for number, _, _ in rows:
            self._gaps.update(dict.fromkeys(range(max(self._high + 1, number - 2000), number), now))
            self._high = number
        for number, execution, state in [*late, *rows]:
            self._gaps.pop(number, None)
            if state in TERMINAL:
                self.seen.setdefault(to_base62(execution), now)
