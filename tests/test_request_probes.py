"""Hand-made hostile requests: none is a fault of ours, and each gets exactly the answer that is described.

A probe is a name, what is asked, and the status and code of the answer. In a path, `{dataset}`, `{job}` and
`{model}` stand for ids of rows of the one who asks.
"""

import json
from dataclasses import dataclass, field

import pytest

from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory

pytestmark = pytest.mark.django_db

FT = "/api/fine-tuning"
IMPORT = f"{FT}/datasets/import-from-conversations"
EXAMPLES = f"{FT}/datasets/{{dataset}}/examples"
TOKEN = "/api/auth/token"
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
NOBODY = "00000000-0000-0000-0000-000000000000"
MEMBERS = {"type", "title", "status", "code", "detail", "errors", "requestId"}
PLACES = {"pointer", "parameter", "header"}


@dataclass(frozen=True)
class Probe:
    name: str
    ask: str
    status: int
    code: str
    body: bytes | str = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self):
        return self.name


def part(name, value=b"", *, disposition=b"", kind=b""):
    """A part of a form with the boundary `b`."""
    head = b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + disposition
    return head + (b"\r\nContent-Type: " + kind if kind else b"") + b"\r\n\r\n" + value + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--b--\r\n"


NAME = part(b"name", b"Talks")
FILE = part(b"file", b"{}\n", disposition=b'; filename="a.jsonl"')


def bodies():
    """JSON that is none, or that PostgreSQL or a programming language stumbles over."""
    named = {
        "nothing": (b"", "invalid"),
        "blank": (b" \n", "invalid_json"),
        "NUL": (b'{"name": "a\\u0000b"}', "nul"),
        "raw NUL": (b'{"name": "a\0b"}', "nul"),
        "NUL in a key": (b'{"a\\u0000b": 1}', "nul"),
        "half a surrogate pair": (b'{"name": "\\ud800"}', "surrogate"),
        "surrogates in the wrong order": (b'{"name": "\\udc00\\ud800"}', "surrogate"),
        "a surrogate in UTF-8": (b'{"name": "\xed\xa0\x80"}', "encoding"),
        "overlong UTF-8": (b'{"name": "\xc0\xaf"}', "encoding"),
        "Latin-1": (b'{"name": "caf\xe9"}', "encoding"),
        "UTF-16": ('{"name": "a"}'.encode("utf-16"), "encoding"),
        "UTF-16 without a mark": ('{"name": "a"}'.encode("utf-16-le"), "nul"),
        "UTF-32": ('{"name": "a"}'.encode("utf-32"), "encoding"),
        "a byte order mark": (b'\xef\xbb\xbf{"name": "a"}', "invalid_json"),
        "a key twice": (b'{"name": "a", "name": "b"}', "duplicate_key"),
        "a key twice in disguise": (b'{"name": "a", "n\\u0061me": "b"}', "duplicate_key"),
        "a key twice within": (b'{"name": "a", "agentId": {"x": 1, "x": 2}}', "duplicate_key"),
        "NaN": (b'{"name": "a", "maxExamples": NaN}', "non_finite"),
        "minus infinity": (b'{"name": "a", "maxExamples": -Infinity}', "non_finite"),
        "1e400": (b'{"name": "a", "minQualityScore": 1e400}', "non_finite"),
        "5,000 digits": (b'{"name": "a", "maxExamples": ' + b"9" * 5000 + b"}", "number"),
        "500 digits behind the point": (
            b'{"name": "a", "minQualityScore": 0.' + b"3" * 500 + b"}",
            "number",
        ),
        "33 deep": (b'{"name": ' + b"[" * 32 + b"]" * 32 + b"}", "depth"),
        "100,000 deep": (b'{"name": ' + b"[" * 100_000, "depth"),
        "100,000 objects deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "depth"),
        "cut off": (b'{"name": "a"', "invalid_json"),
        "two values": (b'{"name": "a"} {}', "invalid_json"),
        "a comma too many": (b'{"name": "a",}', "invalid_json"),
        "single quotes": (b"{'name': 'a'}", "invalid_json"),
        "a comment": (b'{"name": "a" /* b */}', "invalid_json"),
        "a hexadecimal number": (b'{"name": "a", "maxExamples": 0x10}', "invalid_json"),
        "a raw line break in a text": (b'{"name": "a\nb"}', "invalid_json"),
        "null": (b"null", "invalid"),
        "a list": (b'[{"name": "a"}]', "invalid"),
        "a text": (b'"name"', "invalid"),
        "a number": (b"7", "invalid"),
    }
    return [Probe(f"body: {name}", f"POST {IMPORT}", 400, code, body) for name, (body, code) in named.items()]


