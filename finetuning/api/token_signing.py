"""How tokens are signed: HS256, with the first of JWT_KEYS; each of JWT_KEYS verifies.

The header of a token must be exactly the one that is written here. So a token never chooses its algorithm and
never says where a key is to be found (RFC 8725, sections 3.1 and 3.10).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from jwt.utils import base64url_decode
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from finetuning import strict_json

ALGORITHM = "HS256"
ISSUER = "attune"
AUDIENCE = "attune-api"
REQUIRED_CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "jti"]
# Ours have about 700 bytes.
MAX_BYTES = 4096


@dataclass(frozen=True)
class SigningKey:
    kid: str
    secret: bytes

    @property
    def header(self) -> dict[str, str]:
        return {"alg": ALGORITHM, "kid": self.kid, "typ": "JWT"}


@cache
def signing_key(passphrase: str) -> SigningKey:
    """The key, and the id that names it in public, which one of JWT_KEYS stands for."""
    return SigningKey(
        kid=_derive(passphrase, b"attune tokens: id", 8).hex(),
        secret=_derive(passphrase, b"attune tokens", 32),
    )


def _derive(passphrase: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(passphrase.encode())


class _StrictJWT(jwt.PyJWT):
    """Reads claims as everything else here is read: a claim that stands twice is refused."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        claims = strict_json.loads(decoded["payload"])
        if not isinstance(claims, dict):
            raise jwt.DecodeError("The claims are not an object.")
        return claims


class KeyRing(TokenBackend):
    """What the package's tokens sign and verify with."""

    def __init__(self) -> None:
        super().__init__(ALGORITHM, audience=AUDIENCE, issuer=ISSUER)
        self.jwt = _StrictJWT()

    def encode(self, payload: dict[str, Any]) -> str:
        """The token with these claims, and those that every token has. It counts from its `iat` on."""
        key = signing_key(settings.JWT_KEYS[0])
        claims = {"iss": ISSUER, "aud": AUDIENCE, "nbf": payload["iat"]} | payload
        return self.jwt.encode(claims, key.secret, ALGORITHM, headers=key.header)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - the package's
        """The claims of a token whose signature, issuer, audience and times are right.

        Raises TokenBackendError for every other one; none is read unverified, whatever `verify` says.
        """
        try:
            encoded = token.encode() if isinstance(token, str) else token
            return self.jwt.decode(
                encoded,
                _key_of(encoded).secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED_CLAIMS, "strict_aud": True},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            raise TokenBackendError("The token is not valid, or has expired.") from error


def _key_of(encoded: bytes) -> SigningKey:
    """The one of JWT_KEYS that the header names. Raises InvalidTokenError, StrictJSONError or ValueError."""
    if len(encoded) > MAX_BYTES:
        raise jwt.InvalidTokenError("The token is too long.")
    header = strict_json.loads(base64url_decode(encoded.split(b".", 1)[0]))
    for passphrase in settings.JWT_KEYS:
        key = signing_key(passphrase)
        if header == key.header:
            return key
    raise jwt.InvalidTokenError("The header is none of ours.")


KEY_RING = KeyRing()
