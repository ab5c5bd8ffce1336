import httpx2
import openai
import pytest


def send(rehearsal, method, path, **options):
    transport = httpx2.WSGITransport(app=rehearsal.app, raise_app_exceptions=True)
    with httpx2.Client(transport=transport, headers={"Authorization": "Bearer sk-test"}) as client:
        return client.request(method, f"http://sandbox{path}", **options)


@pytest.mark.parametrize("path", ["/models", "/v1/models"])
def test_answers_with_and_without_the_version_in_the_path(rehearsal, path):
    assert send(rehearsal, "GET", path).status_code == 200


def test_says_what_it_is_to_a_browser(rehearsal):
    answer = send(rehearsal, "GET", "/", headers={"Authorization": ""})

    assert answer.json()["object"] == "sandbox"


def test_refuses_a_missing_key(rehearsal):
    answer = send(rehearsal, "GET", "/models", headers={"Authorization": ""})

    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You didn't provide an API key.")


@pytest.mark.parametrize("key", ["sk-refused", "sk-other"])
def test_refuses_a_wrong_key(start, key):
    rehearsal = start(api_key=key, allowed_keys=frozenset({"sk-good", "sk-refused"}))

    with pytest.raises(openai.AuthenticationError) as refused:
        rehearsal.api.models.list()

    assert refused.value.code == "invalid_api_key"
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/files", 405), ("GET", "/fine_tuning/jobs/a/b/c", 404)],
)
def test_answers_unknown_routes_in_the_vendors_shape(rehearsal, method, path, status):
    answer = send(rehearsal, method, path)

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"\xff", b"[" * 5000, b'{"model": 5}', b'{"model": "a", "training_file": NaN}', b"null"],
)
def test_never_breaks_on_a_broken_body(rehearsal, body):
    answer = send(rehearsal, "POST", "/fine_tuning/jobs", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nab'),
    ],
)
def test_never_breaks_on_a_broken_form(rehearsal, content_type, body):
    answer = send(rehearsal, "POST", "/files", content=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400


@pytest.mark.parametrize("seconds", ["12", "9" * 5000, "²", "soon"])
def test_refuses_an_odd_lifetime(rehearsal, seconds):
    answer = send(
        rehearsal,
        "POST",
        "/files",
        data={"purpose": "user_data", "expires_after[seconds]": seconds},
        files={"file": ("a.txt", b"a")},
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "expires_after.seconds"


@pytest.mark.parametrize("limit", ["x", "1.5", "9" * 30])
def test_refuses_a_limit_that_is_no_number(rehearsal, limit):
    assert send(rehearsal, "GET", f"/files?limit={limit}").status_code == 400


def test_lists_what_can_be_tuned_with_its_announced_end(rehearsal):
    models = {model.id: model for model in rehearsal.api.models.list()}

    assert models["gpt-4o-mini"].owned_by == "sandbox"
    assert models["gpt-4o-mini"].shutdown_date == "2027-01-14"
    assert models["gpt-3.5-turbo-1106"].shutdown_date == "2026-09-28"


def test_outlives_the_vendors_last_day(rehearsal):
    rehearsal.clock.advance(120 * 86_400)

    models = {model.id: model.shutdown_date for model in rehearsal.api.models.list()}

    assert models["gpt-4o-mini"] is None
    assert models["gpt-3.5-turbo-1106"] == "2026-09-28"
