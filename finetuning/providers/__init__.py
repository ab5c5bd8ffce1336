"""Which adapter serves a provider account."""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.utils.module_loading import import_string

from finetuning.models import ProviderAccount
from finetuning.providers.base import Provider, ProviderRefused

VENDOR_URLS = {
    ProviderAccount.Kind.OPENAI: "https://api.openai.com/v1",
    ProviderAccount.Kind.NEBIUS: "https://api.tokenfactory.nebius.com/v1",
}
# The sandbox takes any key, so an account of it needs none.
SANDBOX_KEY = "sandbox"

# By name, for OpenAI's SDK takes half a second and 20 MB of each process that loads it.
_OPENAI = "finetuning.providers.openai.OpenAIProvider"
ADAPTERS = {
    ProviderAccount.Kind.SANDBOX: _OPENAI,
    ProviderAccount.Kind.OPENAI: _OPENAI,
    ProviderAccount.Kind.AZURE: _OPENAI,
    ProviderAccount.Kind.NEBIUS: _OPENAI,
    ProviderAccount.Kind.COMPATIBLE: _OPENAI,
}


def get_provider(account: ProviderAccount, *, timeout: float | None = None) -> Provider:
    """The provider behind `account`. Asks nobody yet. `timeout` is in seconds; default: that of the settings.

    Raises ProviderRefused when the account has no address, or a key that cannot be read any more.
    """
    kind = ProviderAccount.Kind(account.kind)
    adapter: Callable[..., Provider] = import_string(ADAPTERS[kind])
    return adapter(
        api_key=key_of(account),
        base_url=base_url(account),
        timeout=timeout or settings.PROVIDER_TIMEOUT_SECONDS,
        extra_body=account.capabilities.extra_body,
    )


def base_url(account: ProviderAccount) -> str:
    """Where the account's API is. Raises ProviderRefused when it has no address."""
    return account.base_url or _default_url(account)


def key_of(account: ProviderAccount) -> str:
    """What opens the account's API, in clear. Raises ProviderRefused when it cannot be read any more."""
    try:
        # Some were stored with the newline at the end of their file.
        api_key = account.api_key.strip()
    except InvalidTag as error:
        message = "The stored API key fits none of ENCRYPTION_KEYS. Enter the key again under Settings."
        raise ProviderRefused(message, code="provider_key_unreadable") from error
    return api_key or (SANDBOX_KEY if account.is_sandbox else "")


def _default_url(account: ProviderAccount) -> str:
    if url := VENDOR_URLS.get(ProviderAccount.Kind(account.kind)):
        return url
    if account.needs_address:
        message = "The provider account has no address. Enter its base URL under Settings."
        raise ProviderRefused(message, code="provider_address_missing")
    if not settings.SANDBOX_URL:
        message = "No sandbox is set up here. Start one (`manage.py sandbox`) and set SANDBOX_URL."
        raise ProviderRefused(message, code="sandbox_not_configured")
    return f"{settings.SANDBOX_URL.rstrip('/')}/v1"
