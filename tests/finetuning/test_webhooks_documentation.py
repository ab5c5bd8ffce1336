"""The page for integrators is read here and its code is run, so it cannot grow old."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetuning.webhooks import services
from finetuning.webhooks.events import EVENT_TYPES
from finetuning.webhooks.signing import new_secret, signed_headers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
BODY = '{"type": "job.succeeded"}'


@pytest.fixture(scope="module")
def is_genuine():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names = {}
    exec(code, names)
    return names["is_genuine"]


def headers(*secrets, now=None):
    return signed_headers(BODY, delivery_id="1", signing_secrets=secrets, now=now or datetime.now(UTC))


def test_its_code_takes_what_we_sign(is_genuine):
    secret, old = new_secret(), new_secret()

    assert is_genuine(secret, headers(secret), BODY.encode())
    assert is_genuine(old, headers(secret, old), BODY.encode())


@pytest.mark.parametrize("change", ["body", "secret", "id", "late", "early", "none", "unsigned"])
def test_its_code_takes_nothing_else(is_genuine, change):
    secret, now = new_secret(), datetime.now(UTC)
    moved = {"late": now - timedelta(minutes=6), "early": now + timedelta(minutes=6)}.get(change, now)
    given = headers(secret, now=moved)
    given |= {"webhook-id": "2"} if change == "id" else {}
    given = {} if change == "none" else given
    given |= {"webhook-signature": "v1,ä v2"} if change == "unsigned" else {}

    body = BODY.replace("job", "jab") if change == "body" else BODY
    assert not is_genuine(new_secret() if change == "secret" else secret, given, body.encode())


def test_names_every_event_and_the_whole_schedule():
    named = set(re.findall(r"`((?:dataset|job|model|spending)\.[a-z]+)`", PAGE))
    hours = ", ".join(str(wait // timedelta(hours=1)) for wait in services.RETRY_AFTER[3:-1])

    assert named == set(EVENT_TYPES)
    assert f"after 5 s, 5 min, 30 min, {hours} and 24 hours" in PAGE
    assert services.RETRY_AFTER[:3] == (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30))