def values():
    """Members of the wrong type or size."""
    huge, named = 10**40, {"name": "Talks"}
    job = {"name": "a", "datasetId": "{dataset}", "baseModel": "gpt-4.1-mini"}
    sent = {
        "a list for a text": (IMPORT, {"name": ["a"]}),
        "an object for a text": (IMPORT, {"name": {"a": 1}}),
        "true for a text": (IMPORT, {"name": True}),
        "null for a text": (IMPORT, {"name": None}),
        "blanks only": (IMPORT, {"name": "\u2003\n\t"}),
        "a name of 201 characters": (IMPORT, {"name": "ä" * 201}),
        "an unknown member": (IMPORT, named | {"__proto__": {"isAdmin": True}}),
        "a huge integer": (IMPORT, named | {"maxExamples": huge}),
        "a huge negative integer": (IMPORT, named | {"maxExamples": -huge}),
        "a fraction of an example": (IMPORT, named | {"maxExamples": 1.5}),
        "true for a number": (IMPORT, named | {"maxExamples": True}),
        "Arabic digits for a score": (IMPORT, named | {"minQualityScore": "٠"}),
        "nan as a text": (IMPORT, named | {"minQualityScore": "nan"}),
        "a score above 1": (IMPORT, named | {"minQualityScore": 1.0000001}),
        "a day that is none": (IMPORT, named | {"startDate": "2026-02-30"}),
        "a day in Arabic digits": (IMPORT, named | {"startDate": "٢٠٢٦-٠١-٠١"}),
        "a year of five digits": (IMPORT, named | {"startDate": "99999-01-01T00:00:00Z"}),
        "a time before the first year": (IMPORT, named | {"endDate": "0001-01-01T00:00:00+14:00"}),
        "a time after the last year": (IMPORT, named | {"endDate": "9999-12-31T23:59:59-14:00"}),
        "a number for an id": (f"{FT}/jobs", job | {"datasetId": 7}),
        "true for an id": (f"{FT}/jobs", job | {"datasetId": True}),
        "a huge integer for an id": (f"{FT}/jobs", job | {"datasetId": 2**200}),
        "an object for an id": (f"{FT}/jobs", job | {"datasetId": {"id": NOBODY}}),
        "nobody's id": (f"{FT}/jobs", job | {"datasetId": NOBODY}),
        "Arabic digits for an id": (f"{FT}/jobs", job | {"datasetId": "٠" * 32}),
        "a list for hyperparameters": (f"{FT}/jobs", job | {"hyperparameters": [1]}),
        "10^40 epochs": (f"{FT}/jobs", job | {"hyperparameters": {"n_epochs": huge}}),
        "1e308 epochs": (f"{FT}/jobs", job | {"hyperparameters": {"n_epochs": 1e308}}),
        "a seed of 2^31": (f"{FT}/jobs", job | {"seed": 2**31}),
        "a method in capitals": (f"{FT}/jobs", job | {"method": "DPO"}),
        "epochs as a text of 2,000 digits": (
            f"{FT}/jobs/estimate-cost",
            {"datasetId": "{dataset}", "baseModel": "gpt-4.1-mini", "epochs": "9" * 2000},
        ),
        "more tokens than a column holds": (
            f"{FT}/models/{{model}}/usage",
            {"promptTokens": 2**63, "completionTokens": 0, "latencyMs": 0},
        ),
        "negative tokens": (
            f"{FT}/models/{{model}}/usage",
            {"promptTokens": -1, "completionTokens": 0, "latencyMs": 0},
        ),
        "an agent's name of 201 characters": (f"{FT}/models/{{model}}/deploy", {"agentId": "a" * 201}),
        "2,049 messages": ("/api/conversations", {"messages": [{"role": "user"}] * 2049}),
        "messages that are none": ("/api/conversations", {"messages": [1, None, "a"]}),
        "a message without a role": ("/api/conversations", {"messages": [{"content": "a"}]}),
        "a list of event types in a list": (
            "/api/webhooks/endpoints",
            {"url": "https://example.com", "eventTypes": [["job.failed"]]},
        ),
        "1,000 event types": (
            "/api/webhooks/endpoints",
            {"url": "https://example.com", "eventTypes": ["job.failed"] * 1000},
        ),
        "a list for a password": (TOKEN, {"email": "a@example.com", "password": ["x"]}),
        "a password of 1,025 characters": (TOKEN, {"email": "a@example.com", "password": "x" * 1025}),
        "an e-mail of 10,000 characters": (TOKEN, {"email": "a" * 10_000, "password": "x"}),
        "a refresh token of 100 kB": ("/api/auth/token/refresh", {"refresh": "x" * 100_000}),
    }
    return [
        Probe(f"value: {name}", f"POST {path}", 400, "invalid", json.dumps(body))
        for name, (path, body) in sent.items()
    ]


