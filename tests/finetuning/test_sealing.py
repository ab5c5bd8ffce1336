from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidTag
from django.core.management import call_command
from django.utils import timezone

from finetuning import sealing
from finetuning.models import ProviderAccount, WebhookEndpoint
from tests.factories import ProviderAccountFactory

OLD, NEW = "an older key " * 5, "a newer key " * 5


@pytest.fixture
def account(organization, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    account = ProviderAccountFactory(organization=organization)
    account.set_api_key("sk-canary-1234")
    account.save()
    return account


def test_opens_what_it_sealed():
    sealed = sealing.seal("sk-canary", place="a|b")

    assert b"canary" not in sealed
    assert sealing.unseal(sealed, place="a|b") == "sk-canary"


def test_seals_the_same_secret_differently_each_time():
    assert sealing.seal("sk-canary", place="a") != sealing.seal("sk-canary", place="a")


def test_refuses_a_secret_that_was_moved_to_another_row(account, other_organization):
    stolen = ProviderAccountFactory(organization=other_organization, sealed_api_key=account.sealed_api_key)

    with pytest.raises(InvalidTag):
        _ = stolen.api_key


@pytest.mark.parametrize("position", [0, 10, -1])
def test_refuses_a_changed_byte(position):
    sealed = bytearray(sealing.seal("sk-canary", place="a"))
    sealed[position] ^= 1

    with pytest.raises(InvalidTag):
        sealing.unseal(bytes(sealed), place="a")


def test_an_older_key_still_opens(account, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert account.api_key == "sk-canary-1234"


def test_after_the_rotation_the_older_key_can_go(account, settings):
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    call_command("rotate_keys")
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = [NEW]

    assert ProviderAccount.objects.get().api_key == "sk-canary-1234"


def test_the_rotation_takes_webhook_secrets_along(account, settings):
    account.set_webhook_secrets(["whsec_canary"])
    account.save()
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    call_command("rotate_keys")

    settings.ENCRYPTION_KEYS = [NEW]
    assert ProviderAccount.objects.get().webhook_secrets == ["whsec_canary"]


def test_the_rotation_takes_both_secrets_of_an_endpoint_along(organization, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    endpoint = WebhookEndpoint(
        organization=organization, url="https://example.com/", event_types=["job.failed"]
    )
    endpoint.set_new_secret()
    endpoint.save()
    first, now = endpoint.secret, timezone.now()
    endpoint.rotate_secret(now=now, overlap=timedelta(hours=1))
    second = endpoint.secret
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    call_command("rotate_keys")

    settings.ENCRYPTION_KEYS = [NEW]
    assert WebhookEndpoint.objects.get().signing_secrets(now) == [second, first]


def test_without_the_older_key_nothing_opens(account, settings):
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(InvalidTag):
        _ = account.api_key
