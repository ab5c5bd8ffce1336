import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidTag
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.utils import timezone
from openai import OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from datasets import reading
from finetuning.models import WebhookDelivery, WebhookEndpoint
from finetuning.models.webhooks import GIVE_UP_AFTER, MANY_FAILURES
from finetuning.webhooks import services, tasks
from finetuning.webhooks.events import EVENT_TYPES, announce
from jobs import services as jobs
from jobs.models import IllegalMove
from jobs.states import Status
from models_registry import services as registry
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory
from tests.finetuning.webhook_receiver import listening

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _laptop(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    with listening() as receiver:
        yield receiver


@pytest.fixture
def endpoint(organization, user, receiver):
    return services.create_endpoint(organization, by=user, url=receiver.url, event_types=list(EVENT_TYPES))


@pytest.fixture
def delivery(endpoint):
    announce(endpoint.organization, "job.succeeded", {"id": "1"})
    return endpoint.deliveries.get()


def make_due(delivery):
    WebhookEndpoint.objects.update(paused_until=None)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())


def deliver(delivery):
    services.deliver_webhook(delivery)
    delivery.refresh_from_db()


def told(endpoint):
    return [(d.event_type, json.loads(d.body)["data"]) for d in endpoint.deliveries.order_by("created_at")]


def test_signs_as_two_other_implementations_verify(endpoint, delivery, receiver):
    deliver(delivery)

    request = receiver.got[0]
    assert delivery.status == "delivered"
    assert Webhook(endpoint.secret).verify(request.body, request.headers)["type"] == "job.succeeded"
    OpenAI(api_key="none").webhooks.verify_signature(
        request.body.decode(), request.headers, secret=endpoint.secret
    )


def test_signs_with_both_secrets_during_a_rotation(endpoint, delivery, receiver):
    old = endpoint.secret
    services.rotate_secret(endpoint)
    delivery.endpoint.refresh_from_db()

    deliver(delivery)

    request = receiver.got[0]
    assert endpoint.secret != old
    Webhook(old).verify(request.body, request.headers)
    Webhook(endpoint.secret).verify(request.body, request.headers)


def test_forgets_the_old_secret_after_the_rotation(endpoint, delivery, receiver):
    old = endpoint.secret
    endpoint.rotate_secret(now=timezone.now(), overlap=timedelta(0))
    delivery.endpoint.refresh_from_db()

    deliver(delivery)

    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(receiver.got[0].body, receiver.got[0].headers)


def test_keeps_secrets_sealed_and_bound_to_their_row(endpoint):
    other = WebhookEndpoint(organization=endpoint.organization, sealed_secret=endpoint.sealed_secret)

    assert endpoint.secret.encode() not in bytes(endpoint.sealed_secret)
    with pytest.raises(InvalidTag):
        _ = other.secret


def test_tells_how_a_job_ended(endpoint, organization, user):
    ended = {
        "job.succeeded": (JobFactory(organization=organization, status=Status.RUNNING), Status.SUCCEEDED),
        "job.failed": (JobFactory(organization=organization, status=Status.RUNNING), Status.FAILED),
        "job.cancelled": (JobFactory(organization=organization), Status.CANCELLED),
    }
    for job, status in ended.values():
        percentage = {"progress_percentage": 100} if status == Status.SUCCEEDED else {}
        job.move_to(status, message="x", now=timezone.now(), **percentage)

    assert [(event_type, data["id"], data["status"]) for event_type, data in told(endpoint)] == [
        (event_type, str(job.pk), status) for event_type, (job, status) in ended.items()
    ]


def test_tells_nothing_of_a_move_that_was_refused_or_is_no_end(endpoint, organization):
    job = JobFactory(organization=organization)
    job.move_to(Status.VALIDATING, message="x", now=timezone.now())
    with pytest.raises(IllegalMove):
        job.move_to(Status.RUNNING, message="x", now=timezone.now())

    assert told(endpoint) == []


@pytest.mark.django_db(transaction=True)
def test_tells_of_a_cancelled_job_of_the_service(endpoint, organization, user):
    jobs.cancel_job(JobFactory(organization=organization), by=user)

    assert [event_type for event_type, _ in told(endpoint)] == ["job.cancelled"]