def paths():
    """Ids and paths that are none."""
    odd = {
        "NUL": "%00",
        "NUL behind an id": "{dataset}%00",
        "a line break behind an id": "{dataset}%0a",
        "nobody's id": NOBODY,
        "40 digits": "9" * 40,
        "a negative number": "-1",
        "Arabic digits": "%D9%A0" * 32,
        "full-width digits": "%EF%BC%90" * 32,
        "an id without hyphens": "0" * 32,
        "an id in braces": "%7B" + NOBODY + "%7D",
        "a broken percent sign": "%zz",
        "bytes that are no UTF-8": "%ff%fe",
        "a surrogate": "%ED%A0%80",
        "the folder above": "..%2f..%2fetc%2fpasswd",
        "the folder above, encoded twice": "%252e%252e%252fetc",
        "an id encoded twice": "%2530" * 32,
        "a format suffix": "{dataset}.json",
        "a script": "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "SQL": "1%27%20OR%20%271%27=%271",
        "8,000 characters": "a" * 8000,
        "a semicolon": "{dataset};a=b",
        "an action that there is not": "{dataset}/explode",
        "a slash too many": "{dataset}//examples",
    }
    return [
        Probe(f"path: {name}", f"GET {FT}/datasets/{path}", 404, "not_found") for name, path in odd.items()
    ]


def queries():
    """Parameters that are none."""
    listed = {
        "limit 0": "limit=0",
        "a negative limit": "limit=-1",
        "limit 101": "limit=101",
        "a limit of 20 digits": "limit=99999999999999999999",
        "a limit of 5,000 digits": "limit=" + "9" * 5000,
        "a limit in Arabic digits": "limit=%D9%A1",
        "a fraction of a row": "limit=1.5",
        "a limit in hexadecimal": "limit=0x10",
        "no limit": "limit=",
        "a limit behind a blank": "limit=%205",
        "NUL for a limit": "limit=%00",
        "an offset": "offset=99999999999999999999",
        "a cursor that is none": "cursor=x",
        "no cursor": "cursor=",
        "NUL for a cursor": "cursor=%00",
        "bytes for a cursor": "cursor=%ff%fe%00",
        "a cursor of another list": "cursor=WyIyMDI2Il0:1tX:AAAA",
        "a huge cursor": "cursor=" + "A" * 5000,
        "a page": "page=2",
        "an order": "ordering=password",
        "a lookup": "name__startswith=a",
        "a relation": "organization__name=a",
        "a format": "format=xyz",
        "a known format": "format=json",
        "a method": "_method=DELETE",
        "a parameter without a name": "=1",
        "a filter twice": f"workspaceId={NOBODY}&workspaceId={NOBODY}",
        "a filter as a list": f"workspaceId[]={NOBODY}",
        "NUL for an id": "workspaceId=%00",
        "nobody's workspace": f"workspaceId={NOBODY}",
        "Arabic digits for an id": "workspaceId=" + "%D9%A0" * 32,
    }
    searched = {
        "NUL in a search": "search=%00",
        "a search of 2,000 terms": "search=" + "+".join(["a"] * 2000),
        "NUL in a problem": "problem=a%00",
        "a search twice": "search=a&search=b",
    }
    asked = [(FT + "/datasets", listed), (EXAMPLES, searched)]
    asked += [(f"{FT}/jobs", {"an unknown status": "status=done", "NUL for a status": "status=%00"})]
    asked += [(f"{FT}/models", {"maybe for a flag": "deployed=maybe", "nothing for a flag": "deployed="})]
    return [
        Probe(f"query: {name}", f"GET {path}?{query}", 400, "invalid")
        for path, named in asked
        for name, query in named.items()
    ]


