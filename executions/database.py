"""The psycopg connection of the caller's own Django transaction, as `store` and `queue` want it. Holds no SQL."""

from typing import Any

import orjson
from django.db import connection as django_connection
from psycopg.types.json import JsonbLoader


class _Decoded(JsonbLoader):
    """Django's connections hand out jsonb as text; everything below the ORM expects values."""

    def load(self, data: Any) -> Any:
        return orjson.loads(data)


class _PlainConnection:
    """The raw connection, with cursors that decode jsonb."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        cursor = self._raw.cursor(*arguments, **options)
        cursor.adapters.register_loader("jsonb", _Decoded)
        return cursor

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return self.cursor().execute(query, params, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def current() -> Any:
    """The connection of this thread's Django transaction: what is written with it commits or rolls back with it."""
    django_connection.ensure_connection()
    return _PlainConnection(django_connection.connection)
