"""Outputs as JSON text that PostgreSQL takes, or a clear reason why not. What had to be replaced is logged."""

import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from executions import codec
from executor.worker.attempt import Attempt

Json = Any
NOTES = 5


class Unstorable(Exception):
    """The message is for the user."""


def storable(outputs: Json, attempt: Attempt) -> str | None:
    """Raises Unstorable."""
    if outputs is None:
        return None
    try:
        text = codec.dumps(attempt.guard(outputs))
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise Unstorable(f"The outputs cannot be stored: {error}") from None
    limit = settings.CELESTA.message_limit_bytes
    if len(text) > limit or (len(text) * 4 > limit and len(text.encode()) > limit):
        size = f"{len(text.encode()):,} bytes"
        raise Unstorable(
            f"The outputs are too large to be stored: {size}, the limit is {limit:,} bytes"
            " (CELESTA_MESSAGE_LIMIT_BYTES); write large data to a file of the internal storage"
        )
    if "null" in text or "\ufffd" in text:
        for number, note in enumerate(_replaced(outputs, "outputs")):
            if number == NOTES:
                break
            attempt.log("WARN", note)
    return text


def _replaced(value: Json, path: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} cannot be stored as JSON, null is stored instead"
    elif isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            yield f"{path}: characters that cannot be stored (NUL, lone surrogates) were replaced"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _replaced(item, f"{path}.{str(key)[:50]}")
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _replaced(item, f"{path}[{position}]")
