"""Adding, changing, testing and deleting provider accounts.

Address and key are an admin's input, and the worker that uses them stands inside our network.
"""

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from finetuning import audit
from finetuning.addresses import AddressRefused, find_destination, parse_url
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, ProviderAccount
from finetuning.providers import get_provider
from finetuning.providers.base import ProviderError

MAX_ACCOUNTS = 20
# Somebody waits for the answer.
CHECK_TIMEOUT_SECONDS = 15.0


class ProviderAddressRefused(Invalid):
    code = "provider_address_refused"


class ProviderKeyMissing(Invalid):
    code = "provider_key_missing"


class ProviderKeyRefused(Invalid):
    code = "provider_key_malformed"


class ProviderNameTaken(Conflict):
    code = "provider_name_taken"


class ProviderAccountInUse(Conflict):
    code = "provider_account_in_use"


class TooManyProviderAccounts(Conflict):
    code = "too_many_provider_accounts"


def create_account(
    organization: Organization, *, name: str, kind: str, api_key: str = "", **columns: Any
) -> ProviderAccount:
    """A new account, tested once it is saved: `last_error` says how that went.

    `columns`: `base_url`, `base_models`, `is_default`, `is_enabled`. Raises ProviderAddressRefused,
    ProviderKeyMissing, ProviderKeyRefused, ProviderNameTaken or TooManyProviderAccounts.
    """
    account = ProviderAccount(organization=organization, name=name, kind=kind, **columns)
    _check_address(account)
    if not api_key and not account.is_sandbox:
        raise ProviderKeyMissing("Enter the API key that the provider gave you.", pointer="/apiKey")
    if organization.provider_accounts.count() >= MAX_ACCOUNTS:
        raise TooManyProviderAccounts(f"There are {MAX_ACCOUNTS} provider accounts already.")
    _set_key(account, api_key)
    _save(account, "provider_account.created", before={}, details={})
    return account


def update_account(account: ProviderAccount, *, api_key: str = "", **columns: Any) -> ProviderAccount:
    """Change `columns` or the key; an empty key stays as it is. Never the kind: models say what made them.

    Tested again once it is saved. Raises what `create_account` raises, and ProviderAccountInUse for another
    address of an account that has jobs.
    """
    former_url, before = account.base_url, audit.snapshot(account)
    for name, value in columns.items():
        setattr(account, name, value)
    if account.base_url != former_url:
        _check_address(account)
        _check_may_move(account, api_key)
        account.listed_models = {}
    _set_key(account, api_key)
    replaced = {"api_key": "replaced"} if api_key else {}
    _save(account, "provider_account.changed", before=before, details=replaced)
    return account


def _check_may_move(account: ProviderAccount, api_key: str) -> None:
    if account.jobs.exists():
        message = "Jobs and models of this account live at its address. Add another account instead."
        raise ProviderAccountInUse(message, pointer="/baseUrl")
    if not api_key:
        message = "Enter the API key as well: the stored one is not sent to another address."
        raise ProviderKeyMissing(message, pointer="/apiKey")


def _check_address(account: ProviderAccount) -> None:
    if account.is_sandbox:
        if account.base_url:
            raise _refused("The sandbox is the one of this installation. Leave the address empty.")
        return
    if not account.base_url:
        if account.needs_address:
            raise _refused("Enter the address of the provider's API, for example https://api.example.com/v1.")
        return
    try:
        host = parse_url(account.base_url).host
        _check_host(account.base_url, host)
        find_destination(account.base_url)
    except AddressRefused as refusal:
        raise _refused(str(refusal)) from refusal


def _check_host(url: str, host: str) -> None:
    if not any(_matches(host, pattern.lower()) for pattern in settings.PROVIDER_ALLOWED_HOSTS):
        allowed = ", ".join(settings.PROVIDER_ALLOWED_HOSTS)
        raise AddressRefused(
            f"The host {host} is not among those that the operator allows: {allowed}. Ask them to add it."
        )
    if urlsplit(url).query:
        raise AddressRefused("Leave out what stands after ? in the address.")


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _refused(message: str) -> ProviderAddressRefused:
    return ProviderAddressRefused(message, pointer="/baseUrl")


def _set_key(account: ProviderAccount, api_key: str) -> None:
    if not api_key:
        return
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        message = "A key has plain ASCII characters and no spaces. Copy it again."
        raise ProviderKeyRefused(message, pointer="/apiKey")
    account.set_api_key(api_key)


def _save(account: ProviderAccount, action: str, *, before: audit.Snapshot, details: audit.Snapshot) -> None:
    """Write all columns, and ask the provider once they are committed."""
    organization = account.organization
    with transaction.atomic():
        organization.lock()
        others = organization.provider_accounts.exclude(pk=account.pk)
        if others.filter(name=account.name).exists():
            raise ProviderNameTaken(f"There is an account named {account.name} already.", pointer="/name")
        if account.is_default:
            others.update(is_default=False)
        account.save()
        audit.record(action, account, before=before, details=details)
        transaction.on_commit(partial(check_account, account), robust=True)


def check_account(account: ProviderAccount) -> ProviderAccount:
    """Ask the provider for its models, a call that costs nothing, and keep how that went."""
    timeout = min(CHECK_TIMEOUT_SECONDS, settings.PROVIDER_TIMEOUT_SECONDS)
    try:
        models = get_provider(account, timeout=timeout).list_models()
    except ProviderError as failure:
        account.record_failed_check(now=timezone.now(), error=failure.message)
    else:
        account.record_check(now=timezone.now(), models=models)
    return account


def delete_account(account: ProviderAccount) -> None:
    """Raises ProviderAccountInUse when jobs were made with it: they keep saying who trained them."""
    try:
        with transaction.atomic():
            audit.record("provider_account.deleted", account)
            account.delete()
    except (ProtectedError, IntegrityError) as error:
        message = "Jobs were made with this account. Switch it off instead: then it takes no new ones."
        raise ProviderAccountInUse(message) from error
