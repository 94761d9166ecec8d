"""Ids: UUIDv7 in the database, 22 base62 characters (in ASCII order, so text order is time order) everywhere else."""

import os
import time
from functools import lru_cache
from uuid import UUID

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_VALUES = {character: index for index, character in enumerate(_ALPHABET)}
_LENGTH = 22


def new_id() -> str:
    """A fresh id: UUIDv7 of the wall clock's millisecond and 74 random bits."""
    return to_base62(new_uuid())


def new_uuid() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds & 0xFFFFFFFFFFFF) << 16 | 0x7000 | (random >> 62) & 0xFFF
    low = 0x8000000000000000 | random & 0x3FFFFFFFFFFFFFFF
    return UUID(int=high << 64 | low)


def to_base62(uuid: UUID) -> str:
    number, parts = uuid.int, []
    for _ in range(_LENGTH // 2):
        number, pair = divmod(number, 3844)
        parts.append(_PAIRS[pair])
    return "".join(reversed(parts))


@lru_cache(maxsize=65_536)
def to_uuid(text: str) -> UUID:
    """Raises ValueError for a text that is no id."""
    if len(text) != _LENGTH:
        raise ValueError(f"not an id: {text[:40]!r}")
    number = 0
    for character in text:
        if character not in _VALUES:
            raise ValueError(f"not an id: {text[:40]!r}")
        number = number * 62 + _VALUES[character]
    if number >> 128:
        raise ValueError(f"not an id: {text[:40]!r}")
    return UUID(int=number)
