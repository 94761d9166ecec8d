"""Key-value pairs of namespaces: typed values with a time to live. SQL only; the caller owns the transaction."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from executions.codec import dumps, loads
from executions.named_sql import load as load_sql
from flows.definition.durations import format_duration, parse_duration
from flows.expressions import taint

Json = Any
Connection = Any
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
MAX_KEY = 256
MAX_VALUE = 1 << 20  # characters of JSON
TYPES = ("STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON")


class InvalidKeyValue(ValueError):
    """The message is for the user."""


class KeyExists(InvalidKeyValue):
    def __init__(self, namespace: str, key: str) -> None:
        super().__init__(f"Key already exists: {key} in namespace {namespace}")


@dataclass(frozen=True, slots=True)
class Pair:
    namespace: str
    key: str
    type: str
    value: Json
    description: str
    created: datetime
    updated: datetime
    expires: datetime | None
    revision: int = 1


def get(connection: Connection, namespace: str, key: str, *, inherit: bool = False) -> Pair | None:
    """The live pair; with `inherit`, that of the nearest parent namespace that has one."""
    rows = connection.execute(
        _SQL["get"], {"namespaces": _chain(namespace) if inherit else [namespace], "key": key}
    ).fetchall()
    pairs = [_pair(row) for row in rows]
    return max(pairs, key=lambda pair: len(pair.namespace), default=None)


def put(
    connection: Connection,
    namespace: str,
    key: str,
    value: Json,
    *,
    type_name: str | None = None,
    ttl: timedelta | None = None,
    description: str | None = None,
    overwrite: bool = True,
) -> Pair:
    """Raises InvalidKeyValue, and KeyExists unless `overwrite`."""
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
        raise InvalidKeyValue(
            f"Key must start with an alphanumeric character (uppercase or lowercase) and can contain"
            f" alphanumeric characters, dots (.), underscores (_), or hyphens (-): {key[:100]}"
        )
    type_name, value = typed(value, type_name)
    text = dumps(value)
    if len(text) > MAX_VALUE:
        raise InvalidKeyValue(f"The value is larger than the limit of {MAX_VALUE:,} characters")
    row = connection.execute(
        _SQL["put"],
        {
            "namespace": namespace,
            "key": key,
            "type": type_name,
            "value": text,
            "seconds": None if ttl is None else ttl.total_seconds(),
            "description": description,
            "overwrite": overwrite,
        },
    ).fetchone()
    if row is None:
        raise KeyExists(namespace, key)
    return _pair(row)


def delete(connection: Connection, namespace: str, key: str) -> bool:
    return bool(connection.execute(_SQL["delete"], {"namespace": namespace, "keys": [key]}).rowcount)


def delete_all(connection: Connection, namespace: str, keys: Sequence[str]) -> list[str]:
    rows = connection.execute(_SQL["delete"], {"namespace": namespace, "keys": list(keys)}).fetchall()
    return [row[0] for row in rows]


def pairs(connection: Connection, namespace: str, prefix: str = "") -> list[Pair]:
    """Live ones, by key."""
    rows = connection.execute(_SQL["list"], {"namespace": namespace, "prefix": prefix}).fetchall()
    return [_pair(row) for row in rows]


def everywhere(connection: Connection, *, expired_only: bool) -> list[tuple[str, str]]:
    """(namespace, key) of all pairs, or of those past their time, which nothing else shows."""
    rows = connection.execute(_SQL["everywhere"], {"expired_only": expired_only}).fetchall()
    return [(row[0], row[1]) for row in rows]


def purge(connection: Connection, names: Sequence[tuple[str, str]], *, expired_only: bool) -> int:
    parameters = {
        "namespaces": [namespace for namespace, _ in names],
        "keys": [key for _, key in names],
        "expired_only": expired_only,
    }
    return int(connection.execute(_SQL["purge"], parameters).rowcount)


def typed(value: Json, type_name: str | None) -> tuple[str, Json]:
    """The type and the value as stored. Without a type, the value tells. Raises InvalidKeyValue."""
    if taint.is_tainted(value):
        # Read as any other value, and secret again: it is sealed when it is written.
        type_name, plain = typed(taint.reveal(value), type_name)
        return type_name, taint.spread_values(plain)
    if type_name is None:
        return _guess(value)
    if type_name not in TYPES:
        raise InvalidKeyValue(f"Unknown type of value: {type_name}; one of {', '.join(TYPES)}")
    try:
        return type_name, _READERS[type_name](value)
    except (ValueError, TypeError) as error:
        raise InvalidKeyValue(f"Not a {type_name}: {str(value)[:100]} ({error})") from None


def _guess(value: Json) -> tuple[str, Json]:
    if isinstance(value, bool):
        return "BOOLEAN", value
    if isinstance(value, int | float):
        return "NUMBER", value
    if isinstance(value, datetime):
        return "DATETIME", _read_datetime(value)
    if isinstance(value, date):
        return "DATE", value.isoformat()
    if isinstance(value, timedelta):
        return "DURATION", format_duration(value)
    if isinstance(value, str):
        return "STRING", value
    return "JSON", value


def _read_number(value: Json) -> Json:
    if isinstance(value, bool):
        raise ValueError("a truth value")
    if isinstance(value, int | float):
        return value
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _read_boolean(value: Json) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _read_datetime(value: Json) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_json(value: Json) -> Json:
    return loads(value) if isinstance(value, str) else value


_READERS: dict[str, Callable[[Json], Json]] = {
    "STRING": str,
    "NUMBER": _read_number,
    "BOOLEAN": _read_boolean,
    "DATETIME": _read_datetime,
    "DATE": lambda value: date.fromisoformat(str(value).strip()[:10]).isoformat(),
    "DURATION": lambda value: format_duration(parse_duration(value)),
    "JSON": _read_json,
}


def _chain(namespace: str) -> list[str]:
    parts = namespace.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _pair(row: Sequence[Any]) -> Pair:
    namespace, key, type_name, value, description, created, updated, expires = row
    return Pair(namespace, key, type_name, loads(value), description or "", created, updated, expires)
