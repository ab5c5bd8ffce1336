from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from finetuning.sandbox import faults, jobs, lifecycle
from tests.finetuning.sandbox.conftest import BASE, chat_file
from tests.threads import serving

SECRET = "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c="


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent and answers with `status`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.status = 200
        self.received = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"


class ReceiverHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append((headers, body))
        self.send_response(self.server.status)
        self.send_header("Location", self.server.url)
        self.end_headers()

    def do_GET(self):
        # Where a redirect would lead; following it must not count as a delivery.
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    with serving(Receiver()) as server:
        yield server


@pytest.fixture
def rehearsal(start, receiver):
    return start(webhook_url=receiver.url, webhook_secret=SECRET)


def deliver(rehearsal):
    return rehearsal.app.deliver_due_webhooks(rehearsal.clock())


def unwrap(rehearsal, received, secret, monkeypatch):
    headers, body = received
    # The SDK compares with the machine's clock; the sandbox lives in its own time.
    monkeypatch.setattr("time.time", rehearsal.clock)
    return rehearsal.api.webhooks.unwrap(body, headers, secret=secret)


def test_tells_that_a_job_has_succeeded_with_a_good_signature(rehearsal, receiver, monkeypatch):
    job = rehearsal.train(chat_file())

    arrived = deliver(rehearsal)
    event = unwrap(rehearsal, receiver.received[0], SECRET, monkeypatch)

    assert arrived == len(receiver.received) == 1
    assert event.type == "fine_tuning.job.succeeded"
    assert event.data.id == job.id


def test_tells_about_failed_and_cancelled_jobs(rehearsal, receiver):
    rehearsal.train(chat_file(3))
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))
    rehearsal.api.fine_tuning.jobs.cancel(job.id)

    deliver(rehearsal)

    assert b"fine_tuning.job.failed" in receiver.received[0][1]
    assert b"fine_tuning.job.cancelled" in receiver.received[1][1]


def test_tells_it_without_anybody_asking_for_the_job(rehearsal, receiver):
    rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))

    rehearsal.clock.advance(3600)

    assert deliver(rehearsal) == 1


def test_tells_it_once(rehearsal, receiver):
    rehearsal.train(chat_file())

    deliver(rehearsal)
    rehearsal.clock.advance(7200)
    deliver(rehearsal)

    assert len(receiver.received) == 1


def test_ends_a_job_once_when_two_requests_see_its_end(rehearsal, receiver):
    job_id = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file())).id
    rehearsal.clock.advance(3)
    rehearsal.api.fine_tuning.jobs.retrieve(job_id)
    seen_by_both = jobs.find(rehearsal.app.sandbox, job_id)

    for _ in range(2):
        lifecycle.end(rehearsal.app.sandbox, seen_by_both, rehearsal.clock())

    assert deliver(rehearsal) == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_tries_again_until_it_is_accepted(rehearsal, receiver, status):
    rehearsal.train(chat_file())
    receiver.status = status
    deliver(rehearsal)
    too_early = deliver(rehearsal)
    receiver.status = 204

    rehearsal.clock.advance(10)

    assert (too_early, deliver(rehearsal)) == (0, 1)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert len({body for _, body in receiver.received}) == 1


def test_gives_up_after_three_days(rehearsal, receiver):
    rehearsal.train(chat_file())
    receiver.status = 500
    rehearsal.clock.advance(73 * 3600)
    deliver(rehearsal)

    rehearsal.clock.advance(73 * 3600)
    deliver(rehearsal)

    assert len(receiver.received) == 1


def test_goes_on_after_a_restart(start, receiver):
    before = start(webhook_url=receiver.url, webhook_secret=SECRET)
    before.train(chat_file())

    after = start(clock=before.clock, webhook_url=receiver.url, webhook_secret=SECRET)

    assert deliver(after) == 1


def test_tells_endpoints_only_what_they_asked_for(start, receiver, monkeypatch):
    rehearsal = start()
    endpoint = rehearsal.api.webhooks.create(
        event_types=["fine_tuning.job.succeeded"], name="mine", url=receiver.url
    )
    rehearsal.train(chat_file(3))
    rehearsal.train(chat_file())

    deliver(rehearsal)

    event = unwrap(rehearsal, receiver.received[0], endpoint.signing_secret, monkeypatch)
    assert len(receiver.received) == 1
    assert event.type == "fine_tuning.job.succeeded"


