"""Which PostgreSQL is used: `DATABASE_URL`, or the embedded one. Knows nothing of Django."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


class PostgresError(Exception):
    """The database cannot be used; the message tells the operator why, in one line."""


@dataclass(frozen=True, slots=True)
class Database:
    conninfo: str
    direct_conninfo: str

    @property
    def django(self) -> dict[str, Any]:
        parts = conninfo_to_dict(self.conninfo)
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        options = {key: value for key, value in parts.items() if key not in names}
        return {setting: str(parts.get(key) or "") for key, setting in names.items()} | {"OPTIONS": options}


def configured() -> Database:
    url = os.environ.get("DATABASE_URL")
    try:
        conninfo = make_conninfo(url or "dbname=celesta host=127.0.0.1 port=1")
        direct = make_conninfo(os.environ.get("DATABASE_DIRECT_URL") or conninfo)
    except psycopg.ProgrammingError as error:
        raise PostgresError(f"DATABASE_URL is not a PostgreSQL address: {str(error).strip()}") from None
    return Database(conninfo, direct)


def dsn() -> str:
    return configured().conninfo


@contextmanager
def in_use() -> Iterator[None]:
    yield
