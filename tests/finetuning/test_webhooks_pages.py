import re

import pytest

from finetuning.models import WebhookDelivery
from finetuning.webhooks import services
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:9/hook"
FORM = {"url": URL, "description": "Bot", "event_types": ["job.failed"], "is_enabled": "on"}


@pytest.fixture(autouse=True)
def _laptop(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def admin(client, organization):
    client.force_login(UserFactory(member_of=organization, member_of__role="admin"))
    return client


@pytest.fixture
def endpoint(organization, user):
    return services.create_endpoint(organization, by=user, url=URL, event_types=["job.failed"])


def test_adds_an_endpoint_and_shows_its_secret_once(admin, organization):
    answer = admin.post("/settings/webhooks/new", FORM)

    endpoint = organization.webhook_endpoints.get()
    assert endpoint.secret in answer.content.decode()
    assert (endpoint.url, endpoint.event_types, endpoint.is_enabled) == (URL, ["job.failed"], True)
    for path in ("/settings/webhooks", f"/settings/webhooks/{endpoint.pk}"):
        page = admin.get(path).content.decode()
        assert URL in page
        assert endpoint.secret not in page


def test_keeps_what_was_typed_when_the_address_is_refused(admin, organization):
    answer = admin.post("/settings/webhooks/new", FORM | {"url": "https://10.0.0.1/"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "not on the public internet" in page
    assert 'value="https://10.0.0.1/"' in page
    assert not organization.webhook_endpoints.exists()


def test_changes_an_endpoint(admin, endpoint):
    answer = admin.post(
        f"/settings/webhooks/{endpoint.pk}/edit", {"url": URL + "/2", "event_types": ["model.deployed"]}
    )

    endpoint.refresh_from_db()
    assert answer.status_code == 302
    assert (endpoint.url, endpoint.event_types, endpoint.is_enabled) == (
        URL + "/2",
        ["model.deployed"],
        False,
    )


def test_rotates_the_secret(admin, endpoint):
    old = endpoint.secret

    page = admin.post(f"/settings/webhooks/{endpoint.pk}/rotate").content.decode()

    endpoint.refresh_from_db()
    assert endpoint.secret != old
    assert endpoint.secret in page
    assert old not in page


def test_shows_a_delivery_as_it_goes(admin, endpoint):
    started = admin.post(f"/settings/webhooks/{endpoint.pk}/test")
    delivery = WebhookDelivery.objects.get()
    pending = admin.get(started["Location"]).content.decode()
    services.deliver_webhook(delivery)
    part = admin.get(started["Location"], headers={"HX-Request": "true"}).content.decode()
    log = admin.get(f"/settings/webhooks/{endpoint.pk}").content.decode()

    assert "hx-get" in pending
    assert "<html" not in part
    assert "connection was refused" in part
    assert re.search(r"webhook\.test</a>", log)


def test_sends_again_and_deletes(admin, endpoint, organization):
    delivery = endpoint.queue("job.failed", {})
    WebhookDelivery.objects.update(next_attempt_at=None)

    admin.post(f"/settings/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/resend")
    delivery.refresh_from_db()
    admin.post(f"/settings/webhooks/{endpoint.pk}/delete")

    assert delivery.status == "pending"
    assert not organization.webhook_endpoints.exists()


def test_says_that_an_endpoint_which_is_off_is_sent_nothing(admin, endpoint):
    delivery = endpoint.queue("job.failed", {})
    services.update_endpoint(endpoint, is_enabled=False)

    tested = admin.post(f"/settings/webhooks/{endpoint.pk}/test", follow=True)
    resent = admin.post(f"/settings/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/resend", follow=True)

    for answer in (tested, resent):
        assert "switched off" in answer.content.decode()


def test_lets_a_member_look_but_not_change(client, user, endpoint):
    client.force_login(user)
    delivery = endpoint.queue("job.failed", {})
    base = f"/settings/webhooks/{endpoint.pk}"

    reads = [client.get(path) for path in ("/settings/webhooks", base, f"{base}/deliveries/{delivery.pk}")]
    changes = [client.post(f"{base}/{verb}") for verb in ("edit", "rotate", "test", "delete")]

    assert {answer.status_code for answer in reads} == {200}
    assert not any('<form method="post" action="/settings' in answer.content.decode() for answer in reads)
    assert {answer.status_code for answer in changes} == {403}


def test_costs_the_same_queries_however_long_the_log(admin, endpoint, django_assert_max_num_queries):
    for _ in range(60):
        endpoint.queue("job.failed", {})

    with django_assert_max_num_queries(8):
        page = admin.get(f"/settings/webhooks/{endpoint.pk}").content.decode()
    assert "1 to 50 of 60" in page