def test_signs_with_both_secrets_while_one_is_replaced(start, receiver, monkeypatch):
    rehearsal = start()
    api = rehearsal.api.webhooks
    old = api.create(event_types=["fine_tuning.job.succeeded"], name="mine", url=receiver.url)
    new = api.rotate_secret(old.id, keep_old_secret_active_for_24_hours=True)

    tested = api.test(old.id, event_type="fine_tuning.job.succeeded")

    assert tested.success
    for secret in (old.signing_secret, new.signing_secret):
        assert unwrap(rehearsal, receiver.received[0], secret, monkeypatch).type.endswith("succeeded")


def test_forgets_the_old_secret_at_once_when_asked(start, receiver, monkeypatch):
    rehearsal = start()
    api = rehearsal.api.webhooks
    old = api.create(event_types=["fine_tuning.job.succeeded"], name="mine", url=receiver.url)
    api.rotate_secret(old.id)

    api.test(old.id, event_type="fine_tuning.job.succeeded")

    with pytest.raises(openai.InvalidWebhookSignatureError):
        unwrap(rehearsal, receiver.received[0], old.signing_secret, monkeypatch)


def test_reports_a_test_that_nobody_took(rehearsal, receiver):
    endpoint = rehearsal.api.webhooks.list().data[0]
    receiver.status = 503

    with pytest.raises(openai.BadRequestError, match="answered 503"):
        rehearsal.api.webhooks.test(endpoint.id, event_type="fine_tuning.job.failed")


def test_changes_and_deletes_endpoints(rehearsal, receiver):
    api = rehearsal.api.webhooks
    endpoint = api.create(event_types=["batch.completed"], name="a", url="http://one.test/")

    changed = api.update(endpoint.id, name="b")
    deleted = api.delete(endpoint.id)

    assert (changed.name, changed.url, changed.event_types) == ("b", "http://one.test/", ["batch.completed"])
    assert deleted.deleted
    with pytest.raises(openai.NotFoundError):
        api.retrieve(endpoint.id)


@pytest.mark.parametrize("url", ["https://", "ftp://a.test/", "file:///etc/passwd", "http://[", ""])
def test_refuses_addresses_that_are_none(rehearsal, url):
    with pytest.raises(openai.BadRequestError, match="url"):
        rehearsal.api.webhooks.create(event_types=["batch.completed"], name="a", url=url)


@pytest.mark.parametrize(
    ("url", "secret"), [("http://a.test/", None), ("http://a.test/", "whsec_?"), ("nowhere", SECRET)]
)
def test_does_not_start_with_settings_that_cannot_work(start, url, secret):
    with pytest.raises(ValueError, match="webhook"):
        start(webhook_url=url, webhook_secret=secret)


def test_drops_the_endpoint_of_former_settings(start):
    before = start(webhook_url="http://a.test/", webhook_secret=SECRET)

    after = start(clock=before.clock)

    assert [endpoint.url for endpoint in before.api.webhooks.list()] == []
    assert after.api.webhooks.list().data == []


def deliver_with(rehearsal, **fault):
    faults.add(rehearsal.app.sandbox, [faults.Fault(**fault)])
    rehearsal.train(chat_file())
    return deliver(rehearsal)


def test_a_lost_webhook_never_arrives(rehearsal, receiver):
    deliver_with(rehearsal, kind="webhook_lost")
    rehearsal.clock.advance(7200)
    deliver(rehearsal)

    assert receiver.received == []


def test_a_doubled_webhook_arrives_twice_under_one_id(rehearsal, receiver):
    deliver_with(rehearsal, kind="webhook_doubled")

    first, second = (headers["webhook-id"] for headers, _ in receiver.received)
    assert first == second


def test_a_late_webhook_arrives_later(rehearsal, receiver):
    assert deliver_with(rehearsal, kind="webhook_late", seconds=60) == 0

    rehearsal.clock.advance(61)

    assert deliver(rehearsal) == 1


def test_reordered_webhooks_overtake_one_another(rehearsal, receiver):
    faults.add(rehearsal.app.sandbox, [faults.Fault(kind="webhook_reordered", seconds=60)])
    first, second = rehearsal.train(chat_file()), rehearsal.train(chat_file())
    deliver(rehearsal)
    rehearsal.clock.advance(61)
    deliver(rehearsal)

    assert [second.id in body.decode() for _, body in receiver.received] == [True, False]
    assert first.id in receiver.received[1][1].decode()


def test_a_badly_signed_webhook_is_not_verified(rehearsal, receiver, monkeypatch):
    deliver_with(rehearsal, kind="webhook_bad_signature")

    with pytest.raises(openai.InvalidWebhookSignatureError):
        unwrap(rehearsal, receiver.received[0], SECRET, monkeypatch)
