"""ISO-8601 durations as Java's Duration reads and writes them: days and smaller, no weeks or months."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_NUMBER = r"[+-]?\d{1,12}"
_PATTERN = re.compile(
    rf"([+-])?P(?:({_NUMBER})D)?(T(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})(?:[.,](\d{{0,9}}))?S)?)?",
    re.IGNORECASE,
)


def parse_duration(value: Any) -> timedelta:
    """Text in ISO-8601, or a number of seconds. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
        return _parse_text(str(value).strip())
    except OverflowError:
        raise ValueError(f"Text '{value}' is too large for a duration") from None


def _parse_text(text: str) -> timedelta:
    match = _PATTERN.fullmatch(text)
    times = match.group(4, 5, 6) if match else ()
    if match is None or (not any(times) and (match[2] is None or match[3])):
        raise ValueError(f"Text '{text[:100]}' cannot be parsed to a Duration")
    sign, days, _, hours, minutes, seconds, fraction = match.groups()
    whole = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0))
    if fraction:
        micros = timedelta(microseconds=int(fraction.ljust(6, "0")[:6]))
        whole += -micros if (seconds or "").startswith("-") else micros
    return -whole if sign == "-" else whole


def timeout_of(rendered: Any) -> timedelta:
    """What the property `timeout` says. Raises ValueError naming it."""
    try:
        return parse_duration(rendered)
    except ValueError as error:
        raise ValueError(f"The property `timeout` is not a duration: {error}") from None


def format_duration(value: timedelta) -> str:
    """As Java's Duration.toString: PT26H3M0.5S."""
    if not value:
        return "PT0S"
    micros = value // timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micros = divmod(micros, 1_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{sign}{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount]
    if seconds or micros:
        fraction = f".{micros:06d}".rstrip("0") if micros else ""
        parts.append(f"{sign}{seconds}{fraction}S")
    return "PT" + "".join(parts)


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
