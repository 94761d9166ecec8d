"""serdes.csv: CsvToIon and IonToCsv."""

import csv
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from flows.tasks.base import Json, RunContext, TaskFailure
from flows.tasks.core.rendering import number, required, switch
from flows.tasks.serdes.files import Conversion, as_map

FIELD_LIMIT = 16 << 20


class Separated(Conversion):
    header: Any = True
    field_separator: str = ","
    text_delimiter: str = '"'

    def dialect(self, context: RunContext) -> dict[str, Any]:
        given = {"fieldSeparator": self.field_separator, "textDelimiter": self.text_delimiter}
        found = {}
        for name, value in given.items():
            found[name] = str(context.render(value))
            if len(found[name]) != 1 or found[name] in "\r\n":
                raise TaskFailure(f"The property `{name}` must be one character")
        return {"delimiter": found["fieldSeparator"], "quotechar": found["textDelimiter"]}


class CsvToIon(Separated):
    skip_empty_rows: Any = False
    skip_rows: Any = 0
    error_on_different_field_count: Any = False
    max_bad_lines: Any = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        csv.field_size_limit(FIELD_LIMIT)
        with self.text(context) as file:
            rows = csv.reader(file, strict=True, **self.dialect(context))
            return self.ion_of(context, self._items(context, rows))

    def _items(self, context: RunContext, rows: Any) -> Iterator[Json]:
        skip = number(context, self.skip_rows, "skipRows") or 0
        has_header = switch(context, self.header, "header")
        skips_empty = switch(context, self.skip_empty_rows, "skipEmptyRows")
        strict = switch(context, self.error_on_different_field_count, "errorOnDifferentFieldCount")
        names: list[str] | None = None
        count: int | None = None
        for row in _read(rows):
            if skip > 0:
                skip -= 1
                continue
            if not any(row) and (skips_empty or not row):
                continue
            if has_header and names is None:
                names = row
                count = len(names)
                continue
            if strict and count is not None and len(row) != count:
                raise TaskFailure(f"Line {rows.line_num} has {len(row)} fields, not {count}")
            count = len(row) if count is None else count
            yield row if names is None else _named(names, row)


def _read(rows: Any) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise TaskFailure(f"Line {rows.line_num} is not valid CSV: {error}") from None


def _named(names: list[str], row: list[str]) -> dict[str, Json]:
    """Missing fields are null, further ones have no name and are dropped."""
    return {name: row[position] if position < len(row) else None for position, name in enumerate(names)}


class IonToCsv(Separated):
    line_delimiter: str = "\n"
    always_delimit_text: Any = False
    decimal_separator: str = "."

    def run(self, context: RunContext) -> dict[str, Json] | None:
        return self.file_of(context, ".csv", lambda target, values: self._written(context, target, values))

    def _written(self, context: RunContext, target: Path, values: Iterator[Json]) -> int:
        quoting: Any = (
            csv.QUOTE_ALL if switch(context, self.always_delimit_text, "alwaysDelimitText") else csv.QUOTE_MINIMAL
        )
        ending = str(context.render(self.line_delimiter)) or "\n"
        point = required(context, self.decimal_separator, "decimalSeparator")
        has_header = switch(context, self.header, "header")
        names: list[str] | None = None
        count = 0
        with target.open("w", encoding=self.encoding(context), newline="") as file:
            writer = csv.writer(file, lineterminator=ending, quoting=quoting, **self.dialect(context))
            for count, item in enumerate(values, start=1):
                if isinstance(item, list):
                    writer.writerow([_text(value, point) for value in item])
                    continue
                found = as_map(item, count)
                if names is None:
                    names = list(found)
                    if has_header:
                        writer.writerow(names)
                unknown = [name for name in found if name not in names]
                if unknown:
                    raise TaskFailure(f"Item {count} has a column that the first one has not: {unknown[0][:100]}")
                writer.writerow([_text(found.get(name), point) for name in names])
        return count


def _text(value: Json, point: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        return str(value).replace(".", point)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    return orjson.dumps(value, default=str).decode() if isinstance(value, dict | list) else str(value)