def forms():
    """Uploads that are broken, or whose file is a trick."""
    named = {
        "no boundary": (form(NAME, FILE), "multipart/form-data", 400, "parse_error"),
        "an empty boundary": (form(NAME, FILE), "multipart/form-data; boundary=", 400, "parse_error"),
        "a boundary of 300 characters": (
            form(NAME, FILE),
            "multipart/form-data; boundary=" + "b" * 300,
            415,
            "unsupported_media_type",
        ),
        "a boundary that never comes": (b"--a\r\n\r\n", FORM, 400, "file_missing"),
        "a part that breaks off": (b"--b\r\nbroken", FORM, 400, "file_missing"),
        "nothing": (b"", FORM, 400, "file_missing"),
        "a text for a file": (form(NAME, part(b"file", b"{}")), FORM, 400, "file_missing"),
        "two files": (form(NAME, FILE, FILE), FORM, 400, "file_missing"),
        "a file without a name": (
            form(NAME, part(b"file", b"{}", disposition=b'; filename=""')),
            FORM,
            400,
            "file_missing",
        ),
        "no name": (form(FILE), FORM, 400, "invalid"),
        "NUL in the name": (form(FILE, part(b"name", b"a\0b")), FORM, 400, "invalid"),
        "NUL in the name of a field": (form(NAME, FILE, part(b"na\0me", b"a")), FORM, 400, "invalid"),
        "an unknown field": (form(NAME, FILE, part(b"status", b"valid")), FORM, 400, "invalid"),
        "an unknown format": (form(NAME, FILE, part(b"format", b"xlsx")), FORM, 400, "invalid"),
        "nobody's workspace": (form(NAME, FILE, part(b"workspaceId", NOBODY.encode())), FORM, 400, "invalid"),
        "1,100 fields": (form(FILE, NAME * 1100), FORM, 400, "malformed"),
        "11 files": (form(NAME, *[FILE] * 11), FORM, 400, "malformed"),
        "a program": (
            form(NAME, part(b"file", b"\x7fELF\x02\x01", disposition=b'; filename="a.jsonl"')),
            FORM,
            415,
            "file_not_supported",
        ),
        "an archive": (
            form(NAME, part(b"file", b"\x1f\x8b\x08\0", disposition=b'; filename="a.jsonl"')),
            FORM,
            415,
            "file_not_supported",
        ),
        "an empty file": (
            form(NAME, part(b"file", b"", disposition=b'; filename="a.jsonl"')),
            FORM,
            400,
            "file_not_accepted",
        ),
        "JSON": (b'{"name": "a"}', JSON, 415, "unsupported_media_type"),
    }
    return [
        Probe(f"form: {name}", f"POST {FT}/datasets", status, code, body, kind)
        for name, (body, kind, status, code) in named.items()
    ]


