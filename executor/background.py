"""A thread with a connection of its own that does one thing again and again and survives whatever happens to it."""

import os
import select
import threading

from executor.connections import Connection, close_quietly, connect, first_line, is_transient
from executor.telemetry import count, tell


class Background:
    """Subclasses give `turn`, which answers how many seconds to wait; `channel` is listened to while waiting."""

    name = "background"
    channel: str | None = None

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._wake_read, self._wake_write = os.pipe()
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self._stopping.set()
        os.write(self._wake_write, b"x")

    def turn(self, connection: Connection) -> float:
        raise NotImplementedError

    def opened(self, connection: Connection) -> None:
        """A new connection: nothing is known any more of what the old one saw."""

    def closing(self, connection: Connection) -> None:
        """The last words of a graceful stop."""

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            try:
                seconds = self.turn(self._connected())
                self._wait(seconds)
                pause = 0.1
            except Exception as error:
                transient = is_transient(error)
                tell(
                    "database.lost" if transient else "loop.failed",
                    exc_info=not transient,
                    loop=self.name,
                    error=first_line(error),
                )
                count("background_failures")
                self._disconnect()
                self._stopping.wait(pause)
                pause = min(pause * 2, 2.0)
        self._end()

    def _end(self) -> None:
        try:
            if self._connection is not None and not self._connection.closed:
                self.closing(self._connection)
        except Exception as error:
            tell("database.lost", loop=self.name, error=first_line(error))
        self._disconnect()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = connect(self.name, autocommit=True)
            if self.channel is not None:
                connection.execute(f"LISTEN {self.channel}", prepare=False)
            self.opened(connection)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        close_quietly(connection)

    def _wait(self, seconds: float) -> None:
        """Also ends when something comes over the connection: a notification, or the end of it."""
        if self._connection is None or seconds <= 0:
            return
        pgconn = self._connection.pgconn
        readable, _, _ = select.select([pgconn.socket, self._wake_read], [], [], seconds)
        if pgconn.socket in readable:
            pgconn.consume_input()
            while pgconn.notifies():
                pass
