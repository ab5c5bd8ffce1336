import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import api_client
from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db
DATASETS = "/api/fine-tuning/datasets"
IMPORT = f"{DATASETS}/import-from-conversations"


def post(api, body, *, path=IMPORT, content_type="application/json"):
    return api.post(path, body, content_type=content_type)


KNOWN = (
    "name, description, workspaceId, agentId, model, tags, search, startDate, endDate, minQualityScore, "
    "deduplicate, maxExamples"
)


def test_gives_every_error_one_shape(api):
    answer = api.post(IMPORT, {"name": "", "maxExample": 3}, HTTP_X_REQUEST_ID="mine-1")

    assert answer["Content-Type"] == "application/problem+json"
    assert answer["X-Request-Id"] == "mine-1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "code": "invalid",
        "detail": f"name: This field may not be blank. maxExample: Unknown field. Known are: {KNOWN}.",
        "errors": [
            {"pointer": "/name", "code": "blank", "detail": "This field may not be blank."},
            {
                "pointer": "/maxExample",
                "code": "unknown_field",
                "detail": f"Unknown field. Known are: {KNOWN}.",
            },
        ],
        "requestId": "mine-1",
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"name": "a\\u0000b"}', "nul"),
        (b'{"a\\u0000b": 1}', "nul"),
        (b'{"name": "\\ud800"}', "surrogate"),
        (b'{"name": "a\0b"}', "nul"),
        (b'{"name": "\xed\xa0\x80"}', "encoding"),
        ('{"name": "a"}'.encode("utf-16"), "encoding"),
        (b'{"name": "a", "name": "b"}', "duplicate_key"),
        (b'{"maxExamples": NaN}', "non_finite"),
        (b'{"maxExamples": 1e400}', "non_finite"),
        (b'{"maxExamples": ' + b"9" * 5000 + b"}", "number"),
        (b"[" * 1100 + b"]" * 1100, "depth"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "depth"),
        (b"{", "invalid_json"),
        (b"{'name': 1}", "invalid_json"),
    ],
)
def test_reads_json_strictly(api, body, code):
    answer = post(api, body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"5", b"true"])
def test_wants_an_object(api, body):
    answer = post(api, body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "")


@pytest.mark.parametrize("value", [10**40, -(10**40), 1.5, True, "1e3", "9" * 2000, [], {}, ""])
def test_refuses_odd_numbers(api, value):
    answer = api.post(IMPORT, {"name": "Talks", "maxExamples": value})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+14:00", "2026-02-30", "2026-13-01", "soon", 5, "", "9999"]
)
def test_refuses_odd_times(api, value):
    answer = api.post(IMPORT, {"name": "Talks", "startDate": value})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("text/plain", 415), ("application/xml", 415), ("multipart/form-data", 415)],
)
def test_takes_json_only(api, content_type, status):
    assert post(api, b"{}", content_type=content_type).status_code == status


def test_refuses_a_body_over_the_limit(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

    answer = post(api, b'{"name": "' + b"x" * 1024 * 1024 + b'"}')

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary="),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\0\xff.jsonl"\r\n\r\n{}\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n' * 1100 + b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_refuses_a_broken_form(api, body, content_type):
    answer = post(api, body, path=DATASETS, content_type=content_type)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/fine-tuning",
        f"{DATASETS}/nothing",
        f"{DATASETS}/%00",
        f"{DATASETS}/" + "9" * 40,
        f"{DATASETS}/" + "%D9%A0" * 32,
        f"{DATASETS}/00000000-0000-0000-0000-000000000000",
        f"{DATASETS}/..%2f..%2fetc",
        f"{DATASETS}//",
    ],
)
def test_answers_not_found_in_the_same_shape(api, path):
    answer = api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_answers_an_unknown_path_to_every_method(db, method):
    # A token is no cookie: nothing that a browser sends by itself is at stake.
    client = APIClient(enforce_csrf_checks=True)

    answer = getattr(client, method)("/api/fine-tuning/datasets/null,null%0A")

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("query", ["search=%00", "problem=%00", "search=" + "x" * 300])
def test_refuses_odd_filters(api, organization, query):
    dataset = DatasetFactory(organization=organization)

    assert api.get(f"{DATASETS}/{dataset.pk}/examples?{query}").status_code == 400


@pytest.mark.parametrize("path", ["/api/auth/me", f"{DATASETS}", f"{DATASETS}/stats", "/api/base-models"])
def test_answers_the_same_with_a_trailing_slash(api, path):
    assert api.get(f"{path}/").json() == api.get(path).json()


def test_takes_the_body_of_a_post_with_a_trailing_slash(api):
    talk = {"messages": [{"role": "user", "content": "Hello"}]}

    assert api.post("/api/conversations/", talk).status_code == 201