@pytest.mark.parametrize(("lines", "status"), [(12, "valid"), (0, "invalid")])
def test_tells_how_a_dataset_was_found(endpoint, organization, user, lines, status):
    roles = ({"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."})
    rows = [{"messages": [{**roles[0], "content": f"Why {n}?"}, roles[1]]} for n in range(lines)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode() or b"{}\n"
    dataset = DatasetFactory(organization=organization, status="processing")
    dataset.store_file(ContentFile(content, name="a.jsonl"), size=len(content))

    reading.validate_dataset(dataset)

    [(event_type, data)] = told(endpoint)
    assert (event_type, data["id"], data["status"]) == ("dataset.validated", str(dataset.pk), status)


def test_tells_once_of_a_deployment(endpoint, organization):
    model = FineTunedModelFactory(organization=organization)
    registry.deploy_model(model, agent_id="support")
    registry.deploy_model(model, agent_id="support")

    [(event_type, data)] = told(endpoint)
    assert (event_type, data["id"], data["deploymentCount"]) == ("model.deployed", str(model.pk), 1)


def test_tells_only_those_who_asked_and_are_on(organization, other_organization, user, receiver):
    def make(owner, *event_types, **columns):
        return services.create_endpoint(owner, by=user, url=receiver.url, event_types=event_types, **columns)

    make(organization, "job.failed")
    make(organization, "job.succeeded", is_enabled=False)
    make(other_organization, "job.succeeded")
    asked = make(organization, "job.succeeded", "job.failed")

    announce(organization, "job.succeeded", {})

    assert WebhookDelivery.objects.get().endpoint == asked


@pytest.mark.django_db(transaction=True)
def test_writes_nothing_when_the_change_is_rolled_back(endpoint, organization):
    job = JobFactory(organization=organization)
    with transaction.atomic():
        job.move_to(Status.FAILED, message="x", now=timezone.now())
        transaction.set_rollback(True)

    assert not WebhookDelivery.objects.exists()


def test_rings_for_the_delivery_once_the_change_is_committed(
    endpoint, django_capture_on_commit_callbacks, monkeypatch
):
    rung = []
    monkeypatch.setattr(tasks.deliver_webhook, "apply_async", lambda kwargs, **_: rung.append(kwargs))

    with django_capture_on_commit_callbacks(execute=True):
        announce(endpoint.organization, "job.failed", {})

    assert rung == [{"delivery_id": str(endpoint.deliveries.get().pk)}]


def test_tries_again_by_the_schedule_and_gives_up_after_three_days(delivery, receiver):
    waits = []
    for _ in range(len(services.RETRY_AFTER) + 1):
        receiver.answers = [500]
        make_due(delivery)
        deliver(delivery)
        waits.append(delivery.next_attempt_at and delivery.next_attempt_at - delivery.last_attempt_at)

    assert (delivery.status, delivery.attempts, delivery.answer_status) == ("failed", 10, 500)
    assert waits == [*services.RETRY_AFTER, None]
    assert timedelta(days=3) <= sum(services.RETRY_AFTER, timedelta()) <= GIVE_UP_AFTER
    assert len({request.headers["webhook-id"] for request in receiver.got}) == 1
    assert len({request.body for request in receiver.got}) == 1


def test_flags_an_endpoint_that_fails_often_and_clears_it_when_it_answers(delivery, endpoint, receiver):
    receiver.answers = [500] * MANY_FAILURES
    for _ in range(MANY_FAILURES):
        delivery.ask_again(now=timezone.now())
        deliver(delivery)
    endpoint.refresh_from_db()
    flagged, since = endpoint.is_failing, endpoint.failing_since
    services.resend_delivery(delivery)
    deliver(delivery)
    endpoint.refresh_from_db()

    assert (flagged, since is not None) == (True, True)
    assert (endpoint.is_failing, endpoint.failures, endpoint.failing_since) == (False, 0, None)


def test_leaves_a_server_that_does_not_answer_alone_for_a_while(delivery, endpoint, receiver):
    receiver.answers = [lambda handler: None]
    other = endpoint.queue("job.failed", {})

    deliver(delivery)
    deliver(other)

    assert delivery.attempts == 1
    assert (other.attempts, other.status) == (0, "pending")
    assert list(WebhookDelivery.objects.due(timezone.now())) == []
    assert other in WebhookDelivery.objects.due(timezone.now() + services.PAUSE)


def test_checks_the_address_at_each_send(delivery, receiver, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []

    deliver(delivery)

    assert receiver.got == []
    assert (delivery.status, delivery.answer_status) == ("pending", None)
    assert "not on the public internet" in delivery.error


def test_gives_up_what_is_too_old_even_for_an_endpoint_that_is_off(delivery, endpoint):
    services.update_endpoint(endpoint, is_enabled=False)
    WebhookDelivery.objects.update(give_up_at=timezone.now())

    tasks.deliver_due_webhooks()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("failed", 0)


def test_sends_nothing_to_an_endpoint_that_is_off_and_goes_on_when_it_is_on(delivery, endpoint, receiver):
    services.update_endpoint(endpoint, is_enabled=False)
    deliver(delivery)
    sent_while_off = len(receiver.got)
    services.update_endpoint(endpoint, is_enabled=True)
    deliver(delivery)

    assert (sent_while_off, len(receiver.got)) == (0, 1)


def test_survives_a_sender_that_dies_every_time(delivery):
    now = timezone.now()
    for _ in range(len(services.RETRY_AFTER) + 1):
        assert delivery.claim(now=now, until=now)

    deliver(delivery)

    assert (delivery.status, delivery.answer_status) == ("failed", None)


def test_leaves_the_word_to_the_sender_that_has_the_lease(delivery):
    now = timezone.now()
    slow = WebhookDelivery.objects.get()
    slow.claim(now=now, until=now)
    delivery.claim(now=timezone.now(), until=timezone.now() + timedelta(minutes=1))

    assert not slow.record(next_attempt_at=None)
    assert slow.status == "pending"


@pytest.mark.django_db(transaction=True)
def test_sends_once_from_eight_workers_at_once(delivery, receiver):
    def work(_):
        try:
            services.deliver_webhook(WebhookDelivery.objects.select_related("endpoint").get())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert len(receiver.got) == 1


KILLED = """
import sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[2]
django.setup()
from finetuning.webhooks import tasks
tasks.deliver_webhook(delivery_id=sys.argv[1])
"""


@pytest.mark.django_db(transaction=True)
def test_sends_again_under_the_same_id_after_a_kill_in_the_middle(delivery, receiver):
    victims = []

    def kill(handler):
        victims[0].kill()
        victims[0].wait()

    receiver.answers = [kill]
    command = [sys.executable, "-c", KILLED, str(delivery.pk), connection.settings_dict["NAME"]]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    with subprocess.Popen(command, env=environment) as victim:
        victims.append(victim)
    delivery.refresh_from_db()
    held = (delivery.status, delivery.attempts, delivery.last_attempt_at)
    due_at = delivery.next_attempt_at

    assert victim.returncode == -signal.SIGKILL
    assert held == ("pending", 1, None)
    assert delivery in WebhookDelivery.objects.due(due_at)

    make_due(delivery)
    deliver(delivery)
    first, second = receiver.got
    assert delivery.status == "delivered"
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


def test_sends_again_what_was_delivered_when_somebody_asks(delivery, receiver):
    deliver(delivery)

    services.resend_delivery(delivery)
    deliver(delivery)

    assert (len(receiver.got), delivery.status, delivery.attempts) == (2, "delivered", 2)


def test_forgets_the_log_after_30_days(delivery, endpoint):
    deliver(delivery)
    waiting = endpoint.queue("job.failed", {})
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))

    tasks.delete_old_webhook_deliveries()

    assert list(WebhookDelivery.objects.all()) == [waiting]


def test_is_not_surprised_by_a_delivery_that_is_gone(delivery, endpoint):
    endpoint.delete()

    tasks.deliver_webhook(delivery_id=str(delivery.pk))


def test_has_a_limit_of_endpoints(organization, user, receiver):
    for _ in range(services.MAX_ENDPOINTS):
        services.create_endpoint(organization, by=user, url=receiver.url, event_types=["job.failed"])

    with pytest.raises(services.TooManyWebhookEndpoints):
        services.create_endpoint(organization, by=user, url=receiver.url, event_types=["job.failed"])
