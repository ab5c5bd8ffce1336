import json

import pytest

from finetuning.models import WebhookDelivery
from finetuning.webhooks import services

pytestmark = pytest.mark.django_db
ENDPOINTS = "/api/webhooks/endpoints"
URL = "http://127.0.0.1:9/hook"


@pytest.fixture(autouse=True)
def _laptop(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def endpoint(organization, user):
    return services.create_endpoint(organization, by=user, url=URL, event_types=["job.failed"])


def test_shows_the_secret_when_it_is_made_and_never_again(admin_api):
    made = admin_api.post(ENDPOINTS, {"url": URL, "eventTypes": ["job.failed", "job.succeeded"]})
    path = f"{ENDPOINTS}/{made.json()['id']}"
    shown = admin_api.get(path)
    rotated = admin_api.post(f"{path}/rotate-secret")

    assert (made.status_code, shown.status_code, rotated.status_code) == (201, 200, 200)
    assert made.json()["secret"].startswith("whsec_")
    assert "secret" not in shown.json()
    assert rotated.json()["secret"] not in ("", made.json()["secret"])
    assert rotated.json()["previousSecretUntil"]


def test_lists_and_changes_endpoints(admin_api, endpoint):
    path = f"{ENDPOINTS}/{endpoint.pk}"
    changed = admin_api.patch(path, {"enabled": False, "description": "Paused"})
    listed = admin_api.get(ENDPOINTS).json()["data"]

    assert changed.status_code == 200
    assert [(row["id"], row["enabled"], row["description"], row["eventTypes"]) for row in listed] == [
        (str(endpoint.pk), False, "Paused", ["job.failed"])
    ]


def test_deletes_an_endpoint(admin_api, endpoint, organization):
    assert admin_api.delete(f"{ENDPOINTS}/{endpoint.pk}").status_code == 204
    assert not organization.webhook_endpoints.exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://no-such-host.invalid/"}, "/url"),
        ({"url": "nonsense"}, "/url"),
        ({"eventTypes": []}, "/eventTypes"),
        ({"eventTypes": ["job.started"]}, "/eventTypes/0"),
        ({"secret": "mine"}, "/secret"),
    ],
)
def test_refuses_what_cannot_work(admin_api, endpoint, change, pointer):
    made = admin_api.post(ENDPOINTS, {"url": URL, "eventTypes": ["job.failed"]} | change)
    changed = admin_api.patch(f"{ENDPOINTS}/{endpoint.pk}", change)

    for answer in (made, changed):
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.event_types) == (URL, ["job.failed"])


def test_shows_the_log_with_what_was_sent(admin_api, endpoint):
    sent = admin_api.post(f"{ENDPOINTS}/{endpoint.pk}/test")
    delivery = WebhookDelivery.objects.get()
    services.deliver_webhook(delivery)
    listed = admin_api.get(f"{ENDPOINTS}/{endpoint.pk}/deliveries").json()["data"]
    shown = admin_api.get(f"{ENDPOINTS}/{endpoint.pk}/deliveries/{delivery.pk}").json()

    assert (sent.status_code, sent.json()["status"]) == (202, "pending")
    assert [(row["id"], row["attempts"], row["answerStatus"]) for row in listed] == [
        (str(delivery.pk), 1, None)
    ]
    assert json.loads(shown["body"])["type"] == "webhook.test"
    assert shown["error"]


def test_sends_again(admin_api, endpoint):
    delivery = endpoint.queue("job.failed", {})
    WebhookDelivery.objects.update(next_attempt_at=None)

    answer = admin_api.post(f"{ENDPOINTS}/{endpoint.pk}/deliveries/{delivery.pk}/resend")

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


@pytest.mark.parametrize("action", ["test", "deliveries/{delivery}/resend"])
def test_sends_nothing_to_an_endpoint_that_is_off(admin_api, endpoint, action):
    delivery = endpoint.queue("job.failed", {})
    services.update_endpoint(endpoint, is_enabled=False)

    answer = admin_api.post(f"{ENDPOINTS}/{endpoint.pk}/{action.format(delivery=delivery.pk)}")

    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_endpoint_disabled")


def test_takes_no_delivery_of_another_endpoint(admin_api, endpoint, organization, user):
    other = services.create_endpoint(organization, by=user, url=URL, event_types=["job.failed"])
    delivery = other.queue("job.failed", {})

    assert admin_api.get(f"{ENDPOINTS}/{endpoint.pk}/deliveries/{delivery.pk}").status_code == 404
    assert admin_api.post(f"{ENDPOINTS}/{endpoint.pk}/deliveries/{delivery.pk}/resend").status_code == 404


@pytest.mark.parametrize("client", ["api", "viewer_api"])
def test_lets_members_look_and_only_admins_change(request, client, endpoint):
    client = request.getfixturevalue(client)
    path = f"{ENDPOINTS}/{endpoint.pk}"

    reads = [client.get(ENDPOINTS), client.get(path), client.get(f"{path}/deliveries")]
    changes = [
        client.post(ENDPOINTS, {"url": URL, "eventTypes": ["job.failed"]}),
        client.put(path, {"url": URL, "eventTypes": ["job.failed"]}),
        client.patch(path, {"enabled": False}),
        client.post(f"{path}/rotate-secret"),
        client.post(f"{path}/test"),
        client.delete(path),
    ]

    assert {answer.status_code for answer in reads} == {200}
    assert {answer.status_code for answer in changes} == {403}
