"""Exports by the API: what is new is recorded, what is known stays, what is wrong is said."""

import json
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from datasets import recording
from tests.datasets.conversations.exports import (
    ANSWERED,
    ASKED,
    MAKERS,
    array,
    chatgpt,
    completion,
    generation,
    lines,
    table,
)

IMPORT = "/api/conversations/import"
database = pytest.mark.django_db


def send(api, content, name="export.json", **fields):
    return api.post(IMPORT, {"file": SimpleUploadedFile(name, content), **fields}, format="multipart")


def counts(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["imported"], body["repeated"], body["refused"]


@database
@pytest.mark.parametrize("kind", MAKERS)
def test_imports_an_export_of_each_kind_once(api, organization, kind):
    content = array(MAKERS[kind](1), MAKERS[kind](2))

    first, again = (send(api, content) for _ in range(2))

    assert (counts(first), counts(again)) == ((2, 0, 0), (0, 2, 0))
    assert first.json()["kind"] == kind
    assert organization.conversations.count() == organization.conversations.total() == 2


@database
def test_keeps_what_the_file_says(api, organization, user):
    workspace = organization.workspaces.create(name="East")

    send(api, table(generation()), "generations.csv", workspaceId=str(workspace.pk), agentId="other")

    talk = organization.conversations.get()
    assert (talk.external_id, talk.agent_id, talk.model) == ("generation-1", "support", "gpt-4.1-mini")
    assert (talk.messages, talk.tags, talk.quality_score) == ([ASKED, ANSWERED], ["billing", "de"], 0.75)
    assert (talk.occurred_at.isoformat(), talk.workspace) == ("2026-03-01T00:00:00+00:00", workspace)
    assert talk.created_by == user


@database
def test_names_the_agent_where_the_file_does_not(api, organization):
    send(api, array(chatgpt()), agentId="desk")

    assert organization.conversations.get().agent_id == "desk"


@database
def test_takes_one_of_the_same_id_in_a_file(api, organization):
    assert counts(send(api, array(completion(1), completion(1), completion(2)))) == (2, 1, 0)


@database
def test_leaves_what_is_known_as_it_is(api, organization):
    known, _ = organization.conversations.record(messages=[ASKED], external_id="chatcmpl-1", quality_score=0)
    known.rate(corrected_answer="Better.")

    answer = send(api, array(completion(1), completion(2)))

    assert counts(answer) == (1, 1, 0)
    known.refresh_from_db()
    assert (known.messages, known.quality_score, known.corrected_answer) == ([ASKED], 0, "Better.")


@database
def test_the_same_id_in_another_organization_is_another_conversation(api, outsider_api, organization):
    assert (
        counts(send(api, array(completion()))) == counts(send(outsider_api, array(completion()))) == (1, 0, 0)
    )
    assert organization.conversations.count() == 1


@database
def test_says_what_it_refuses_and_takes_the_rest(api):
    content = lines(completion(1)) + b"{broken\n" + lines(completion(2, messages=[]), completion(3))

    answer = send(api, content, "export.jsonl")

    assert counts(answer) == (2, 0, 2)
    assert [(one["code"], one["line"], one["pointer"]) for one in answer.json()["problems"]] == [
        ("invalid_json", 2, ""),
        ("not_a_conversation", 3, "/messages"),
    ]


@database
def test_says_what_an_imported_conversation_has_no_place_for(api):
    answer = send(api, array(completion(tools=[{"type": "function"}])))

    assert counts(answer) == (1, 0, 0)
    (problem,) = answer.json()["problems"]
    assert (problem["code"], problem["severity"], problem["found"]) == ("left_out", "warning", "`tools`")


@database
def test_counts_more_problems_than_it_shows(api):
    answer = send(api, lines(*[{"messages": []}] * 150, completion()), "export.jsonl", kind="openai")

    assert counts(answer) == (1, 0, 150)
    assert (answer.json()["problemCount"], len(answer.json()["problems"])) == (150, 100)


@database
def test_imports_more_than_one_batch(api, organization, monkeypatch):
    monkeypatch.setattr(recording, "AT_ONCE", 3)
    content = lines(*[completion(number) for number in (*range(7), 2)])

    assert counts(send(api, content, "export.jsonl")) == (7, 1, 0)
    assert organization.conversations.count() == 7


@database
def test_puts_some_megabytes_at_once_into_the_database(api, organization):
    large = {"role": "user", "content": "x" * 2_000_000}
    content = lines(*[completion(number, messages=[large]) for number in range(4)])

    with CaptureQueriesContext(connection) as queries:
        answer = send(api, content, "export.jsonl")

    inserts = [query for query in queries if query["sql"].startswith('INSERT INTO "conversations"')]
    assert counts(answer) == (4, 0, 0)
    assert len(inserts) == 2


REFUSED = {
    "no file": ({}, "file_missing", "/file"),
    "an empty file": ({"content": b""}, "file_not_accepted", "/file"),
    "another name": ({"content": b"{}", "name": "export.txt"}, "file_not_accepted", "/file"),
    "no known export": ({"content": b'{"a": 1}'}, "export_kind_unknown", "/kind"),
    "nothing in it": ({"content": b"[]"}, "export_kind_unknown", "/kind"),
    "no such kind": ({"content": b"[]", "kind": "slack"}, "invalid_choice", "/kind"),
    "several files": ({"content": b"[]", "files": "x"}, "unknown_field", "/files"),
}


@database
@pytest.mark.parametrize(("sent", "code", "pointer"), REFUSED.values(), ids=REFUSED)
def test_says_why_a_file_is_refused(api, organization, sent, code, pointer):
    fields = {name: value for name, value in sent.items() if name not in ("content", "name")}
    if "content" in sent:
        fields["file"] = SimpleUploadedFile(sent.get("name", "export.json"), sent["content"])

    answer = api.post(IMPORT, fields, format="multipart")

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["pointer"]) == (400, code, pointer)
    assert not organization.conversations.exists()


