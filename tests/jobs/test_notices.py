"""Webhooks of providers: taken once, from the right sender, and never believed."""

import json
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from finetuning.models import ProviderAccount, ProviderNotice
from finetuning.sandbox import deliveries
from finetuning.webhooks.signing import new_secret
from jobs import services, tasks
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel
from tests.factories import JobFactory, ProviderAccountFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_" + b64encode(b"a secret of the provider's own").decode()
LATER = datetime(2036, 1, 1, tzinfo=UTC)


@pytest.fixture
def account(provider_account):
    provider_account.set_webhook_secrets([SECRET])
    provider_account.save()
    return provider_account


@pytest.fixture
def running(account):
    """A job that is looked at again in ten years, unless somebody rings."""
    return JobFactory(
        organization=account.organization,
        provider_account=account,
        status=Status.RUNNING,
        provider_job_id="ftjob-1",
        next_check_at=LATER,
    )


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True)


def event(subject="ftjob-1", kind="fine_tuning.job.succeeded"):
    event = {"id": "evt_1", "object": "event", "created_at": 1, "type": kind, "data": {"id": subject}}
    return json.dumps(event).encode()


def sign(body, *, webhook_id="wh_1", at=None, secret=SECRET):
    at = datetime.fromtimestamp(int(at if at is not None else time.time()), UTC)
    signature = Webhook(secret).sign(msg_id=webhook_id, timestamp=at, data=body.decode())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def send(client, account, body, headers, **more):
    return client.post(
        f"/webhooks/providers/{account.pk}",
        data=body,
        content_type="application/json",
        headers={**headers, **more},
    )


def is_due(job):
    job.refresh_from_db()
    return job.next_check_at is not None and job.next_check_at <= timezone.now()


def test_makes_the_job_due(client, account, running):
    answer = send(client, account, event(), sign(event()))

    assert answer.status_code == 204
    assert is_due(running)
    assert running.status == Status.RUNNING


def test_takes_the_same_webhook_once(client, account, running):
    headers = sign(event())
    send(client, account, event(), headers)
    Job.objects.update(next_check_at=LATER)

    answer = send(client, account, event(), headers)

    assert answer.status_code == 204
    assert not is_due(running)
    assert ProviderNotice.objects.count() == 1


def test_takes_a_repetition_with_a_new_time_once(client, account, running):
    send(client, account, event(), sign(event(), at=time.time() - 60))
    Job.objects.update(next_check_at=LATER)

    answer = send(client, account, event(), sign(event()))

    assert answer.status_code == 204
    assert not is_due(running)


@pytest.mark.parametrize("sender", [0, 1])
def test_takes_both_secrets_while_the_provider_changes_them(client, account, running, sender):
    secrets = [SECRET, new_secret()]
    account.set_webhook_secrets(secrets)
    account.save()

    answer = send(client, account, event(), sign(event(), secret=secrets[sender]))

    assert answer.status_code == 204
    assert is_due(running)


def test_takes_one_good_signature_among_others(client, account, running):
    headers = sign(event())
    headers["webhook-signature"] = f"v1,AAAA v2,zzzz {headers['webhook-signature']}"

    assert send(client, account, event(), headers).status_code == 204
    assert is_due(running)


@pytest.mark.parametrize("seconds", [-290, 290])
def test_takes_what_is_some_minutes_old_or_early(client, account, running, seconds):
    assert send(client, account, event(), sign(event(), at=time.time() + seconds)).status_code == 204


FORGED = {
    "a wrong secret": lambda: (event(), sign(event(), secret=new_secret())),
    "another body": lambda: (event("ftjob-1"), sign(event("ftjob-2"))),
    "another id": lambda: (event(), sign(event()) | {"webhook-id": "wh_2"}),
    "another time": lambda: (event(), sign(event()) | {"webhook-timestamp": str(int(time.time()) + 1)}),
    "an old time": lambda: (event(), sign(event(), at=time.time() - 400)),
    "a time to come": lambda: (event(), sign(event(), at=time.time() + 400)),
    "no signature": lambda: (event(), {n: v for n, v in sign(event()).items() if n != "webhook-signature"}),
    "no id": lambda: (event(), {n: v for n, v in sign(event()).items() if n != "webhook-id"}),
    "no time": lambda: (event(), {n: v for n, v in sign(event()).items() if n != "webhook-timestamp"}),
    "an empty signature": lambda: (event(), sign(event()) | {"webhook-signature": ""}),
    "a signature of other letters": lambda: (event(), sign(event()) | {"webhook-signature": "v1,ключ"}),
    "a signature without end": lambda: (event(), sign(event()) | {"webhook-signature": "v1," + "A" * 5000}),
    "a time in words": lambda: (event(), sign(event()) | {"webhook-timestamp": "now"}),
    "a time of Arabic digits": lambda: (event(), sign(event()) | {"webhook-timestamp": "١٧٩٥٠٠٠٠٠٠"}),
    "a time without end": lambda: (event(), sign(event()) | {"webhook-timestamp": "9" * 400}),
    "an id without end": lambda: (event(), sign(event(), webhook_id="w" * 300)),
    "a body that is no text": lambda: (b"\xff\xfe\x00", sign(event())),
    "an empty body": lambda: (b"", sign(b"")),
    "a body that is no JSON": lambda: (b"{", sign(b"{")),
    "a list": lambda: (b"[1]", sign(b"[1]")),
    "a body of NaN": lambda: (b'{"type": NaN}', sign(b'{"type": NaN}')),
    "no type": lambda: (b'{"data": {"id": "ftjob-1"}}', sign(b'{"data": {"id": "ftjob-1"}}')),
    "no data": lambda: (b'{"type": "fine_tuning.job.failed"}', sign(b'{"type": "fine_tuning.job.failed"}')),
    "an id that is a number": lambda: (event(7), sign(event(7))),
    "an id too long": lambda: (event("f" * 300), sign(event("f" * 300))),
}


