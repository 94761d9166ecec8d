"""Values that JSON cannot express, as one-key objects (`{"$long": 42}`), to the values of expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import isodate

from flows.expressions.errors import ExpressionError
from flows.expressions.values import Float32, Instant, JavaDate


def decode(value: Any, server_zone: tzinfo) -> Any:
    """The value with every typed object in it replaced."""
    if isinstance(value, Mapping):
        if len(value) == 1:
            key, inner = next(iter(value.items()))
            decoder = _DECODERS.get(key)
            if decoder is not None:
                return decoder(decode(inner, server_zone), server_zone)
        return {key: decode(each, server_zone) for key, each in value.items()}
    if isinstance(value, list):
        return [decode(each, server_zone) for each in value]
    return value


def _duration(text: str, server_zone: tzinfo) -> timedelta:
    duration = isodate.parse_duration(text)
    if not isinstance(duration, timedelta):
        raise ExpressionError("A duration has no months or years")
    return duration


def _instant(text: str, server_zone: tzinfo) -> Instant:
    return Instant.fromisoformat(text).astimezone(UTC)


_DECODERS: dict[str, Callable[[Any, tzinfo], Any]] = {
    "$float32": lambda value, zone: Float32(value),
    "$long": lambda value, zone: int(value),
    "$set": lambda value, zone: list(value),
    "$zoned_datetime": lambda value, zone: datetime.fromisoformat(value),
    "$zoned_datetime_local_zone": lambda value, zone: datetime.fromisoformat(value).replace(tzinfo=zone),
    "$local_datetime": lambda value, zone: datetime.fromisoformat(value),
    "$instant": _instant,
    "$java_util_date_epoch_ms": lambda value, zone: JavaDate(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value),
    "$duration": _duration,
    "$uri": lambda value, zone: str(value),
}
