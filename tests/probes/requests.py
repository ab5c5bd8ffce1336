"""Everything but the body: paths, queries, headers, methods, tokens."""

from tests.probes import EXAMPLES, FT, IMPORT, NOBODY, TOKEN, Probe


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
    found += [("get", f"{FT}/jobs/estimate-cost"), ("INITIAL", f"{FT}/jobs")]
    return [
        Probe(f"method: {method} {path}", f"{method} {path}", 405, "method_not_allowed")
        for method, path in found
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
        400,
        "invalid",
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
