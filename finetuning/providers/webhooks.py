"""What a provider sends on its own: signed by Standard Webhooks, checked by the OpenAI SDK, read by us.

The SDK checks the signature only. It takes an empty secret, stumbles over odd headers and bodies, and lets
any JSON through, so everything is looked at before and after it.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from finetuning import strict_json

if TYPE_CHECKING:
    from openai import OpenAI

SECRET_PREFIX = "whsec_"  # nosec B105 # noqa: S105 - the public beginning of every secret
# By the Standard Webhooks specification, 1.0.
SECRET_BYTES = range(24, 65)
MAX_HEADER_CHARACTERS = 1_000
MAX_WEBHOOK_ID_CHARACTERS = 255
MAX_ID_CHARACTERS = 200
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class NoticeRefused(Exception):
    """Not signed by the provider, or not what it sends. The message says what to mend, and no more."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something happened to `subject`, a run's id for `fine_tuning.job.*`; `id` stays in repetitions."""

    id: str
    type: str
    subject: str


def is_usable_secret(secret: str) -> bool:
    """Whether signatures can be checked with it: `whsec_` and base64 of 24 to 64 bytes."""
    if not secret.startswith(SECRET_PREFIX):
        return False
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(key) in SECRET_BYTES


def read_notice(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str]) -> Notice:
    """The notice in `body`, if one of `secrets` has signed it within the last five minutes.

    Raises NoticeRefused and nothing else.
    """
    signed = {name: _header(headers, name) for name in HEADERS}
    if not signed["webhook-timestamp"].isdigit() or len(signed["webhook-timestamp"]) > len("1234567890"):
        raise NoticeRefused("The header webhook-timestamp is not a number of Unix seconds.")
    if len(signed["webhook-id"]) > MAX_WEBHOOK_ID_CHARACTERS:
        raise NoticeRefused("The header webhook-id is too long.")
    usable = [secret for secret in secrets if is_usable_secret(secret)]
    if not any(_is_signed(body, signed, secret) for secret in usable):
        raise NoticeRefused("The signature is not right, or older than five minutes.")
    return _read(body, signed["webhook-id"])


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name) or ""
    if not value:
        raise NoticeRefused(f"The header {name} is missing.")
    if not value.isascii() or not value.isprintable() or len(value) > MAX_HEADER_CHARACTERS:
        raise NoticeRefused(f"The header {name} is not plain ASCII of at most 1,000 characters.")
    return value


def _is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    try:
        _verifier().webhooks.verify_signature(body, headers, secret=secret)
    except ValueError:
        # Among them InvalidWebhookSignatureError, and what it says of a body that is no UTF-8.
        return False
    return True


@cache
def _verifier() -> "OpenAI":
    """The SDK's check hangs on a client. This one never asks anybody."""
    # Only who receives notices needs the SDK, and it is slow to load.
    from openai import OpenAI

    return OpenAI(api_key="unused", base_url="http://unused.invalid")


def _read(body: bytes, webhook_id: str) -> Notice:
    try:
        document = strict_json.loads(body)
    except strict_json.StrictJSONError as error:
        raise NoticeRefused("The body is not JSON.") from error
    data = document.get("data") if isinstance(document, dict) else None
    subject = data.get("id") if isinstance(data, dict) else None
    kind = document.get("type") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not isinstance(subject, str) or len(subject) > MAX_ID_CHARACTERS:
        raise NoticeRefused("The body is not an event with a type and data.id.")
    return Notice(id=webhook_id, type=kind, subject=subject)
