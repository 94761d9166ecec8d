"""The beginning of a stored file as a viewer shows it: rows, text, image or document, by extension. Pure but for reading."""

import base64
import codecs
from io import BytesIO, TextIOWrapper
from typing import Any, BinaryIO

import orjson

from flows.api.errors import Unprocessable

_DEFAULT_ROWS, _MOST_ROWS = 100, 5000
_MOST_BYTES = 5 << 20
_IMAGES = {"png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "ico"}


def preview(file: BinaryIO, name: str, rows: int | None, encoding: str) -> dict[str, Any]:
    """Raises Unprocessable for an encoding that is none or does not fit."""
    extension = name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""
    limit = min(rows or _DEFAULT_ROWS, _MOST_ROWS)
    if extension in _IMAGES:
        return _encoded(file, extension, "IMAGE")
    if extension == "pdf":
        return _encoded(file, extension, "PDF")
    lines, truncated = _lines(file, name, limit, encoding)
    if extension in ("ion", "jsonl"):
        return _answer(extension, "LIST", [_parsed(line) for line in lines if line.strip()], truncated)
    kind = "MARKDOWN" if extension in ("md", "markdown") else "TEXT"
    return _answer(extension, kind, "".join(lines), truncated)


def _encoded(file: BinaryIO, extension: str, kind: str) -> dict[str, Any]:
    content = file.read(_MOST_BYTES + 1)
    return _answer(extension, kind, base64.b64encode(content[:_MOST_BYTES]).decode(), len(content) > _MOST_BYTES)


def _lines(file: BinaryIO, name: str, limit: int, encoding: str) -> tuple[list[str], bool]:
    """Of the first bytes only: a line may be as long as the file."""
    try:
        reader = TextIOWrapper(BytesIO(), encoding)  # refuses codecs that are no encodings of texts
        decoder = codecs.getincrementaldecoder(reader.encoding)("strict")
    except (LookupError, ValueError):
        raise Unprocessable(f"Illegal argument: Unable to preview the file using encoding '{encoding[:40]}'") from None
    content = file.read(_MOST_BYTES + 1)
    is_cut = len(content) > _MOST_BYTES
    try:
        lines = decoder.decode(content[:_MOST_BYTES], final=not is_cut).splitlines(keepends=True)
    except ValueError:
        raise Unprocessable(
            f"Illegal argument: Unable to preview the file '{name.rpartition('/')[2]}' using encoding '{encoding[:40]}'"
        ) from None
    return lines[:limit], is_cut or len(lines) > limit


def _parsed(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.rstrip("\n")


def _answer(extension: str, kind: str, content: Any, truncated: bool) -> dict[str, Any]:
    return {"extension": extension, "type": kind, "content": content, "truncated": truncated}
