import hashlib

import openai
import pytest

from tests.finetuning.sandbox.conftest import chat_file


def test_gives_back_the_bytes_it_was_given(rehearsal):
    content = chat_file(500)

    file_id = rehearsal.upload(content, 'odd "name" ü.jsonl')

    assert rehearsal.api.files.content(file_id).read() == content
    assert rehearsal.api.files.retrieve(file_id).bytes == len(content)


@pytest.mark.parametrize("size", [0, 1, 65_530, 65_536, 65_600, 300_000])
def test_keeps_binary_content_that_looks_like_a_boundary(rehearsal, size):
    content = b"\r\n--" * (size // 4) + b"\r\n-"

    file = rehearsal.api.files.create(file=("notes.bin", content), purpose="assistants")

    assert rehearsal.api.files.content(file.id).read() == content


def test_lists_newest_first_by_purpose_and_page(rehearsal):
    first, second, third = (rehearsal.upload(chat_file()) for _ in range(3))
    rehearsal.api.files.create(file=("a.txt", b"a"), purpose="assistants")

    page = rehearsal.api.files.list(purpose="fine-tune", limit=2)
    rest = rehearsal.api.files.list(purpose="fine-tune", limit=2, after=page.data[-1].id)

    assert [file.id for file in page.data] == [third, second]
    assert [file.id for file in rest.data] == [first]
    assert page.has_more
    assert not rest.has_more


def test_forgets_a_deleted_file(rehearsal):
    file_id = rehearsal.upload(chat_file())

    assert rehearsal.api.files.delete(file_id).deleted

    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file_id}"):
        rehearsal.api.files.retrieve(file_id)


def test_forgets_a_file_when_its_time_is_over(rehearsal):
    lifetime = {"anchor": "created_at", "seconds": 3600}
    file = rehearsal.api.files.create(file=("a.txt", b"a"), purpose="user_data", expires_after=lifetime)

    rehearsal.clock.advance(3601)

    assert rehearsal.api.files.list().data == []
    with pytest.raises(openai.NotFoundError):
        rehearsal.api.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("filename", "content", "message"),
    [
        ("train.json", b'{"messages": []}', "Must be .jsonl"),
        ("train.jsonl", b'\xef\xbb\xbf{"messages": []}', "Line 1 is not a dictionary"),
        ("train.jsonl", b"[1]", "Line 1 is not a dictionary"),
        ("train.jsonl", b"", "Line 1 is not a dictionary"),
    ],
)
def test_refuses_what_is_no_training_file_at_first_sight(rehearsal, filename, content, message):
    with pytest.raises(openai.BadRequestError, match=message):
        rehearsal.upload(content, filename)

    assert list(rehearsal.app.sandbox.store.incoming.iterdir()) == []


def test_joins_the_parts_of_an_upload_in_the_order_asked_for(rehearsal):
    content = chat_file(40)
    halves = content[:700], content[700:]
    uploads = rehearsal.api.uploads
    upload = uploads.create(
        bytes=len(content), filename="t.jsonl", mime_type="text/jsonl", purpose="fine-tune"
    )
    second, first = (uploads.parts.create(upload.id, data=half).id for half in reversed(halves))

    md5 = hashlib.md5(content).hexdigest()
    done = uploads.complete(upload.id, part_ids=[first, second], md5=md5)

    assert done.status == "completed"
    assert rehearsal.api.files.content(done.file.id).read() == content


def test_refuses_an_upload_with_bytes_missing(rehearsal):
    uploads = rehearsal.api.uploads
    upload = uploads.create(bytes=10, filename="t.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    part = uploads.parts.create(upload.id, data=b"{}")

    with pytest.raises(openai.BadRequestError, match="2 bytes, but the upload declared 10"):
        uploads.complete(upload.id, part_ids=[part.id])


def test_refuses_parts_of_an_upload_that_is_over(rehearsal):
    upload = rehearsal.api.uploads.create(
        bytes=1, filename="a.txt", mime_type="text/plain", purpose="user_data"
    )

    rehearsal.clock.advance(3601)

    with pytest.raises(openai.BadRequestError, match="is expired"):
        rehearsal.api.uploads.parts.create(upload.id, data=b"a")
