"""The one JSON codec of rows and messages: orjson, with what PostgreSQL's jsonb refuses replaced. No I/O.

Values that come from a secret leave only sealed (encryption.py says how): nothing that is written here holds one."""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from flows.expressions import taint

Json = Any
# Subclasses come to `_plain`: secret texts are one.
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS
_MAX_DEPTH = 200
_WITHOUT_TEXT: Any = object.__str__
_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

loads = orjson.loads
_seal: Callable[[taint.Tainted], Json] = taint.mask


def seal_with(seal: Callable[[taint.Tainted], Json]) -> None:
    """How secret values are written; stars until somebody knows a key."""
    global _seal
    _seal = seal


def dumps(value: Json) -> str:
    """Text that a jsonb column takes: no NUL, no lone surrogate, no NaN; big integers stay numbers."""
    try:
        encoded = orjson.dumps(value, default=_plain, option=_OPTIONS)
    except (TypeError, ValueError):
        return json.dumps(cleaned(value), separators=(",", ":"), ensure_ascii=False)
    if b"\\u0000" in encoded:
        encoded = orjson.dumps(cleaned(value), default=_plain, option=_OPTIONS)
    return encoded.decode()


def cleaned(value: Json, depth: int = 0) -> Json:
    """A copy without anything that cannot be stored. Raises ValueError for deeply nested or cyclic data."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"data nested deeper than {_MAX_DEPTH} levels cannot be stored")
    if isinstance(value, taint.Tainted):
        return _seal(value)
    if isinstance(value, str):
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if isinstance(value, Mapping):
        return {_key(key): cleaned(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [cleaned(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return cleaned(_plain(value), depth + 1)


def _key(key: Any) -> Json:
    return cleaned(str(taint.mask(key)))


def _plain(value: Any) -> Json:
    if isinstance(value, taint.Tainted):
        return _seal(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if type(value).__str__ is _WITHOUT_TEXT:
        # Its text would be the name of a class and an address in memory: nobody's result.
        raise TypeError(f"a value of the type {type(value).__qualname__} is no JSON")
    return str(value)
