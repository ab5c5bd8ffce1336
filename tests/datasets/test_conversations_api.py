"""Conversations through the API: recorded, rated, and made into a dataset."""

import pytest
from django.db import connection

from tests.datasets.conftest import row

pytestmark = pytest.mark.django_db
IMPORT = "/api/fine-tuning/datasets/import-from-conversations"


def test_imports_the_conversations_that_match(api, organization):
    for number in range(12):
        organization.conversations.record(
            messages=row(number)["messages"], agent_id="desk", quality_score=0.9
        )
    filters = {"agentId": "desk", "startDate": "2020-01-01", "minQualityScore": 0.5, "maxExamples": 11}

    answer = api.post(IMPORT, {"name": "Talks", **filters})

    body = answer.json()
    assert (answer.status_code, body["source"]) == (201, "conversations")
    assert body["sourceFilters"] == filters | {"startDate": "2020-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("score", [-0.1, 1.1, "nan", True, None, []])
def test_refuses_a_quality_score_that_is_none(api, score):
    answer = api.post(IMPORT, {"name": "Talks", "minQualityScore": score})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/minQualityScore"


def test_records_a_conversation_once(api, organization):
    talk = {"externalId": "t-1", "messages": row(1)["messages"], "qualityScore": 0.7, "agentId": "desk"}

    first = api.post("/api/conversations", talk)
    again = api.post("/api/conversations", talk)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert api.get("/api/conversations", {"agentId": "desk"}).json()["data"] == [first.json()]


@pytest.fixture
def talk(organization):
    messages = [*row(1)["messages"], {"role": "user", "content": "Thanks."}]
    return organization.conversations.record(messages=messages, external_id="chatcmpl-1")[0]


def rate(api, talk, **feedback):
    return api.post(f"/api/conversations/{talk.pk}/feedback", feedback)


@pytest.mark.parametrize(
    ("feedback", "score"), [({"score": 0.25}, 0.25), ({"thumb": "up"}, 1), ({"thumb": "down"}, 0)]
)
def test_takes_feedback_on_an_answer(api, talk, feedback, score):
    answer = rate(api, talk, **feedback)

    assert (answer.status_code, answer.json()["qualityScore"]) == (200, score)
    talk.refresh_from_db()
    assert (talk.quality_score, talk.corrected_answer) == (score, "")


def test_finds_the_conversation_by_the_id_of_its_answer(api, talk, organization):
    organization.conversations.record(messages=talk.messages, external_id="chatcmpl-2")

    (found,) = api.get("/api/conversations", {"externalId": "chatcmpl-1"}).json()["data"]

    assert found["id"] == str(talk.pk)


def test_changes_only_what_the_feedback_names(api, talk):
    rate(api, talk, score=0.25)

    rate(api, talk, correctedAnswer="Better.")
    answer = rate(api, talk, thumb="down").json()

    assert (answer["qualityScore"], answer["correctedAnswer"]) == (0, "Better.")
    assert rate(api, talk, correctedAnswer="").json()["correctedAnswer"] == ""


@pytest.mark.parametrize(
    ("feedback", "pointer"),
    [
        ({}, ""),
        ({"score": 1.5}, "/score"),
        ({"thumb": "sideways"}, "/thumb"),
        ({"thumb": "up", "score": 1}, "/thumb"),
        ({"correctedAnswer": None}, "/correctedAnswer"),
        ({"stars": 5}, "/stars"),
    ],
)
def test_refuses_feedback_that_says_nothing_clear(api, talk, feedback, pointer):
    answer = rate(api, talk, **feedback)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    talk.refresh_from_db()
    assert talk.quality_score is None


def test_rates_no_conversation_that_is_deleted_meanwhile(api, talk, organization):
    def delete_first(execute, sql, *given):
        if sql.startswith('UPDATE "conversations"'):
            organization.conversations.filter(pk=talk.pk).delete()
        return execute(sql, *given)

    with connection.execute_wrapper(delete_first):
        answer = rate(api, talk, thumb="up")

    assert answer.status_code == 404
    assert not organization.conversations.exists()


@pytest.mark.parametrize("messages", [None, [], ["hello"], [{"content": "hello"}], {"role": "user"}])
def test_refuses_a_conversation_without_messages(api, organization, messages):
    answer = api.post("/api/conversations", {"messages": messages})

    assert answer.status_code == 400
    assert not organization.conversations.exists()
