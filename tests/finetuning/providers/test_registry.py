import pytest

from finetuning.models import ProviderAccount
from finetuning.providers import get_provider
from finetuning.providers.base import ProviderRefused, RemoteStatus
from jobs.states import Status


def account(**columns):
    account = ProviderAccount(**columns)
    account.set_api_key("sk-test-0123456789")
    return account


def test_asks_the_sandbox_for_a_sandbox_account(sandbox):
    provider = get_provider(account(kind="sandbox"))

    assert provider.list_models()


def test_asks_the_sandbox_without_a_key(sandbox):
    provider = get_provider(ProviderAccount(kind="sandbox"))

    assert provider.list_models()


def test_asks_the_address_of_a_compatible_account(sandbox, settings):
    settings.SANDBOX_URL = ""

    provider = get_provider(account(kind="compatible", base_url=f"{sandbox.url}/v1"))

    assert provider.list_models()


@pytest.mark.parametrize(
    ("kind", "code"), [("sandbox", "sandbox_not_configured"), ("compatible", "provider_address_missing")]
)
def test_refuses_an_account_without_an_address(settings, kind, code):
    settings.SANDBOX_URL = ""

    with pytest.raises(ProviderRefused) as refused:
        get_provider(account(kind=kind))

    assert refused.value.code == code


def test_refuses_a_key_that_was_sealed_with_another_secret(settings):
    openai = account(kind="openai")
    settings.ENCRYPTION_KEYS = ["another-secret"]

    with pytest.raises(ProviderRefused, match="Enter the key again"):
        get_provider(openai)


def test_has_an_adapter_for_each_kind_of_account(settings):
    settings.SANDBOX_URL = "http://127.0.0.1:1"

    for kind in ProviderAccount.Kind.values:
        assert get_provider(account(kind=kind, base_url="http://127.0.0.1:1/v1"))


def test_speaks_of_a_run_in_the_words_of_a_job():
    assert {status.value for status in RemoteStatus} <= {status.value for status in Status}
