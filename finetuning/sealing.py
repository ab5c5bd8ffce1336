"""Secrets at rest: AES-256-GCM, bound to the place where they are stored."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE_BYTES = 12


def _key() -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"attune secrets at rest")
    return derive.derive(settings.SECRET_KEY.encode())


def seal(secret: str, *, place: str) -> bytes:
    """Encrypt `secret`; only `unseal` with the same `place` (row and field) opens it again."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key()).encrypt(nonce, secret.encode(), place.encode())


def unseal(sealed: bytes, *, place: str) -> str:
    """The secret that was sealed for `place`.

    Raises `cryptography.exceptions.InvalidTag` when it was sealed for another place or with another key.
    """
    sealed = bytes(sealed)
    return AESGCM(_key()).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode()).decode()
