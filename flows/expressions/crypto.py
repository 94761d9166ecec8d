"""AES-GCM as Kestra's EncryptionService has it; keys and nonces come as arguments."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flows.expressions.errors import ExpressionError

NONCE_BYTES = 12


def encrypt(key: str, text: str, nonce: bytes) -> str:
    """Base64 of nonce and ciphertext; `nonce` is 12 bytes never used before with this key."""
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, text.encode(), None)).decode()


def decrypt(key: str, encrypted: str) -> str:
    try:
        body = base64.b64decode(encrypted, validate=True)
        return _cipher(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], None).decode()
    except (binascii.Error, ValueError, InvalidTag):
        raise ExpressionError("The text cannot be decrypted with this key") from None


def _cipher(key: str) -> AESGCM:
    try:
        return AESGCM(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        raise ExpressionError("The encryption key must be base64 of 16, 24 or 32 bytes") from None
