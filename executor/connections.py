"""Connections of the executor's own threads: read committed, straight to the server, and how their errors are told apart."""

import logging
import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from psycopg import errors

Connection = psycopg.Connection[tuple[Any, ...]]
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
# The whole transaction is tried again: nobody's fault, and the next time it goes well.
AGAIN = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.IdleInTransactionSessionTimeout,
    errors.QueryCanceled,
)
# A frozen executor must not hold its executions for ever: the others end its sessions after 8 s (recovery), the server
# does at last. Not before the engine may be done with the largest batch: 100,000 task runs take it 3 s of CPU, 16 s on a
# crowded machine. Plans must not flip while tables are young and empty.
_SETTINGS = (
    "SET lock_timeout = '5s'",
    "SET statement_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",  # some statements would be planned anew each time otherwise
    "SET jit = off",
)

# psycopg tells of lost notifications and failed resets by its own logger; ours says it once.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def connect(name: str, *, autocommit: bool = False, tuned: bool = True) -> Connection:
    """Behind a transaction-pooling proxy listeners and session locks need the direct address, so all take it."""
    connection = psycopg.connect(
        settings.DATABASE_DIRECT_DSN,
        autocommit=True,
        # Whose it is: the sessions of an executor that is held for dead are ended (services.sql, bury).
        application_name=f"celesta executor {name} {os.getpid()}@{socket.gethostname()[:20]}",
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        prepare_threshold=0,
    )
    if tuned:
        connection.execute("; ".join(_SETTINGS), prepare=False)
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.autocommit = autocommit
    return connection


def is_again(error: BaseException) -> bool:
    return isinstance(error, AGAIN)


def is_lost(error: BaseException) -> bool:
    """The connection or the server is away, full or stopping; not: what this very statement asked was impossible."""
    if not isinstance(error, LOST) or isinstance(error, AGAIN):
        return False
    state = getattr(error, "sqlstate", None)
    return state is None or state[:2] in ("08", "53", "57")


def is_transient(error: BaseException) -> bool:
    """Trying the same again later may well succeed."""
    return is_again(error) or is_lost(error)


def close_quietly(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(psycopg.Error):
            connection.close()


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