@pytest.mark.parametrize("case", FORGED)
def test_refuses_with_a_reason(client, account, running, case):
    body, headers = FORGED[case]()

    answer = send(client, account, body, headers)

    assert answer.status_code == 400
    assert answer.content.decode().endswith(".")
    assert not is_due(running)
    assert not ProviderNotice.objects.exists()


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["short"]])
def test_expects_nothing_without_a_usable_secret(client, account, running, secrets):
    account.set_webhook_secrets(secrets)
    account.save()
    signed_with_nothing = sign(event()) | {"webhook-signature": "v1,"}

    answer = send(client, account, event(), signed_with_nothing)

    assert answer.status_code in (400, 404)
    assert not is_due(running)


def test_says_nothing_about_accounts_that_are_not_there(client, account, running):
    nobody = ProviderAccountFactory.build()

    assert send(client, nobody, event(), sign(event())).status_code == 404


def test_refuses_a_body_above_a_megabyte(client, account, running):
    body = b" " * (1024 * 1024 + 1)

    assert send(client, account, body, sign(body)).status_code == 413


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_takes_only_a_post(client, account, method):
    assert getattr(client, method)(f"/webhooks/providers/{account.pk}").status_code == 405


def test_cannot_ring_for_the_job_of_another_organization(client, running, other_organization):
    foreign = ProviderAccountFactory(organization=other_organization)
    foreign.set_webhook_secrets([SECRET])
    foreign.save()

    answer = send(client, foreign, event(), sign(event()))

    assert answer.status_code == 204
    assert not is_due(running)


def test_does_not_wake_a_finished_job(client, account, running):
    running.move_to(Status.FAILED, message="x", now=timezone.now())

    assert send(client, account, event(), sign(event())).status_code == 204
    running.refresh_from_db()
    assert running.next_check_at is None


@pytest.mark.parametrize("kind", ["response.completed", "fine_tuning", "batch.failed", ""])
def test_ignores_what_is_not_about_a_job(client, account, running, kind):
    assert send(client, account, event(kind=kind), sign(event(kind=kind))).status_code == 204
    assert not is_due(running)


def test_refuses_when_the_stored_secret_cannot_be_read(client, account, running, settings):
    settings.ENCRYPTION_KEYS = ["another key, of no value at all 1234567890"]

    assert send(client, account, event(), sign(event())).status_code == 400


def test_deletes_old_notices_in_the_end(account):
    account.notices.create(webhook_id="new")
    account.notices.create(webhook_id="old")
    ProviderNotice.objects.filter(webhook_id="old").update(
        received_at=timezone.now() - tasks.NOTICES_KEPT_FOR - timedelta(hours=1)
    )

    tasks.delete_old_notices()

    assert [notice.webhook_id for notice in ProviderNotice.objects.all()] == ["new"]


@pytest.mark.parametrize("order", sorted(set(permutations(("succeeded", "failed", "cancelled", "failed")))))
def test_believes_the_run_whatever_webhooks_say_in_whatever_order(client, account, sandbox, job, order):
    while job.status != Status.RUNNING:
        advance(job, sandbox, seconds=1)
    sandbox.clock.advance(600)

    for number, word in enumerate(order):
        body = event(job.provider_job_id, f"fine_tuning.job.{word}")
        for _ in range(2):
            send(client, account, body, sign(body, webhook_id=f"wh_{number}"))
        services.advance_job(Job.objects.get(pk=job.pk))

    job.refresh_from_db()
    assert job.status == Status.SUCCEEDED
    assert FineTunedModel.objects.count() == 1
    assert job.events.filter(event_type="status", metadata__status="succeeded").count() == 1


def test_understands_the_sandbox(client, account, running):
    endpoint = {"secret": SECRET, "old_secret": None, "old_secret_until": 0}
    timestamp = int(time.time())
    headers = {
        "webhook-id": "wh_9",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": deliveries.signatures(endpoint, "wh_9", timestamp, event()),
    }

    assert send(client, account, event(), headers).status_code == 204
    assert is_due(running)


def test_takes_the_vendors_own_example(client, account, running, time_machine):
    time_machine.move_to(datetime.fromtimestamp(1750861210, UTC))
    account.set_webhook_secrets(["whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c="])
    account.save()
    body = (
        b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, '
        b'"type": "response.completed", "data": {"id": "resp_123"}}'
    )
    headers = {
        "webhook-id": "wh_685c059ae39c8190af8c71ed1022a24d",
        "webhook-timestamp": "1750861210",
        "webhook-signature": "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
    }

    assert send(client, account, body, headers).status_code == 204


def test_keeps_its_secrets_sealed(account):
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_webhook_secrets FROM provider_accounts")
        assert SECRET.encode() not in bytes(cursor.fetchone()[0])
    assert ProviderAccount.objects.get().webhook_secrets == [SECRET]