@database
def test_says_to_unpack_an_archive(api):
    answer = send(api, b"PK\x03\x04 conversations.json")

    assert answer.status_code == 415
    assert "Unpack it" in answer.json()["detail"]


@database
def test_refuses_a_file_that_is_too_large(api, settings):
    settings.UPLOAD_MAX_BYTES = 1000

    answer = send(api, b"[" + b" " * 2000 + b"]")

    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


@database
def test_shows_the_file_to_the_scanner(api, settings, organization):
    settings.UPLOAD_SCANNER = "tests.datasets.conversations.test_recording.finds"

    answer = send(api, array(completion()))

    assert (answer.status_code, answer.json()["code"]) == (400, "file_infected")
    assert not organization.conversations.exists()


def finds(file):
    return "Eicar"


@database
@pytest.mark.parametrize("name", ["viewer_api", "outsider_api"])
def test_takes_a_member_of_the_organization(request, organization, name):
    answer = send(request.getfixturevalue(name), array(completion()))

    assert answer.status_code == (403 if name == "viewer_api" else 200)
    assert not organization.conversations.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_bring_the_same_file_record_it_once(organization, user):
    content = lines(*[completion(number) for number in range(300)])
    outcomes, ready = [], threading.Barrier(2)

    def bring(number):
        rows = content if number else b"".join(reversed(content.splitlines(keepends=True)))
        file = SimpleUploadedFile("export.jsonl", rows)
        try:
            ready.wait()
            outcomes.append(recording.record_export(organization, by=user, file=file))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=bring, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert organization.conversations.count() == 300
    assert sum(one.imported for one in outcomes) == sum(one.repeated for one in outcomes) == 300


class TornFile(SimpleUploadedFile):
    """Breaks off behind its first megabyte."""

    def read(self, size=-1):
        if self.tell() >= 1024 * 1024:
            raise ConnectionResetError
        return super().read(size)


@database
def test_what_was_cut_short_is_finished_by_the_same_file(organization, user, monkeypatch):
    monkeypatch.setattr(recording, "AT_ONCE", 2)
    large = {"role": "user", "content": "x" * 300_000}
    content = lines(*[completion(number, messages=[large]) for number in range(5)])

    with pytest.raises(ConnectionResetError):
        recording.record_export(organization, by=user, file=TornFile("export.jsonl", content), kind="openai")
    again = recording.record_export(organization, by=user, file=SimpleUploadedFile("export.jsonl", content))

    assert (again.imported, again.repeated) == (3, 2)


@database
def test_what_was_imported_becomes_a_dataset(api, organization):
    send(api, lines(*[completion(number) for number in range(12)]), "export.jsonl")
    made = {"name": "Orders", "tags": ["feature:orders"], "search": "where is my"}

    answer = api.post("/api/fine-tuning/datasets/import-from-conversations", made)

    assert (answer.status_code, json.loads(answer.content)["source"]) == (201, "conversations")
