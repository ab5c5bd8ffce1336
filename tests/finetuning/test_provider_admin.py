"""Operators enter a provider's secrets and never see them again."""

from base64 import b64encode

import pytest

from finetuning.models import ProviderAccount

pytestmark = pytest.mark.django_db
SECRET = "whsec_" + b64encode(b"a secret of the provider's own").decode()


@pytest.fixture
def page(client, operator, provider_account):
    client.force_login(operator)
    return f"/admin/finetuning/provideraccount/{provider_account.pk}/change/"


def save(client, page, account, **columns):
    kept = {"organization": account.organization_id, "name": account.name, "kind": account.kind}
    return client.post(page, kept | {"base_models": "[]", "is_enabled": "on", **columns})


def test_stores_webhook_secrets_and_shows_only_the_address(client, page, provider_account):
    save(client, page, provider_account, webhook_secrets=f"{SECRET} {SECRET}")

    shown = client.get(page).content.decode()
    assert ProviderAccount.objects.get().webhook_secrets == [SECRET, SECRET]
    assert f"/webhooks/providers/{provider_account.pk}" in shown
    assert SECRET not in shown


@pytest.mark.parametrize(("entered", "kept"), [("", [SECRET]), ("-", [])])
def test_keeps_or_takes_away_what_was_stored(client, page, provider_account, entered, kept):
    provider_account.set_webhook_secrets([SECRET])
    provider_account.save()

    save(client, page, provider_account, webhook_secrets=entered)

    assert ProviderAccount.objects.get().webhook_secrets == kept


@pytest.mark.parametrize("entered", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_***", f"{SECRET} x"])
def test_refuses_a_secret_that_proves_nothing(client, page, provider_account, entered):
    answer = save(client, page, provider_account, webhook_secrets=entered)

    assert "A secret starts with whsec_" in answer.content.decode()
    assert ProviderAccount.objects.get().webhook_secrets == []
