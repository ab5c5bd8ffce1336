"""Which conversations a dataset is made of."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from datasets import services
from finetuning.errors import Refused
from tests.datasets.conftest import read, row

pytestmark = pytest.mark.django_db
IMPORT = "/api/fine-tuning/datasets/import-from-conversations"


def record(organization, number, **columns):
    columns = {"messages": row(number)["messages"], "occurred_at": day(number + 1), **columns}
    return organization.conversations.record(**columns)[0]


def day(number):
    return datetime(2026, 3, number, tzinfo=UTC)


@pytest.fixture
def imported(organization, user):
    """The conversations of an import with these filters, in their order."""

    def imported(**filters):
        dataset = read(services.import_conversations(organization, by=user, name="Import", **filters))
        return [example.conversation for example in dataset.examples.order_by("position")]

    return imported


def test_takes_those_of_a_model(organization, imported):
    wanted = record(organization, 0, model="gpt-4.1-mini")
    record(organization, 1, model="gpt-4.1")

    assert imported(model="gpt-4.1-mini") == [wanted]


def test_takes_those_with_each_of_the_tags(organization, imported):
    wanted = record(organization, 0, tags=["billing", "de", "new"])
    record(organization, 1, tags=["billing"])
    record(organization, 2, tags=["billing de"])

    assert imported(tags=["de", "billing"]) == [wanted]


SAID = {
    "another case": ("a REFUND, please", "refund"),
    "letters beyond ASCII": ("Grüße", "grüße"),
    "quotes": ('say "hello" to \\', '"hello" to \\'),
    "wildcards": ("100% sure_ly", "0% sure_"),
    "a part": ([{"type": "text", "text": "Where is my refund?"}], "my refund"),
}


@pytest.mark.parametrize(("said", "search"), SAID.values(), ids=SAID)
def test_takes_those_in_which_a_text_was_said(organization, imported, said, search):
    answer = {"role": "assistant", "content": "A"}
    wanted = record(organization, 0, messages=[{"role": "user", "content": said}, answer])
    record(organization, 1)

    assert imported(search=search) == [wanted]


@pytest.mark.parametrize("search", ["assistant", "content", "nobody said this", "%"])
def test_finds_no_text_that_nobody_said(organization, imported, search):
    record(organization, 0)

    with pytest.raises(Refused, match="No recorded conversation matches"):
        imported(search=search)


def test_finds_text_in_a_corrected_answer(organization, imported):
    wanted = record(organization, 0)
    wanted.rate(corrected_answer="Open Settings.")
    record(organization, 1)

    assert imported(search="open settings") == [wanted]


def test_takes_the_same_messages_once_and_the_newest_of_them(organization, imported):
    record(organization, 0)
    other = record(organization, 1)
    same_keys_in_another_order = [dict(reversed(message.items())) for message in row(0)["messages"]]
    newest = record(organization, 2, messages=same_keys_in_another_order)

    assert imported(deduplicate=True) == [other, newest]
    assert len(imported()) == 3


def test_compares_what_would_be_trained(organization, imported):
    """Two answers that were corrected to the same are the same example, the same answer once corrected is not."""
    question, answer = row(0)["messages"]
    bad = [record(organization, n, messages=[question, {**answer, "content": f"Bad {n}"}]) for n in (0, 1)]
    for conversation in bad:
        conversation.rate(corrected_answer="Right.")
    uncorrected = record(organization, 2, messages=bad[0].messages)

    assert imported(deduplicate=True) == [bad[1], uncorrected]


def test_counts_at_most_so_many_after_taking_each_once(organization, imported):
    for number in (5, 6, 7):
        record(organization, number, messages=row(9)["messages"])
    older = [record(organization, number) for number in (0, 1)]

    found = imported(deduplicate=True, max_examples=2)

    assert [conversation.messages for conversation in found] == [older[1].messages, row(9)["messages"]]


def test_keeps_conversations_whole(organization, imported):
    long = [message for number in range(30) for message in row(number)["messages"]]
    wanted = record(organization, 0, messages=long, tags=["long"])

    (found,) = imported(tags=["long"], search="Question 29?", deduplicate=True)

    assert found == wanted
    assert wanted.examples.get().messages == long


def test_more_than_one_batch_comes_in_order(organization, imported, monkeypatch):
    monkeypatch.setattr("datasets.importing.AT_ONCE", 2)
    made = [record(organization, number) for number in range(5)]

    assert imported() == imported(deduplicate=True) == made


FILTERS = {
    "agentId": "desk",
    "model": "gpt-4.1-mini",
    "tags": ["billing"],
    "search": "Question",
    "startDate": "2026-03-01T00:00:00+00:00",
    "minQualityScore": 0.5,
    "deduplicate": True,
    "maxExamples": 7,
}


def test_keeps_the_filters_with_the_dataset(api, organization):
    record(organization, 0, agent_id="desk", model="gpt-4.1-mini", tags=["billing"], quality_score=1)

    answer = api.post(IMPORT, {"name": "Talks", **FILTERS})

    assert (answer.status_code, answer.json()["sourceFilters"]) == (201, FILTERS)
    assert read(organization.datasets.get()).total_lines == 1


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("tags", "billing", "/tags"),
        ("tags", ["x" * 101], "/tags/0"),
        ("tags", ["x"] * 51, "/tags"),
        ("search", "x" * 201, "/search"),
        ("deduplicate", "yes", "/deduplicate"),
    ],
)
def test_says_which_filter_is_wrong(api, name, value, pointer):
    answer = api.post(IMPORT, {"name": "Talks", name: value})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


def test_the_page_asks_for_the_same_filters(client, user, organization):
    client.force_login(user)
    record(organization, 0, model="gpt-4.1-mini", tags=["de", "billing"])
    sent = {"name": "Talks", "model": "gpt-4.1-mini", "tags": " billing, de,", "search": "question 0"}

    answer = client.post(f"{reverse('datasets:new')}?method=import", {**sent, "deduplicate": "on"})

    dataset = read(organization.datasets.get())
    assert answer.status_code == 302
    assert dataset.source_filters == {
        "model": "gpt-4.1-mini",
        "tags": ["billing", "de"],
        "search": "question 0",
        "deduplicate": True,
    }
    shown = client.get(answer.url).text
    assert "<dd>billing, de</dd>" in shown
    assert "<dt>The same messages only once</dt><dd>yes</dd>" in shown


def test_records_tags(api):
    talk = {"messages": row(0)["messages"], "tags": ["billing", "de"]}

    assert api.post("/api/conversations", talk).json()["tags"] == ["billing", "de"]
