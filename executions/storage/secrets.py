"""Secrets of namespaces: only their encrypted form is stored. SQL only; the caller owns the transaction."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from executions import encryption
from executions.named_sql import load as load_sql

Connection = Any
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
MAX_KEY = 256
MAX_VALUE = 64 * 1024


class InvalidSecret(ValueError):
    """The message is for the user and never holds the value."""


def find(connection: Connection, namespace: str, key: str) -> str | None:
    """In the clear: that of the nearest namespace that has one, else the site's `SECRET_<KEY>`. Raises CannotDecrypt."""
    row = connection.execute(_SQL["find"], {"namespaces": chain(namespace), "key": key}).fetchone()
    if row is None:
        found: str | None = settings.CELESTA.secret(key)
        return found
    return opened(row[0])


def put(connection: Connection, namespace: str, key: str, value: str, description: str = "") -> None:
    """Raises InvalidSecret."""
    check_key(key)
    parameters = {"namespace": namespace, "key": key, "value": closed(value), "description": description}
    connection.execute(_SQL["put"], parameters)


def delete(connection: Connection, namespace: str, key: str) -> bool:
    return bool(connection.execute(_SQL["delete"], {"namespace": namespace, "key": key}).rowcount)


def names(connection: Connection, namespaces: Sequence[str]) -> list[tuple[str, str]]:
    """(namespace, key) of what is stored there."""
    rows = connection.execute(_SQL["names"], {"namespaces": list(namespaces)}).fetchall()
    return [(row[0], row[1]) for row in rows]


def may_read(namespace: str, of: str) -> bool:
    """A namespace reads its own secrets and those of its parents, nobody else's."""
    return of in chain(namespace)


def chain(namespace: str) -> list[str]:
    """The namespace and its parents, the nearest first."""
    parts = namespace.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def check_key(key: str) -> None:
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
        raise InvalidSecret(
            "The name of a secret starts with a letter or digit and holds letters, digits, dots, underscores and hyphens"
        )


def closed(value: str) -> str:
    """As it is stored. Raises InvalidSecret."""
    if not encryption.is_configured():
        raise InvalidSecret("Secrets cannot be stored without an encryption key (CELESTA_ENCRYPTION_KEY)")
    if not value or len(value) > MAX_VALUE:
        raise InvalidSecret(f"A secret has between 1 and {MAX_VALUE:,} characters")
    return encryption.encrypt(value)["value"]


def opened(token: str) -> str:
    """Raises CannotDecrypt."""
    return encryption.decrypt({"value": token})
