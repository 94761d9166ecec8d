"""Secret values at rest: `{"type": "io.kestra.datatype:aes_encrypted", "value": token}`, clear only to expressions."""

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from flows.expressions.taint import spread

Json = Any
TYPE = "io.kestra.datatype:aes_encrypted"
_MAX_DEPTH = 100


class CannotDecrypt(ValueError):
    """The key in use is not the one that the value was encrypted with."""


def is_configured() -> bool:
    return settings.CELESTA.encryption_key is not None


def encrypt(text: str) -> dict[str, str]:
    return {"type": TYPE, "value": _box(settings.CELESTA.encryption_key).encrypt(text.encode()).decode()}


def is_encrypted(value: Json) -> bool:
    return isinstance(value, Mapping) and value.get("type") == TYPE and isinstance(value.get("value"), str)


def decrypt(value: Mapping[str, str]) -> str:
    """Raises CannotDecrypt."""
    if not is_configured():
        raise CannotDecrypt("Unable to decrypt a value as encryption is not configured")
    try:
        return _box(settings.CELESTA.encryption_key).decrypt(value["value"].encode()).decode()
    except InvalidToken:
        raise CannotDecrypt("Unable to decrypt a value: it was encrypted with another key") from None


def revealed(value: Json, depth: int = 0) -> Json:
    """For expressions: every encrypted value inside in the clear, and marked as secret."""
    if is_encrypted(value):
        return spread(decrypt(value))
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: revealed(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item, depth + 1) for item in value]
    return value


@lru_cache(maxsize=4)
def _box(key: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"celesta values at rest").derive(key)
    return Fernet(base64.urlsafe_b64encode(derived))
