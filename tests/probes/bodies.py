"""Bodies: JSON that is none, values of the wrong type or size, broken forms, types that do not hold."""

import json

from tests.probes import FORM, FT, IMPORT, JSON, NOBODY, TOKEN, Probe


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
        "11 files": (form(NAME, *[FILE] * 11), FORM, 400, "too_many_files"),
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
