"""Parquet files by pyarrow: read row by row, written in groups of rows, Avro's types as Arrow's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from flows.tasks.base import Json, TaskFailure

ROWS = 10_000
_TYPES: dict[str, Any] = {
    "null": pyarrow.null(), "boolean": pyarrow.bool_(), "int": pyarrow.int32(), "long": pyarrow.int64(),
    "float": pyarrow.float32(), "double": pyarrow.float64(), "bytes": pyarrow.binary(), "string": pyarrow.string(),
    "enum": pyarrow.string(),
}  # fmt: skip
_LOGICAL: dict[str, Any] = {
    "date": pyarrow.date32(), "timestamp-millis": pyarrow.timestamp("ms", "UTC"),
    "timestamp-micros": pyarrow.timestamp("us", "UTC"), "local-timestamp-millis": pyarrow.timestamp("ms"),
    "local-timestamp-micros": pyarrow.timestamp("us"), "time-millis": pyarrow.time32("ms"),
    "time-micros": pyarrow.time64("us"), "uuid": pyarrow.string(),
}  # fmt: skip


def read(path: Path) -> Iterator[Json]:
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise TaskFailure(f"The file cannot be read as Parquet: {error}") from None


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written; without a schema the first rows tell it."""

    schema: Any
    codec: str
    version: str
    rows: int  # in a group

    def opened(self, target: Path, schema: Any) -> parquet.ParquetWriter:
        compression = "none" if self.codec == "UNCOMPRESSED" else self.codec.lower()
        return parquet.ParquetWriter(target, schema, compression=compression, version=self.version)


def write(target: Path, values: Iterator[Json], form: Form) -> int:
    count, writer, schema = 0, None, form.schema
    try:
        while group := list(islice(values, form.rows)):
            table = _table(group, schema, count)
            if writer is None:
                schema = table.schema
                writer = form.opened(target, schema)
            writer.write_table(table)
            count += len(group)
        if writer is None:
            writer = form.opened(target, schema or pyarrow.schema([]))
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise TaskFailure(f"Items {count + 1} and following cannot be written: {error}") from None
    finally:
        if writer is not None:
            writer.close()
    return count


def _table(group: list[Json], schema: Any, before: int) -> Any:
    for position, item in enumerate(group, start=before + 1):
        if not isinstance(item, dict):
            raise TaskFailure(f"Item {position} is no map of columns")
    if schema is None:
        return pyarrow.Table.from_pylist(group)
    rows = [{field.name: _as(field.type, item.get(field.name)) for field in schema} for item in group]
    return pyarrow.Table.from_pylist(rows, schema=schema)


def _as(wanted: Any, value: Json) -> Any:
    """Texts (from CSV, say) as the column's type."""
    if not isinstance(value, str):
        return value
    if value == "" and not pyarrow.types.is_string(wanted):
        return None
    for matches, read_text in _READERS:
        if matches(wanted):
            return read_text(value)
    return value.encode() if pyarrow.types.is_binary(wanted) else value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"neither true nor false: {text[:40]!r}")
    return text.lower() == "true"


_READERS: list[tuple[Callable[[Any], bool], Callable[[str], Any]]] = [
    (pyarrow.types.is_integer, int),
    (pyarrow.types.is_floating, float),
    (pyarrow.types.is_boolean, _truth),
    (pyarrow.types.is_decimal, Decimal),
    (pyarrow.types.is_date, date.fromisoformat),
    (pyarrow.types.is_timestamp, datetime.fromisoformat),
    (pyarrow.types.is_time, time.fromisoformat),
]


def schema_of(avro: Json) -> Any:
    """Raises TaskFailure."""
    if not isinstance(avro, dict) or avro.get("type") != "record":
        raise TaskFailure("The property `schema` must be an Avro record")
    return pyarrow.schema(_fields(avro))


def _fields(record: dict[str, Json]) -> list[Any]:
    found = []
    for field in record.get("fields") or []:
        if not isinstance(field, dict) or "name" not in field or "type" not in field:
            raise TaskFailure("Each field of `schema` needs a `name` and a `type`")
        kind, nullable = _nullable(field["type"])
        found.append(pyarrow.field(field["name"], _type(kind), nullable))
    return found


def _nullable(kind: Json) -> tuple[Json, bool]:
    if not isinstance(kind, list):
        return kind, False
    others = [one for one in kind if one != "null"]
    if len(others) != 1:
        raise TaskFailure(f"A union of several types is not supported: {kind}")
    return others[0], "null" in kind


def _type(kind: Json) -> Any:
    if isinstance(kind, list):
        return _type(_nullable(kind)[0])
    if isinstance(kind, str):
        if kind not in _TYPES:
            raise TaskFailure(f"Unknown type in `schema`: {kind[:60]}")
        return _TYPES[kind]
    logical, name = kind.get("logicalType"), kind.get("type")
    if logical == "decimal":
        return pyarrow.decimal128(int(kind.get("precision", 38)), int(kind.get("scale", 0)))
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    if name == "array":
        return pyarrow.list_(_type(kind["items"]))
    if name == "map":
        return pyarrow.map_(pyarrow.string(), _type(kind["values"]))
    return pyarrow.struct(_fields(kind)) if name == "record" else _type(name)
