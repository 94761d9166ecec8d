"""serdes.json: JsonToIon and IonToJson; one value a line, or one document."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from flows.tasks.base import Json, RunContext, TaskFailure
from flows.tasks.core.rendering import switch, text
from flows.tasks.serdes.files import Conversion

DOCUMENT_LIMIT = 256 << 20


class JsonToIon(Conversion):
    new_line: Any = True

    def run(self, context: RunContext) -> dict[str, Json] | None:
        by_lines = switch(context, self.new_line, "newLine")
        return self.ion_of(context, self._lines(context) if by_lines else self._document(context))

    def _lines(self, context: RunContext) -> Iterator[Json]:
        with self.text(context) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _parsed(line, f"Line {number}")

    def _document(self, context: RunContext) -> Iterator[Json]:
        source = self.local(context)
        if source.stat().st_size > DOCUMENT_LIMIT:
            raise TaskFailure(f"The document is larger than {DOCUMENT_LIMIT:,} bytes; JSON lines have no such limit")
        try:
            text = source.read_text(encoding=self.encoding(context))
        except UnicodeDecodeError as error:
            raise TaskFailure(f"The file is not {self.charset}: {error}") from None
        value = _parsed(text, "The file")
        yield from value if isinstance(value, list) else [value]


def _parsed(text: str, what: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TaskFailure(f"{what} is not valid JSON: {error}") from None


class IonToJson(Conversion):
    new_line: Any = True
    time_zone_id: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        by_lines = switch(context, self.new_line, "newLine")
        encoding = self.encoding(context)
        write = _write_lines if by_lines else _write_list
        suffix = ".jsonl" if by_lines else ".json"
        zone = _zone(text(context, self.time_zone_id))
        return self.file_of(
            context, suffix, lambda target, values: write(target, (_moved(value, zone) for value in values), encoding)
        )


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise TaskFailure(f"The property `timeZoneId` names no known zone: {name}") from None


def _moved(value: Json, zone: ZoneInfo | None) -> Json:
    """Dates with a zone as that zone's clocks show them."""
    if zone is None:
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(zone)
    if isinstance(value, dict):
        return {key: _moved(item, zone) for key, item in value.items()}
    return [_moved(item, zone) for item in value] if isinstance(value, list) else value


def _write_lines(target: Path, values: Iterator[Json], encoding: str) -> int:
    count = 0
    with target.open("w", encoding=encoding, errors="replace", newline="") as file:
        for value in values:
            file.write(_dumped(value) + "\n")
            count += 1
    return count


def _write_list(target: Path, values: Iterator[Json], encoding: str) -> int:
    count = 0
    with target.open("w", encoding=encoding, errors="replace", newline="") as file:
        file.write("[")
        for count, value in enumerate(values, start=1):
            file.write(("," if count > 1 else "") + _dumped(value))
        file.write("]")
    return count


def as_json(value: Json) -> Json:
    """Dates as texts, decimals as numbers."""
    return orjson.loads(_encoded(value))


def _dumped(value: Json) -> str:
    return _encoded(value).decode()


def _encoded(value: Json) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Json:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    return str(value)
