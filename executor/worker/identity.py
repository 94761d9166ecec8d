"""Who this worker is: its row, its heartbeat, the session lock that tells of its death, and the kills meant for it."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from executions import codec
from executions.ids import new_id
from executor.worker.connect import LAZY_COMMIT, LOST, connect, first_line
from executor.worker.flusher import SQL

log = logging.getLogger("celesta.worker")
BEAT = 2.0
# Silent for longer (database away, process frozen), this worker may be held for dead: it starts nothing.
STALE = 6.0


class Identity:
    """One thread and one connection. `on_kill` gets the ids of jobs to stop; `on_lost` is called when others held
    this worker for dead: everything it claimed is no longer its own; `on_drain` when an operator wants it to take
    nothing more."""

    def __init__(
        self,
        queues: Sequence[str],
        threads: int,
        held: Callable[[], set[int]],
        on_kill: Callable[[Sequence[int]], None],
        on_lost: Callable[[], None],
        on_drain: Callable[[], None],
    ) -> None:
        self.id = new_id()
        self._lock_key = secrets.randbits(62)
        self._queues, self._threads = queues, threads
        self._held, self._on_kill, self._on_lost, self._on_drain = held, on_kill, on_lost, on_drain
        self._asked_to_drain = False
        self._last_beat = 0.0
        self._enlisted = False
        self._stopping = threading.Event()
        self.draining = False
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def is_fresh(self) -> bool:
        """Whether this worker may claim and start jobs."""
        return time.monotonic() - self._last_beat < STALE

    def start(self) -> None:
        """Raises when the database cannot be reached."""
        self._open()
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """The row goes at last: nobody shall take a worker that drains for dead."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)
        try:
            if self._connection is not None:
                self._connection.execute(SQL["leave"], {"id": self.id})
                self._connection.close()
        except LOST as error:
            log.warning("this worker's row stays for the sweeper: %s", error)

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            try:
                if self._connection is None:
                    self._open()
                self._listen()
                self._beat()
                pause = 0.1
            except LOST as error:
                log.warning("no heartbeat: %s", first_line(error))
                self._drop_connection()
                self._stopping.wait(pause)
                pause = min(pause * 2, 2.0)
            except Exception:
                log.exception("the heartbeat goes on")
                self._stopping.wait(1.0)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> None:
        """The lock comes before the row: a row without a lock is a dead worker."""
        connection = connect("worker heartbeat", LAZY_COMMIT)
        connection.execute("SELECT pg_advisory_lock(%s)", (self._lock_key,))
        connection.execute("LISTEN celesta_kill")
        self._connection = connection
        if not self._enlisted:
            self._enlist()

    def _enlist(self) -> None:
        assert self._connection is not None
        self._connection.execute(
            SQL["enlist"],
            {
                "id": self.id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "lock_key": self._lock_key,
                "queues": codec.dumps(list(self._queues)),
                "threads": self._threads,
                "facts": codec.dumps({}),
            },
        )
        self._enlisted = True

    def _listen(self) -> None:
        """Until the next heartbeat is due or a kill is announced."""
        assert self._connection is not None
        due = self._last_beat + BEAT - time.monotonic()
        deadline = time.monotonic() + max(due, 0.01)
        while not self._stopping.is_set() and (left := deadline - time.monotonic()) > 0:
            # The generator holds the connection's lock until it is exhausted: nothing may be asked before that.
            if list(self._connection.notifies(timeout=min(left, 0.5), stop_after=1)):
                self._look_for_kills()

    def _look_for_kills(self) -> None:
        assert self._connection is not None
        held = self._held()
        if held:
            rows = self._connection.execute(SQL["killed"], {"ids": list(held)}).fetchall()
            if rows:
                self._on_kill([row[0] for row in rows])

    def _beat(self) -> None:
        assert self._connection is not None
        asked = time.monotonic()
        state = "DRAINING" if self.draining else "RUNNING"
        row = self._connection.execute(SQL["beat"], {"id": self.id, "state": state}).fetchone()
        if row is None:
            self._be_born_again()
        else:
            self._obey(bool(row[0]))
        self._last_beat = asked
        self._look_for_kills()

    def _obey(self, drain: bool) -> None:
        """What an operator asked for since the last heartbeat, if it is another thing than before."""
        if drain == self._asked_to_drain:
            return
        self._asked_to_drain = drain
        log.info("asked to %s", "take no more work" if drain else "take work again")
        if drain:
            self._on_drain()
        else:
            self.draining = False

    def _be_born_again(self) -> None:
        log.warning("worker %s was held for dead: its jobs were given to others; going on under a new id", self.id)
        self._on_lost()
        self.id, self._lock_key, self._enlisted = new_id(), secrets.randbits(62), False
        self._drop_connection()
        self._open()
