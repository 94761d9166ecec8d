"""The plain values that expressions work on, and Kestra's rules about them (truth, equality, attributes)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final


class Undefined:
    """What a lookup gives when there is nothing; the one instance is UNDEFINED."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()


class LazyMap(Mapping[str, object]):
    """A map whose values are fetched when a template touches them, each at most once."""

    def __init__(self, fetch: Callable[[str], object], names: Callable[[], Iterable[str]]) -> None:
        self._fetch = fetch
        self._names = names
        self._known: dict[str, object] = {}

    def get(self, key: object, default: object = UNDEFINED) -> object:
        """The value, or `default` (UNDEFINED) when there is none."""
        name = str(key)
        if name not in self._known:
            self._known[name] = self._fetch(name)
        value = self._known[name]
        return default if value is UNDEFINED else value

    def __getitem__(self, key: str) -> object:
        value = self.get(key)
        if value is UNDEFINED:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return sum(1 for _ in self._names())

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not UNDEFINED


class Float32(float):
    """A 32-bit number: printed with the fewest digits that give the same 32 bits."""

    __slots__ = ()

    def __new__(cls, value: float | str) -> Float32:
        return super().__new__(cls, struct.unpack("f", struct.pack("f", float(value)))[0])


class Instant(datetime):
    """A point in time (java.time.Instant): printed in UTC with seconds; a plain datetime has a zone."""


class JavaDate(datetime):
    """java.util.Date: an Instant with a text form of its own."""


FALSE_TEXTS = frozenset({"", "0", "-0", "false"})
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


def is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def is_true(value: object) -> bool:
    """What `if`, `and`, `not` and `? :` make of a value."""
    if value is True or value is False:
        return value
    if value is None:
        return False
    if isinstance(value, (str, int, float, Decimal)):
        return bool(value)
    if isinstance(value, LazyMap):
        return next(iter(value), None) is not None
    return bool(value) if is_list(value) or is_map(value) else True


def is_empty(value: object) -> bool:
    """Pebble's `empty` test, also used by `default`."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    if is_list(value) or is_map(value):
        return not is_true(value)
    return False


def attribute(target: object, key: object) -> object:
    """`target.key`: of maps and lists only, never of a Python object; UNDEFINED when it is not there."""
    if isinstance(target, dict):
        value = target.get(key, UNDEFINED) if _hashable(key) else UNDEFINED
        if value is UNDEFINED and key is not None and not isinstance(key, str):
            value = target.get(_key_text(key), UNDEFINED)
        elif value is UNDEFINED and isinstance(key, str) and _is_index(key):
            # A map with number keys (from YAML) addressed by `taskrun.value`, which is always a text.
            value = target.get(int(key), UNDEFINED)
        return value
    if isinstance(target, (list, tuple)):
        return _item(target, key)
    if isinstance(target, LazyMap):
        return target.get(_key_text(key))
    if isinstance(target, Mapping):
        return target.get(key, UNDEFINED)
    return UNDEFINED


def _hashable(key: object) -> bool:
    return key is None or isinstance(key, (str, int, float, Decimal, datetime))


def _key_text(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key) if isinstance(key, (str, int, float, Decimal)) else ""


def _is_index(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10


def _item(items: list[object] | tuple[object, ...], key: object) -> object:
    if _is_index(key):
        key = int(str(key))
    if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < len(items):
        return UNDEFINED
    return items[key]


def equals(left: object, right: object, spend: Callable[[int], None]) -> bool:
    """Pebble's `==`: numbers by value whatever their type, everything else by type and content."""
    spend(1)
    if left is right:
        return True
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, str) and isinstance(right, str):
        return str(left) == str(right)
    if is_list(left) and is_list(right):
        return _same_items(left, right, spend)  # type: ignore[arg-type]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return _same_maps(left, right, spend)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left.tzinfo is None) == (right.tzinfo is None) and left == right
    return type(left) is type(right) and bool(left == right)


def _same_items(left: list[object], right: list[object], spend: Callable[[int], None]) -> bool:
    if len(left) != len(right):
        return False
    return all(equals(a, b, spend) for a, b in zip(left, right, strict=True))


def _same_maps(left: Mapping[object, object], right: Mapping[object, object], spend: Callable[[int], None]) -> bool:
    if len(left) != len(right):
        return False
    for key in left:
        other = attribute(right, key)
        if other is UNDEFINED or not equals(left[key], other, spend):
            return False
    return True
