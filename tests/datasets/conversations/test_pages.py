"""Pages of conversations: found, looked at, rated, and taken from elsewhere."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.datasets.conversations.exports import ANSWERED, ASKED, CALL, completion, lines

pytestmark = pytest.mark.django_db
LIST = reverse("conversations:list")
IMPORT = reverse("conversations:import")


def record(organization, text="Where is my order?", **columns):
    messages = [{"role": "user", "content": text}, ANSWERED]
    return organization.conversations.record(**{"messages": messages, **columns})[0]


def page_of(conversation, page="detail"):
    return reverse(f"conversations:{page}", args=[conversation.pk])


@pytest.fixture
def member(client, user):
    client.force_login(user)
    return client


@pytest.fixture
def onlooker(client, viewer):
    client.force_login(viewer)
    return client


def found(member, **filters):
    """What the conversations on the page begin with."""
    answer = member.get(LIST, filters)
    assert answer.status_code == 200
    return [opening for _, opening in answer.context["rows"]]


def test_lists_the_newest_first(member, organization, other_organization):
    record(organization, "Later", occurred_at=datetime(2026, 3, 2, tzinfo=UTC))
    record(organization, "Earlier", occurred_at=datetime(2026, 3, 1, tzinfo=UTC))
    record(other_organization, "Foreign")

    assert found(member) == ["Later", "Earlier"]


FILTERS = {
    "agent": ({"agent_id": "desk"}, {"agent_id": "desk"}),
    "model": ({"model": "m"}, {"model": "m"}),
    "tags": ({"tags": ["a", "b"]}, {"tags": "b, a"}),
    "search": ({"text": "A refund!"}, {"search": "REFUND"}),
    "start": ({"occurred_at": datetime(2999, 1, 1, tzinfo=UTC)}, {"start_date": "2998-12-31"}),
    "end": ({"occurred_at": datetime(2026, 3, 1, 23, tzinfo=UTC)}, {"end_date": "2026-03-01"}),
    "score": ({"quality_score": 0.5}, {"min_quality_score": "0.5"}),
    "any score": ({"quality_score": 0}, {"min_quality_score": "0"}),
}


@pytest.mark.parametrize(("columns", "filters"), FILTERS.values(), ids=FILTERS)
def test_finds_by_what_stands_in_the_address(member, organization, columns, filters):
    wanted = record(organization, **columns)
    record(organization, "Another")

    answer = member.get(LIST, filters)

    assert [conversation for conversation, _ in answer.context["rows"]] == [wanted]
    assert answer.context["page_obj"].paginator.count == 1


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "The last day is before the first"),
        ({"min_quality_score": "2"}, "less than or equal to 1"),
        ({"search": "a\0b"}, "Null characters are not allowed"),
    ],
)
def test_says_which_filter_is_wrong(member, organization, filters, words):
    record(organization)

    answer = member.get(LIST, filters)

    assert (answer.status_code, answer.context["rows"]) == (422, [])
    assert words in answer.text


def test_keeps_the_filters_from_page_to_page_and_for_a_dataset(member, organization):
    for number in range(21):
        record(organization, f"Question {number}", agent_id="desk")

    text = member.get(LIST, {"agent_id": "desk"}).text

    assert "?agent_id=desk&amp;page=2" in text
    assert len(found(member, agent_id="desk", page="2")) == 1
    make = f"{reverse('datasets:new')}?agent_id=desk&method=import"
    assert make.replace("&", "&amp;") in text
    assert 'name="agent_id" value="desk"' in member.get(make).text


def test_costs_the_same_queries_with_more_conversations(member, organization):
    counts = []
    for more in (1, 19):
        for _ in range(more):
            record(organization)
        with CaptureQueriesContext(connection) as queries:
            member.get(LIST)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_shows_a_conversation_with_private_data_masked(member, organization):
    conversation = record(organization, "I am ann@acme.io", tags=["billing"])
    conversation.rate(corrected_answer="Write to bob@acme.io.")

    text = member.get(page_of(conversation)).text

    chat = text[: text.index("How good was")]
    assert '<div class="turn-text">It left on Monday.</div>' in chat
    assert "I am a" in chat
    assert "ann@acme.io" not in text
    assert "bob@acme.io" not in chat
    assert '<span class="tag tag-own">billing</span>' in text


def test_a_viewer_sees_no_private_data_and_rates_nothing(onlooker, organization):
    conversation = record(organization, "I am ann@acme.io")
    conversation.rate(corrected_answer="Write to bob@acme.io.")

    answer = onlooker.get(page_of(conversation))
    refused = onlooker.post(page_of(conversation, "feedback"), {"thumb": "up"})

    assert "@acme.io" not in answer.text
    assert "How good was" not in answer.text
    assert refused.status_code == 403
    conversation.refresh_from_db()
    assert conversation.quality_score is None


ODD_MESSAGES = {
    "content of another type": [{"role": "user", "content": {"a": 1}}, {"role": "user", "content": 7}],
    "parts of another type": [{"role": "user", "content": [7, {"type": "image_url"}, {"text": 8}, None]}],
    "calls without a function": [{"role": "assistant", "tool_calls": [{"id": "x"}, 7], "function_call": 7}],
    "calls that are no list": [{"role": "assistant", "tool_calls": "find", "refusal": ["no"]}],
    "names": [{"role": "<script>" * 50, "name": {"a": 1}, "content": "x"}],
    "calls": [{"role": "assistant", "content": None, "tool_calls": [CALL]}],
}


@pytest.mark.parametrize("messages", ODD_MESSAGES.values(), ids=ODD_MESSAGES)
def test_shows_whatever_the_api_takes(api, member, organization, messages):
    assert api.post("/api/conversations", {"messages": messages}).status_code == 201
    conversation = organization.conversations.get()

    answers = [member.get(LIST), member.get(page_of(conversation))]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "<script>" * 2 not in answers[1].text


def test_shows_calls_of_tools(member, organization):
    conversation = record(organization, messages=[ASKED, {"role": "assistant", "tool_calls": [CALL]}])

    assert "find({&quot;order&quot;: 7})" in member.get(page_of(conversation)).text


def test_says_how_many_messages_it_does_not_show(member, organization):
    conversation = record(organization, messages=[ASKED] * 501)

    assert "1 more message is not shown" in member.get(page_of(conversation)).text


@pytest.mark.parametrize(("thumb", "score"), [("up", 1), ("down", 0)])
def test_a_thumb_leaves_the_corrected_answer_as_it_is(member, organization, thumb, score):
    conversation = record(organization)
    conversation.rate(corrected_answer="Better.")

    answer = member.post(page_of(conversation, "feedback"), {"thumb": thumb})

    conversation.refresh_from_db()
    assert answer.url == page_of(conversation)
    assert (conversation.quality_score, conversation.corrected_answer) == (score, "Better.")


def test_a_thumb_saves_the_corrected_answer_that_was_typed_beside_it(member, organization):
    conversation = record(organization)

    typed = {"thumb": "down", "quality_score": "", "corrected_answer": "Better."}
    member.post(page_of(conversation, "feedback"), typed)

    conversation.refresh_from_db()
    assert (conversation.quality_score, conversation.corrected_answer) == (0, "Better.")


def test_saves_a_score_and_a_corrected_answer_and_takes_them_back(member, organization):
    conversation = record(organization)
    saved = []

    for sent in ({"quality_score": "0.25", "corrected_answer": "Better."}, {}):
        member.post(page_of(conversation, "feedback"), sent)
        conversation.refresh_from_db()
        saved.append((conversation.quality_score, conversation.corrected_answer))

    assert saved == [(0.25, "Better."), (None, "")]


@pytest.mark.parametrize("sent", [{"quality_score": "2"}, {"thumb": "sideways"}, {"corrected_answer": "a\0"}])
def test_refuses_odd_feedback(member, organization, sent):
    conversation = record(organization, quality_score=0.5)

    answer = member.post(page_of(conversation, "feedback"), sent)

    assert answer.status_code == 422
    conversation.refresh_from_db()
    assert (conversation.quality_score, conversation.corrected_answer) == (0.5, "")


def test_imports_an_export_and_says_what_became_of_it(member, organization):
    record(organization, external_id="chatcmpl-1")
    content = lines(completion(1), completion(2), completion(3, messages=[]), {"messages": ["ann@acme.io"]})

    answer = member.post(IMPORT, {"file": SimpleUploadedFile("export.jsonl", content), "agent_id": "desk"})

    assert answer.status_code == 200
    facts = answer.text[answer.text.index("OpenAI stored completions</h2>") :]
    assert [f"<dt>{name}</dt><dd>{count}</dd>" in facts for name, count in COUNTS.items()] == [True] * 3
    assert "<strong>Line 3</strong>" in facts
    assert "ann@acme.io" not in facts
    assert organization.conversations.get(external_id="chatcmpl-2").agent_id == "desk"


COUNTS = {"Imported": 1, "Known already": 1, "Refused": 2}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "Send exactly one file"),
        (SimpleUploadedFile("export.zip", b"PK\x03\x04"), "name must end in"),
        (SimpleUploadedFile("export.json", b"{}"), "The file looks like none of these"),
    ],
)
def test_says_why_a_file_is_refused(member, organization, file, words):
    answer = member.post(IMPORT, {"file": file} if file else {})

    assert answer.status_code == 422
    assert words in answer.text
    assert not organization.conversations.exists()


def test_refuses_a_file_that_is_too_large(member, settings):
    settings.UPLOAD_MAX_BYTES = 1000

    answer = member.post(IMPORT, {"file": SimpleUploadedFile("export.json", b"[" + b" " * 2000)})

    assert answer.status_code == 413
    assert "The file is larger than" in answer.text


@pytest.fixture
def talks(organization):
    talks = [
        organization.conversations.create(messages=[], agent_id=agent) for agent in ("one", "two", "two")
    ]
    organization.conversations.filter(pk=talks[0].pk).update(quality_score=0.5)


@pytest.mark.usefixtures("talks")
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "<strong>3</strong> of 3 conversations match."),
        ({"agent_id": "two"}, "<strong>2</strong> of 3 conversations match."),
        ({"agent_id": "one", "min_quality_score": "0.5"}, "<strong>1</strong> of 3 conversations matches."),
        ({"min_quality_score": "2"}, "Mend the fields that are wrong"),
        ({"start_date": "2026-02-02", "end_date": "2026-02-01"}, "Mend the fields that are wrong"),
    ],
)
def test_counts_what_an_import_would_take(client, user, sent, words):
    client.force_login(user)

    assert words in client.post(reverse("datasets:matching"), sent).text
    if "min_quality_score" not in sent and "start_date" not in sent:
        assert words in client.get(reverse("datasets:new"), {"method": "import", **sent}).text


@pytest.mark.usefixtures("talks")
def test_counts_no_more_conversations_than_are_taken(client, user, monkeypatch):
    monkeypatch.setattr("datasets.views.MAX_IMPORTED", 2)
    client.force_login(user)

    assert "More than 2 conversations match." in client.post(reverse("datasets:matching")).text
