"""Secrets and signatures by Standard Webhooks (https://www.standardwebhooks.com, specification 1.0)."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as receivers take it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    body: str, *, delivery_id: str, signing_secrets: Sequence[str], now: datetime
) -> dict[str, str]:
    """The three headers of the scheme; during a rotation there is a signature for each secret."""
    signatures = [
        Webhook(secret).sign(msg_id=delivery_id, timestamp=now, data=body) for secret in signing_secrets
    ]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
