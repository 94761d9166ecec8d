"""Database connections of the worker's own threads. Each is held for long and opened again when it broke."""

import time
from typing import Any

import psycopg
from django.conf import settings

from executor.connections import LOST, first_line, is_lost

__all__ = ["BY_KEY", "LAZY_COMMIT", "LOST", "Reconnecting", "connect", "first_line"]

# Claims and heartbeats may be lost in a crash of the server: the token fences what they handed out.
LAZY_COMMIT = "SET synchronous_commit = off"
# One plan is kept, and made while the tables are all but empty: a scan would walk through every dead row later.
BY_KEY = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"


def connect(name: str, *settings_sql: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Autocommit, straight to the server: session locks and LISTEN do not survive a transaction pool."""
    connection = psycopg.connect(
        settings.DATABASE_DIRECT_DSN,
        autocommit=True,
        application_name=f"celesta {name}",
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )
    for statement in ("SET lock_timeout = '30s'", *settings_sql):
        connection.execute(statement)
    return connection


class Reconnecting:
    """A connection that is opened at first use and again after `lost()`."""

    def __init__(self, name: str, *settings_sql: str) -> None:
        self._name, self._settings_sql = name, settings_sql
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def get(self) -> "psycopg.Connection[tuple[Any, ...]]":
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._name, *self._settings_sql)
        return self._connection

    def alive(self, patience: float) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection that answers; while the server is away, waited for so many seconds. Raises what `connect` does."""
        deadline, pause = time.monotonic() + patience, 0.1
        while True:
            try:
                connection = self.get()
                connection.execute("SELECT 1")
                return connection
            except LOST as error:
                self.lost()
                if not is_lost(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def lost(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    close = lost
