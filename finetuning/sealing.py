"""Secrets at rest: AES-256-GCM, bound to the place where they are stored and to the key that sealed them.

A sealed secret is the key's id (8 bytes), a nonce (12 bytes) and the ciphertext. The first of ENCRYPTION_KEYS
seals; the others still open what they sealed, until `manage.py rotate_keys` has sealed it anew.
"""

import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

ID_BYTES = 8
NONCE_BYTES = 12


@cache
def _derive(passphrase: str, purpose: bytes, length: int) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=length, salt=None, info=b"attune secrets at rest" + purpose)
    return derive.derive(passphrase.encode())


def _key_id(passphrase: str) -> bytes:
    return _derive(passphrase, b": id", ID_BYTES)


def _cipher(passphrase: str) -> AESGCM:
    return AESGCM(_derive(passphrase, b"", 32))


def seal(secret: str, *, place: str) -> bytes:
    """Encrypt `secret`; only `unseal` with the same `place` (organization, field and row) opens it again."""
    passphrase = settings.ENCRYPTION_KEYS[0]
    nonce, key_id = os.urandom(NONCE_BYTES), _key_id(passphrase)
    return key_id + nonce + _cipher(passphrase).encrypt(nonce, secret.encode(), key_id + place.encode())


def unseal(sealed: bytes, *, place: str) -> str:
    """The secret that was sealed for `place`.

    Raises `cryptography.exceptions.InvalidTag` when it was sealed for another place, or with a key that is
    not among ENCRYPTION_KEYS.
    """
    key_id, nonce, ciphertext = _parts(bytes(sealed))
    for passphrase in settings.ENCRYPTION_KEYS:
        if _key_id(passphrase) == key_id:
            return _cipher(passphrase).decrypt(nonce, ciphertext, key_id + place.encode()).decode()
    raise InvalidTag


def is_current(sealed: bytes) -> bool:
    """Whether the first of ENCRYPTION_KEYS sealed it."""
    return _parts(bytes(sealed))[0] == _key_id(settings.ENCRYPTION_KEYS[0])


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    end = ID_BYTES + NONCE_BYTES
    return sealed[:ID_BYTES], sealed[ID_BYTES:end], sealed[end:]
