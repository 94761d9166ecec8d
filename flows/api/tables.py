"""Lists as CSV, written while they are read."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from flows.api.streaming import StreamedAnswer


def csv_answer(name: str, columns: tuple[str, ...], rows: Iterator[list[Any]]) -> StreamedAnswer:
    response = StreamedAnswer(_lines(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _lines(columns: tuple[str, ...], rows: Iterator[list[Any]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([harmless(value) for value in row])
        if text.tell() > 1 << 16:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def harmless(value: Any) -> Any:
    """A spreadsheet must not take a value for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