@pytest.mark.parametrize(
    ("path", "parameter", "code"),
    [
        (f"{DATASETS}?limit=0", "limit", "limit_out_of_range"),
        (f"{DATASETS}?cursor=x", "cursor", "invalid_cursor"),
        (f"{DATASETS}?workspaceid=1", "workspaceid", "unknown_field"),
        (f"{DATASETS}?workspaceId=1", "workspaceId", "invalid"),
        (f"{DATASETS}?a~/b=1", "a~/b", "unknown_field"),
        (f"{DATASETS}/stats?status=valid", "status", "unknown_field"),
        ("/api/agents?name=x", "name", "unknown_field"),
        ("/api/fine-tuning/jobs?status=failed&status=running", "status", "given_twice"),
    ],
)
def test_says_which_parameter_is_wrong(api, path, parameter, code):
    answer = api.get(path)

    error = answer.json()["errors"][0]
    assert (answer.status_code, error["parameter"], error["code"]) == (400, parameter, code)
    assert "pointer" not in error


def test_takes_what_every_list_takes(api, organization):
    DatasetFactory.create_batch(2, organization=organization)
    first = api.get(f"{DATASETS}?limit=1").json()

    second = api.get(f"{DATASETS}?limit=1&cursor={first['nextCursor']}").json()

    assert [len(page["data"]) for page in (first, second)] == [1, 1]
    assert first["data"] != second["data"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/api/fine-tuning/jobs", {"hyperparameters": {"n_epochs": 99}}, "/hyperparameters/n_epochs"),
        ("/api/fine-tuning/jobs", {"hyperparameters": {"epochs/x": 1}}, "/hyperparameters/epochs~1x"),
        ("/api/keys", {"name": "x", "agentIds": ["y"]}, "/agentIds/0"),
        ("/api/keys", {"name": "x", "requestsPerMinute": -1}, "/requestsPerMinute"),
    ],
)
def test_points_into_the_body_as_it_was_sent(owner_api, path, body, pointer):
    answer = owner_api.post(path, body)

    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "path",
    ["/api/auth/me", "/api/nothing", "/nothing", "/static/finetuning/app.css", "/static/nothing", "/login"],
)
def test_names_every_request(client, path):
    answer = client.get(path, HTTP_X_REQUEST_ID="mine-3")
    answer.close()

    assert answer["X-Request-Id"] == "mine-3"


def test_says_which_methods_there_are(api):
    answer = api.delete(DATASETS)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc", "/api/schema", DATASETS])
@pytest.mark.parametrize(
    ("method", "accepted", "status"),
    [("get", "application/pdf", 406), ("delete", "text/plain", 406), ("put", "*/*", 405)],
)
def test_gives_errors_as_json_whatever_a_page_is_made_of(api, path, method, accepted, status):
    answer = getattr(api, method)(path, HTTP_ACCEPT=accepted)

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


def test_tells_nothing_of_its_own_faults(user, settings):
    client = api_client(user)
    client.raise_request_exception = False
    settings.ROOT_URLCONF = "tests.finetuning.broken_urls"

    answer = client.get("/api/broken", HTTP_X_REQUEST_ID="mine-2")

    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    assert answer.json()["requestId"] == "mine-2"
    assert b"secret" not in answer.content


@pytest.mark.parametrize("path", ["/api/fine-tuning/datasets", "/api/fine-tuning/jobs", "/without-database"])
def test_says_when_to_come_back_while_something_is_away(client, settings, path):
    client.raise_request_exception = False
    settings.ROOT_URLCONF = "tests.finetuning.broken_urls"

    answer = client.get(path)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"secret" not in answer.content
    if path.startswith("/api/"):
        assert answer.json()["code"] == "temporarily_unavailable"


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        (IMPORT, {"name": -213}, ["/name"]),
        (IMPORT, {"name": "Talks", "maxExamples": "5"}, ["/maxExamples"]),
        (IMPORT, {"name": "Talks", "maxExamples": True}, ["/maxExamples"]),
        (IMPORT, {"name": "Talks", "startDate": 20260101}, ["/startDate"]),
        (
            "/api/fine-tuning/jobs",
            {"name": 1, "datasetId": 7, "baseModel": 2, "method": 3},
            ["/method", "/name"],
        ),
        ("/api/conversations", {"messages": [{"role": "user"}], "model": 4}, ["/model"]),
        ("/api/agents", {"name": "bot", "recording": "true"}, ["/recording"]),
        ("/api/fine-tuning/jobs", {"metadata": {"a": 1}}, ["/metadata/a"]),
    ],
)
def test_takes_no_value_of_another_type(api, path, body, pointers):
    answer = post(api, body, path=path)

    assert answer.status_code == 400
    assert set(pointers) <= {error["pointer"] for error in answer.json()["errors"]}


def test_says_which_item_of_a_list_is_of_another_type(admin_api):
    body = {"url": "https://hooks.example.com/", "eventTypes": ["job.failed", 7]}

    answer = post(admin_api, body, path="/api/webhooks/endpoints")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/eventTypes/1")


@pytest.mark.parametrize("cap", ["", "200", True])
def test_takes_no_text_for_an_amount(admin_api, organization, cap):
    organization.cap_spending(100, now=timezone.now())

    answer = admin_api.patch("/api/organization", {"monthlyCapUsd": cap})

    organization.refresh_from_db()
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/monthlyCapUsd")
    assert organization.monthly_cap_usd == 100
