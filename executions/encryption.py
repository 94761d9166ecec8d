"""Secret values at rest: `{"type": "io.kestra.datatype:aes_encrypted", "value": token}`, clear only to expressions.

The first key encrypts, all keys decrypt: a new key is put in front, `manage.py rotate_encryption` does the rest."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from flows.expressions import taint
from flows.expressions.java_text import java_string

Json = Any
TYPE = "io.kestra.datatype:aes_encrypted"
_MAX_DEPTH = 100


class CannotDecrypt(ValueError):
    """The keys in use do not have the one that the value was encrypted with."""


def is_configured() -> bool:
    return bool(settings.CELESTA.encryption_keys)


def encrypt_input(text: str) -> dict[str, Json]:
    """A SECRET input as it is kept; marked `given` unless it comes from another secret."""
    closed: dict[str, Json] = encrypt(text)
    return closed if isinstance(text, taint.Tainted) else {**closed, "given": True}


def encrypt(text: str) -> dict[str, str]:
    return {"type": TYPE, "value": _box(settings.CELESTA.encryption_keys).encrypt(text.encode()).decode()}


def is_encrypted(value: Json) -> bool:
    return isinstance(value, Mapping) and value.get("type") == TYPE and isinstance(value.get("value"), str)


def decrypt(value: Mapping[str, str]) -> str:
    """Raises CannotDecrypt."""
    if not is_configured():
        raise CannotDecrypt("Unable to decrypt a value as encryption is not configured")
    try:
        return _box(settings.CELESTA.encryption_keys).decrypt(value["value"].encode()).decode()
    except InvalidToken:
        raise CannotDecrypt("Unable to decrypt a value: it was encrypted with another key") from None


def rotated(value: Json) -> Json:
    """The same with everything encrypted inside encrypted by the first key; what is so already stays. Raises CannotDecrypt."""
    if is_encrypted(value):
        keys = settings.CELESTA.encryption_keys
        with suppress(InvalidToken):
            _box(keys[:1]).decrypt(value["value"].encode())
            return value
        try:
            token = _box(keys).rotate(value["value"].encode()).decode()
        except InvalidToken:
            raise CannotDecrypt("a value was encrypted with a key that is not in CELESTA_ENCRYPTION_KEY") from None
        return {**value, "value": token}
    if isinstance(value, Mapping):
        return {key: rotated(item) for key, item in value.items()}
    return [rotated(item) for item in value] if isinstance(value, list) else value


def sealed(value: taint.Tainted) -> Json:
    """How a value that comes from a secret is written; without a key it is lost."""
    if not is_configured():
        return taint.mask(value)
    closed: dict[str, Json] = encrypt(java_string(taint.reveal(value)))
    return {**closed, "shown": True} if isinstance(value, taint.SecretStr) and value.given else closed


def with_given_shown(outputs: Json) -> Json:
    """What a task made of a SECRET input, whole and as it was given, in the clear (docs/decisions/0030 says for whom)."""
    if not _has_encrypted(outputs, 0):
        return outputs
    if is_encrypted(outputs):
        try:
            return decrypt(outputs) if outputs.get("shown") else outputs
        except CannotDecrypt:
            return outputs
    if isinstance(outputs, Mapping):
        return {key: with_given_shown(item) for key, item in outputs.items()}
    return [with_given_shown(item) for item in outputs] if isinstance(outputs, list) else outputs


def revealed(value: Json) -> Json:
    """For expressions: every encrypted value inside in the clear, and marked as secret. Raises CannotDecrypt."""
    return _revealed(value, 0) if _has_encrypted(value, 0) else value


def _has_encrypted(value: Json, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        if value.get("type") == TYPE:
            return True
        return any(_has_encrypted(item, depth + 1) for item in value.values() if isinstance(item, (dict, list)))
    if isinstance(value, list):
        return any(_has_encrypted(item, depth + 1) for item in value if isinstance(item, (dict, list)))
    return False


def _revealed(value: Json, depth: int) -> Json:
    if is_encrypted(value):
        return taint.SecretStr(decrypt(value), given=bool(value.get("given")))
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: _revealed(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_revealed(item, depth + 1) for item in value]
    return value


@lru_cache(maxsize=4)
def _box(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"celesta values at rest").derive(key)
