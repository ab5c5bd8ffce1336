"""Provider accounts: where they may point, who sees the key, and how they are tested."""

import pytest
from django.urls import reverse

from finetuning.models import ProviderAccount
from finetuning.provider_accounts import services
from finetuning.sandbox.faults import Fault
from tests.conftest import api_client
from tests.factories import JobFactory, ProviderAccountFactory
from tests.finetuning.test_addresses import name_server

pytestmark = pytest.mark.django_db
ACCOUNTS = "/api/provider-accounts"
PUBLIC = ["93.184.216.34"]
KEY = "sk-canary-0123456789abcdef"
NEW = {"name": "remote", "kind": "compatible", "baseUrl": "https://api.provider.test/v1", "apiKey": KEY}


@pytest.fixture(autouse=True)
def _allowed(settings, monkeypatch):
    settings.PROVIDER_ALLOWED_HOSTS = ["api.provider.test", "*.azure.test"]
    name_server(monkeypatch, PUBLIC)


@pytest.fixture
def account(organization):
    return services.create_account(
        organization, name="remote", kind="compatible", base_url=NEW["baseUrl"], api_key=KEY
    )


def test_keeps_the_key_to_itself(admin_api, organization):
    made = admin_api.post(ACCOUNTS, NEW | {"baseModels": ["Qwen/Qwen3-32B"], "default": True})
    shown = admin_api.get(f"{ACCOUNTS}/{made.json()['id']}")

    account = organization.provider_accounts.get()
    assert (made.status_code, account.api_key, account.is_default) == (201, KEY, True)
    assert shown.json()["apiKeyLastFour"] == "cdef"
    assert KEY.encode() not in bytes(account.sealed_api_key)
    assert all(KEY not in answer.text for answer in (made, shown, admin_api.get(ACCOUNTS)))


@pytest.mark.parametrize("who", ["viewer", "user"])
def test_only_admins_manage_accounts(request, who, account):
    api, path = api_client(request.getfixturevalue(who)), f"{ACCOUNTS}/{account.pk}"

    answers = [
        *(api.post(ACCOUNTS, NEW), api.put(path, NEW), api.patch(path, {"name": "x"}), api.delete(path)),
        api.post(f"{path}/test"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert api.get(path).json()["name"] == "remote"


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.provider.test/v1", "ftp://api.provider.test", "api.provider.test", "https://"),
        *("https://evil.test/v1", "https://api.provider.test.evil.test/v1", "https://xapi.provider.test/v1"),
        *("https://azure.test/v1", "https://evilazure.test/v1", "https://api.provider.test./v1"),
        *("https://user:secret@api.provider.test/v1", "https://api.provider.test@evil.test/v1"),
        *(
            "https://api.provider.test/v1#x",
            "https://api.provider.test/v1?x=1",
            "https://api.provider.test\\@evil.test/",
        ),
        *(
            "https://127.0.0.1/v1",
            "https://[::1]/v1",
            "https://2130706433/v1",
            "https://0x7f.1/v1",
            "https://localhost/v1",
        ),
        *("https://①②⑦.⓪.⓪.①/v1", "https://api.provider.test:99999/v1", "https://api provider.test/", ""),
    ],
)
def test_refuses_other_addresses(admin_api, organization, url):
    answer = admin_api.post(ACCOUNTS, NEW | {"baseUrl": url})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/baseUrl")
    assert not organization.provider_accounts.exists()


@pytest.mark.parametrize("address", ["10.0.0.8", "127.0.0.1", "169.254.169.254", "100.64.0.1"])
def test_refuses_an_allowed_name_that_leads_inside(admin_api, monkeypatch, organization, address):
    name_server(monkeypatch, [PUBLIC[0], address])

    answer = admin_api.post(ACCOUNTS, NEW)

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_address_refused")
    assert "not on the public internet" in answer.json()["detail"]


@pytest.mark.parametrize("url", ["https://a.azure.test/openai/v1/", "https://A.B.azure.test:443/v1"])
def test_takes_any_host_below_a_wildcard(admin_api, url):
    assert admin_api.post(ACCOUNTS, NEW | {"baseUrl": url}).status_code == 201


def test_the_sandbox_is_that_of_the_installation(admin_api):
    refused = admin_api.post(ACCOUNTS, {"name": "mine", "kind": "sandbox", "baseUrl": NEW["baseUrl"]})
    taken = admin_api.post(ACCOUNTS, {"name": "mine", "kind": "sandbox"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/baseUrl")
    assert taken.status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "sk-\u2028x", "schl\u00fcssel"])
def test_refuses_what_is_no_key(admin_api, organization, key):
    answer = admin_api.post(ACCOUNTS, NEW | {"apiKey": key})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/apiKey")
    assert not organization.provider_accounts.exists()


def test_the_stored_key_goes_to_no_other_address(admin_api, account):
    path, elsewhere = f"{ACCOUNTS}/{account.pk}", {"baseUrl": "https://mine.azure.test/v1"}

    refused = admin_api.patch(path, elsewhere)
    moved = admin_api.patch(path, elsewhere | {"apiKey": "sk-another-key"})

    account.refresh_from_db()
    assert (refused.status_code, refused.json()["code"]) == (400, "provider_key_missing")
    assert (moved.status_code, account.base_url, account.api_key) == (
        200,
        elsewhere["baseUrl"],
        "sk-another-key",
    )


def test_the_kind_stays(admin_api, account):
    answer = admin_api.patch(f"{ACCOUNTS}/{account.pk}", {"kind": "sandbox"})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_field")


