"""The rows of the hostile corpus that are about the upload itself. A test's number is its row."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from config.asgi import application
from datasets import services
from datasets.formats import NOT_TEXT_CODES
from tests.datasets.hostile.corpus import GOOD_FILE, REFUSED

pytestmark = pytest.mark.django_db
DATASETS = "/api/fine-tuning/datasets"
BOUNDARY = "hostile"
MB = 1024 * 1024


def disposition(name):
    return b'form-data; name="file"; filename="' + name + b'"'


def form(*parts, boundary=BOUNDARY):
    """A multipart body with the field `name` and then parts of `(content disposition, content)`."""
    fields = [(b'form-data; name="name"', b"Support"), *parts]
    bodies = [b"Content-Disposition: " + head + b"\r\n\r\n" + content + b"\r\n" for head, content in fields]
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + body for body in bodies) + mark + b"--\r\n"


def send(api, body, *, boundary=BOUNDARY, content_type=None, **extra):
    content_type = content_type or f"multipart/form-data; boundary={boundary}"
    return api.generic("POST", DATASETS, body, content_type=content_type, **extra)


def upload(api, content, name=b"a.jsonl"):
    return send(api, form((disposition(name), content)))


def stored_files():
    return [path for path in Path(default_storage.location).rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.mark.parametrize(("name", "data", "code"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_refused_files_leave_nothing_behind(api, organization, name, data, code):
    answer = upload(api, data, name.encode())

    assert answer.status_code == (415 if code in NOT_TEXT_CODES else 400)
    assert answer.json()["errors"][0]["pointer"] == "/file"
    assert not organization.datasets.exists()
    assert stored_files() == []


def test_03_takes_a_file_of_exactly_the_limit(api, settings):
    settings.UPLOAD_MAX_BYTES = MB

    assert upload(api, GOOD_FILE.ljust(MB, b"\n")).status_code == 201


def test_04_refuses_a_file_of_one_byte_more(api, organization, settings):
    settings.UPLOAD_MAX_BYTES = MB

    answer = upload(api, GOOD_FILE.ljust(MB + 1, b"\n"))

    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert not organization.datasets.exists()
    assert stored_files() == []


def test_05_reads_no_more_than_was_announced(api, organization):
    answer = send(api, form((disposition(b"a.jsonl"), GOOD_FILE * 1_000)), CONTENT_LENGTH="10")

    assert answer.status_code == 400
    assert not organization.datasets.exists()


class Connection:
    """An upload over ASGI, message by message."""

    def __init__(self, token, *, method="POST", path=DATASETS):
        headers = [
            (b"host", b"testserver"),
            (b"authorization", token.encode()),
            (b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode()),
        ]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 1),
        }
        self.asgi = ApplicationCommunicator(application, scope)

    async def send(self, body, *, more=True):
        await self.asgi.send_input({"type": "http.request", "body": body, "more_body": more})

    async def hang_up(self):
        await self.asgi.send_input({"type": "http.disconnect"})
        await self.asgi.wait(timeout=30)

    async def status(self):
        return (await self.asgi.receive_output(timeout=30))["status"]


@pytest.fixture
def connect(api):
    return partial(Connection, api.defaults["HTTP_AUTHORIZATION"])


# Django leaves the file in which it has collected a body that was cut off to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
def test_06_cuts_off_a_body_without_end(connect, settings):
    settings.UPLOAD_MAX_BYTES = MB

    async def endless():
        connection = connect()
        await connection.send(form((disposition(b"a.jsonl"), b"")).removesuffix(b"--\r\n"))
        for _ in range(40):
            await connection.send(b"\n" * (MB // 8))
        return await connection.status(), connection.asgi.input_queue.qsize()

    status, unread = asyncio.run(endless())

    assert status == 413
    assert unread > 20


def test_07_keeps_nothing_of_an_upload_that_stops_half_way(connect, organization):
    async def half():
        connection = connect()
        await connection.send(form((disposition(b"a.jsonl"), GOOD_FILE))[:-200])
        await connection.hang_up()

    asyncio.run(half())

    assert not organization.datasets.exists()
    assert stored_files() == []


def test_08_answers_others_while_an_upload_drips(connect, client):
    async def drip():
        slow, other = connect(), connect(method="GET", path="/healthz")
        for byte in b"--hos":
            await slow.send(bytes([byte]))
        await other.send(b"", more=False)
        status = await other.status()
        await slow.hang_up()
        return status

    assert asyncio.run(drip()) == 200


def test_09_refuses_two_files(api, organization):
    answer = send(api, form((disposition(b"a.jsonl"), GOOD_FILE), (disposition(b"b.jsonl"), GOOD_FILE)))

    assert answer.status_code == 400
    assert not organization.datasets.exists()


def test_10_refuses_a_thousand_fields(api):
    fields = [(b'form-data; name="f%d"' % number, b"x") for number in range(1_001)]

    assert send(api, form(*fields, (disposition(b"a.jsonl"), GOOD_FILE))).status_code == 400


def test_11_refuses_a_hundred_files(api):
    files = [(b'form-data; name="f%d"; filename="a.jsonl"' % number, b"x") for number in range(101)]

    assert send(api, form(*files)).status_code == 400


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", f"multipart/form-data; boundary={'b' * 300}", "multipart/form-data; boundary="],
)
def test_12_refuses_a_body_without_a_usable_boundary(api, content_type):
    body = form((disposition(b"a.jsonl"), GOOD_FILE), boundary="b" * 300)

    assert send(api, body, content_type=content_type).status_code in {400, 415}


NAMES = {
    "22 path": (b"../../etc/a.jsonl", "a.jsonl"),
    "22 passwd": (b"../../etc/passwd", None),
    "23 windows path": (rb"..\..\win.jsonl", "win.jsonl"),
    "24 nul": (b"a\0b.jsonl", "ab.jsonl"),
    "25 right to left": ("a\u202ejson\u200b.jsonl".encode(), "ajson.jsonl"),
    "27 quotes": (rb"a\"; filename=\"evil.jsonl", "*"),
    "28 300 characters": (b"a" * 300 + b".jsonl", "a" * 144 + ".jsonl"),
    "28 400 bytes": ("é".encode() * 200 + b".jsonl", "é" * 144 + ".jsonl"),
    "30 hidden": (b".htaccess", None),
    "30 device": (b"CON.jsonl", "CON.jsonl"),
    "30 stream": (b"x.jsonl::$DATA", None),
    "31 dot": (b".", None),
    "31 dots": (b"..", None),
    "31 empty": (b"", None),
    "32 script": (b"<script>alert(1)<b>.jsonl", "<script>alert(1)<b>.jsonl"),
    "33 formula": (b"=cmd().jsonl", "=cmd().jsonl"),
    "34 upper case": (b"A.JSONL", "A.JSONL"),
}


@pytest.mark.parametrize(("sent", "kept"), NAMES.values(), ids=NAMES.keys())
def test_names_are_cleaned_and_never_reach_the_storage(api, organization, storage, sent, kept):
    answer = upload(api, GOOD_FILE, sent)

    if kept is None:
        assert answer.status_code == 400
        assert stored_files() == []
        return
    name = answer.json()["fileName"]
    assert answer.status_code == 201
    assert kept in {"*", name}
    assert not any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name)
    [file] = stored_files()
    assert UUID(file.name)
    assert organization.datasets.get().sha256 == file.parent.name


def test_29_takes_no_name_that_is_not_text(api, organization):
    answer = upload(api, GOOD_FILE, b"a\xed\xa0\x80b.jsonl")

    assert answer.status_code == 400 or answer.json()["fileName"].isprintable()


@pytest.mark.parametrize("encoded", [b"a%0d%0aSet-Cookie: x=1.jsonl", b"%ED%A0%80.jsonl", b"a%00.jsonl"])
def test_26_puts_no_line_end_of_a_name_into_a_header(api, encoded):
    head = b"form-data; name=\"file\"; filename*=UTF-8''" + encoded

    answer = send(api, form((head, GOOD_FILE)))

    assert answer.status_code in {201, 400}
    assert not answer.cookies
    assert not any("\r" in value or "\n" in value for value in answer.headers.values())


def test_32_shows_a_name_as_text(api, organization, user, client):
    upload(api, GOOD_FILE, b"<script>alert(1)<b>.jsonl")
    client.force_login(user)

    page = client.get(f"/datasets/{organization.datasets.get().pk}", follow=True).content.decode()

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


@pytest.mark.django_db(transaction=True)
def test_85_takes_the_same_file_many_times_at_once(organization, user):
    def one(_):
        try:
            file = SimpleUploadedFile("a.jsonl", GOOD_FILE)
            return services.upload_dataset(organization, by=user, file=file, name="Same").file.name
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(one, range(50)))

    assert organization.datasets.count() == 50
    assert len(names) == len(stored_files()) == 1


def find_eicar(file):
    return "EICAR-Test-File" if b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE" in file.read() else None


def test_87_asks_the_scanner_that_the_operator_has_set(api, organization, settings):
    settings.UPLOAD_SCANNER = f"{__name__}.find_eicar"
    eicar = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*\n"

    refused, taken = upload(api, eicar + GOOD_FILE), upload(api, GOOD_FILE)

    assert (refused.status_code, refused.json()["code"]) == (400, "file_infected")
    assert taken.status_code == 201
    assert organization.datasets.count() == 1