def content_types():
    """Bodies that say that they are something else."""
    refused = {
        "plain text": "text/plain",
        "XML": "application/xml",
        "a form": "application/x-www-form-urlencoded",
        "a form with files": FORM,
        "JSON lines": "application/jsonl",
        "a pickle": "application/python-pickle",
        "nonsense": "/////;;;=,,",
        "10,000 characters": "a/" + "b" * 10_000,
        "a script": "text/html; charset=<script>",
    }
    taken = {
        "capitals": "APPLICATION/JSON",
        "an unknown charset": "application/json; charset=klingon",
        "UTF-7": "application/json; charset=utf-7",
        "UTF-16": "application/json; charset=utf-16",
        "a charset that executes": "application/json; charset=unicode_escape",
        "a charset twice": "application/json; charset=utf-8; charset=ascii",
    }
    unread = [(name, kind, 415, "unsupported_media_type") for name, kind in refused.items()]
    # Whatever it says of itself, JSON is UTF-8: it is read, and its one member is what is refused.
    read = [(name, kind, 400, "invalid") for name, kind in taken.items()]
    return [
        Probe(f"content type: {name}", f"POST {IMPORT}?a=%C3%A4", status, code, b'{"name": ""}', kind)
        for name, kind, status, code in [*unread, *read]
    ]


def headers():
    """Headers that promise what does not hold, or are a trick."""
    key, etag, accept = "Idempotency-Key", "If-Match", "Accept"
    create, change = f"POST {FT}/jobs", f"PATCH {FT}/jobs/{{job}}"
    told = [
        ("an empty key", create, {key: ""}, 400, "invalid"),
        ("a key of 256 characters", create, {key: "k" * 256}, 400, "invalid"),
        ("a key of 100,000 characters", create, {key: "k" * 100_000}, 400, "invalid"),
        ("a key with a blank", create, {key: "a b"}, 400, "invalid"),
        ("a key with NUL", create, {key: "a\0b"}, 400, "invalid"),
        ("a key with a line break", create, {key: "a\r\nSet-Cookie: a=b"}, 400, "invalid"),
        ("a key that is not ASCII", create, {key: "schlüssel"}, 400, "invalid"),
        ("an old ETag", change, {etag: '"0"'}, 412, "precondition_failed"),
        ("a weak ETag", change, {etag: 'W/"0"'}, 412, "precondition_failed"),
        ("an empty ETag", change, {etag: ""}, 412, "precondition_failed"),
        ("an ETag without quotes", change, {etag: "0"}, 412, "precondition_failed"),
        ("an ETag with NUL", change, {etag: '"\0"'}, 412, "precondition_failed"),
        ("10,000 ETags", change, {etag: ", ".join(['"0"'] * 10_000)}, 412, "precondition_failed"),
        ("a type that there is not", f"GET {FT}/jobs", {accept: "application/pdf"}, 406, "not_acceptable"),
        (
            "a version as the type",
            f"GET {FT}/jobs",
            {accept: "a/b; version=" + "9" * 5000},
            406,
            "not_acceptable",
        ),
        (
            "a charset that there is not",
            f"GET {FT}/jobs",
            {accept: "application/json; a*=klingon''b"},
            406,
            "not_acceptable",
        ),
        (
            "a charset that refuses all",
            f"GET {FT}/jobs",
            {accept: "application/json; a*=undefined''%41"},
            406,
            "not_acceptable",
        ),
        ("a type of nonsense", f"GET {FT}/jobs", {accept: "\0;;,=/"}, 406, "not_acceptable"),
        (
            "another method",
            f"POST {FT}/jobs/{{job}}",
            {"X-HTTP-Method-Override": "DELETE"},
            405,
            "method_not_allowed",
        ),
        (
            "another method for a list",
            f"POST {FT}/datasets/stats",
            {"X-Method-Override": "GET"},
            405,
            "method_not_allowed",
        ),
        (
            "another path",
            "GET /api/nothing",
            {"X-Original-URL": "/api/auth/me", "X-Rewrite-URL": "/"},
            404,
            "not_found",
        ),
        ("another host", "GET /api/auth/me", {"Host": "evil.example"}, 400, "malformed"),
        ("a host with a path", "GET /api/auth/me", {"Host": "localhost/evil"}, 400, "malformed"),
        ("a host of nonsense", "GET /api/auth/me", {"Host": "a b\0"}, 400, "malformed"),
    ]
    body = b'{"description": "x"}'
    return [
        Probe(f"header: {name}", ask, status, code, b"" if ask.startswith("GET") else body, headers=given)
        for name, ask, given, status, code in told
    ]