def test_an_operators_own_address_can_stay(admin_api, organization):
    inside = ProviderAccountFactory(
        organization=organization, name="inside", kind="compatible", base_url="http://10.0.0.8/v1"
    )

    answer = admin_api.patch(f"{ACCOUNTS}/{inside.pk}", {"enabled": False})

    assert (answer.status_code, answer.json()["enabled"]) == (200, False)


def test_one_account_is_the_default(admin_api, account, provider_account):
    admin_api.patch(f"{ACCOUNTS}/{account.pk}", {"default": True})

    defaults = ProviderAccount.objects.filter(is_default=True)
    assert [account.name for account in defaults] == ["remote"]


def test_two_accounts_have_two_names(admin_api, account, provider_account):
    made = admin_api.post(ACCOUNTS, NEW)
    renamed = admin_api.patch(f"{ACCOUNTS}/{account.pk}", {"name": provider_account.name})

    assert [(a.status_code, a.json()["code"]) for a in (made, renamed)] == [(409, "provider_name_taken")] * 2


def test_an_account_with_jobs_stays_where_it_is(admin_api, account, organization):
    JobFactory(organization=organization, provider_account=account)
    path = f"{ACCOUNTS}/{account.pk}"

    deleted = admin_api.delete(path)
    moved = admin_api.patch(path, {"baseUrl": "https://mine.azure.test/v1", "apiKey": "sk-x"})
    disabled = admin_api.patch(path, {"enabled": False})

    assert [(a.status_code, a.json()["code"]) for a in (deleted, moved)] == [
        (409, "provider_account_in_use")
    ] * 2
    assert disabled.json()["enabled"] is False


def test_an_account_without_jobs_is_deleted(admin_api, account, organization):
    assert admin_api.delete(f"{ACCOUNTS}/{account.pk}").status_code == 204
    assert not organization.provider_accounts.exists()


def test_accounts_are_limited(admin_api, account, monkeypatch):
    monkeypatch.setattr(services, "MAX_ACCOUNTS", 1)

    assert admin_api.post(ACCOUNTS, NEW | {"name": "other"}).status_code == 409


def test_is_tested_when_it_is_saved(admin_api, sandbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        made = admin_api.post(ACCOUNTS, {"name": "mine", "kind": "sandbox"}).json()
    for callback in callbacks:
        callback()
    shown = admin_api.get(f"{ACCOUNTS}/{made['id']}").json()

    assert (made["health"], made["lastCheckedAt"]) == ("unchecked", None)
    assert (shown["health"], shown["lastError"]) == ("healthy", "")


def test_is_tested_when_asked_and_keeps_what_was_wrong(admin_api, provider_account, sandbox):
    path = f"{ACCOUNTS}/{provider_account.pk}/test"
    sandbox.fail(Fault(kind="error", status=503, times=1))

    failing = admin_api.post(path).json()
    healthy = admin_api.post(path).json()

    assert failing["health"] == "failing"
    assert failing["lastError"]
    assert (healthy["health"], healthy["lastError"]) == ("healthy", "")


def test_a_test_without_a_sandbox_says_so(admin_api, provider_account, settings):
    settings.SANDBOX_URL = ""

    body = admin_api.post(f"{ACCOUNTS}/{provider_account.pk}/test").json()

    assert (body["health"], "No sandbox is set up here" in body["lastError"]) == ("failing", True)


# The pages


def test_page_adds_an_account_and_tells_how_its_test_went(
    client, admin, organization, sandbox, django_capture_on_commit_callbacks
):
    client.force_login(admin)
    form = {"name": "mine", "kind": "sandbox", "base_models": "a/b\n\na/b\nc/d", "is_enabled": "on"}

    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("provider_accounts:new"), form)
    account = organization.provider_accounts.get()
    page = client.get(reverse("provider_accounts:detail", args=[account.pk])).text

    assert account.base_models == ["a/b", "c/d"]
    assert "Healthy" in page


def test_page_never_shows_the_key(client, admin, account):
    client.force_login(admin)
    path = reverse("provider_accounts:detail", args=[account.pk])

    refused = client.post(path, {"name": "not a slug", "api_key": "sk-typed-just-now"})
    shown = client.get(path)

    assert refused.status_code == 422
    assert "sk-typed-just-now" not in refused.text
    assert KEY not in shown.text
    assert "cdef" in shown.text


def test_page_keeps_what_was_typed_but_shows_what_is_saved(client, admin, account):
    client.force_login(admin)

    answer = client.post(
        reverse("provider_accounts:detail", args=[account.pk]),
        {"name": "renamed", "base_url": "https://evil.test/v1", "is_enabled": "on"},
    )

    account.refresh_from_db()
    assert (answer.status_code, account.name) == (422, "remote")
    assert "not among those that the operator allows" in answer.text
    assert 'value="https://evil.test/v1"' in answer.text
    assert "<h1>remote</h1>" in answer.text


def test_page_tests_and_deletes(client, admin, provider_account, sandbox):
    client.force_login(admin)

    tested = client.post(reverse("provider_accounts:test", args=[provider_account.pk]), follow=True)
    deleted = client.post(reverse("provider_accounts:delete", args=[provider_account.pk]), follow=True)

    assert "sandbox answers and takes the key." in tested.text
    assert "sandbox was deleted." in deleted.text


def test_page_says_why_an_account_stays(client, admin, account, organization):
    JobFactory(organization=organization, provider_account=account)
    client.force_login(admin)

    answer = client.post(reverse("provider_accounts:delete", args=[account.pk]), follow=True)

    assert "Switch it off instead" in answer.text