def methods():
    """Methods that a path has not, or nobody has."""
    found = [("PUT", f"{FT}/datasets"), ("DELETE", f"{FT}/jobs/{{job}}"), ("PATCH", TOKEN), ("GET", TOKEN)]
    found += [("GET", f"{FT}/jobs/{{job}}/cancel"), ("TRACE", f"{FT}/jobs"), ("PROPFIND", f"{FT}/jobs")]
    found += [("GET ", f"{FT}/jobs"), ("get", f"{FT}/jobs/estimate-cost"), ("INITIAL", f"{FT}/jobs")]
    return [
        Probe(f"method: {method} {path}", f"{method} {path}", 405, "method_not_allowed")
        for method, path in found
        if " " not in method
    ]


def signed():
    """Authorization that gives none, whoever else is signed in."""
    odd = {
        "another scheme": ("Basic b3duZXI6eA==", "not_authenticated"),
        "no token": ("Bearer", "authentication_failed"),
        "two tokens": ("Bearer a b", "authentication_failed"),
        "no JWT": ("Bearer x", "token_not_valid"),
        "NUL": ("Bearer \0", "token_not_valid"),
        "bytes": ("Bearer \xff\xfe", "token_not_valid"),
        "dots": ("Bearer " + "." * 1000, "token_not_valid"),
        "no algorithm": ("Bearer eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxfQ.", "token_not_valid"),
        "100 kB": ("Bearer " + "a" * 100_000, "token_not_valid"),
    }
    return [
        Probe(f"token: {name}", "GET /api/auth/me", 401, code, headers={"Authorization": value})
        for name, (value, code) in odd.items()
    ]


OTHERS = [
    Probe("1,100 parameters", f"GET {FT}/jobs?" + "&".join(f"a{n}=1" for n in range(1100)), 400, "malformed"),
    Probe(
        "a number for a refresh token",
        "POST /api/auth/token/refresh",
        401,
        "refresh_token_invalid",
        b'{"refresh": %d}' % 10**40,
    ),
    Probe(
        "a wrong password with odd characters",
        f"POST {TOKEN}",
        401,
        "wrong_credentials",
        '{"email": "\\u202eadmin\\u200b@example.com", "password": "\\ud83d\\ude00"}',
    ),
    Probe(
        "an unknown model",
        f"POST {FT}/jobs",
        400,
        "unknown_base_model",
        '{"name": "a", "datasetId": "{dataset}", "baseModel": "\u2400"}',
    ),
    Probe("the root", "GET /api", 404, "not_found"),
    Probe("the root with a slash", "GET /api/", 404, "not_found"),
    Probe("a line break for a path", "GET /api/%0a", 404, "not_found"),
    Probe("a body that is too large", f"POST {IMPORT}", 413, "too_large", b" " * (10 * 1024 * 1024 + 1)),
]
PROBES = [
    *(*bodies(), *values(), *paths(), *queries(), *forms()),
    *(*content_types(), *headers(), *methods(), *signed(), *OTHERS),
]


@pytest.fixture
def ids(organization, provider_account):
    own = {"organization": organization}
    job = JobFactory(**own, provider_account=provider_account, dataset=DatasetFactory(**own, examples=1))
    model = FineTunedModelFactory(**own, job__provider_account=provider_account)
    return {"{dataset}": str(job.dataset_id), "{job}": str(job.pk), "{model}": str(model.pk)}


def asked(client, probe, ids):
    method, _, address = probe.ask.partition(" ")
    path, _, query = replaced(address, ids).partition("?")
    body = replaced(probe.body, ids) if isinstance(probe.body, str) else probe.body
    return client.generic(
        method, path, body, content_type=probe.content_type, QUERY_STRING=query, headers=probe.headers
    )


def replaced(text, ids):
    for name, value in ids.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_a_hostile_request_gets_the_answer_that_is_described(owner_api, ids, probe):
    owner_api.raise_request_exception = False

    answer = asked(owner_api, probe, ids)

    assert (answer.status_code, answer.headers.get("Content-Type")) == (
        probe.status,
        "application/problem+json",
    )
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (probe.status, probe.code)
    assert problem.keys() == MEMBERS
    assert all(error.keys() - PLACES == {"code", "detail"} for error in problem["errors"])
