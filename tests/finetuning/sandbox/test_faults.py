"""Every fault as a client meets it: over a real connection, through the real SDK or a plain one."""

import json
from pathlib import Path
from typing import get_args

import httpx2
import msgspec
import openai
import pytest

from finetuning.sandbox import faults
from finetuning.sandbox.faults import Fault
from tests.finetuning.sandbox.conftest import BASE, chat_file

JOBS = "/v1/fine_tuning/jobs"
HEADERS = {"Authorization": "Bearer sk-test"}


@pytest.fixture
def api(sandbox):
    http_client = httpx2.Client(trust_env=False, timeout=5)
    base_url = f"{sandbox.url}/v1"
    with openai.OpenAI(api_key="sk-test", base_url=base_url, max_retries=0, http_client=http_client) as api:
        yield api


@pytest.fixture
def plain(sandbox):
    with httpx2.Client(base_url=sandbox.url, headers=HEADERS, trust_env=False, timeout=5) as plain:
        yield plain


@pytest.fixture
def file_id(api):
    return api.files.create(file=("train.jsonl", chat_file()), purpose="fine-tune").id


@pytest.fixture
def create(api, file_id):
    def create(reference="job-1"):
        return api.fine_tuning.jobs.create(model=BASE, training_file=file_id, metadata={"ft_job": reference})

    return create


def creates(sandbox):
    return sandbox.ledger()["totals"]["creates"]


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        (Fault(kind="drop"), openai.APIConnectionError, 0),
        (Fault(kind="drop_after"), openai.APIConnectionError, 1),
        (Fault(kind="reset_mid_body"), openai.APIConnectionError, 1),
        (Fault(kind="error"), openai.InternalServerError, 0),
        (Fault(kind="error_after"), openai.InternalServerError, 1),
        (Fault(kind="error_after", status=409), openai.ConflictError, 1),
        (Fault(kind="error_after", status=429), openai.RateLimitError, 1),
        (Fault(kind="error", status=429), openai.RateLimitError, 0),
        (Fault(kind="quota_exceeded"), openai.RateLimitError, 0),
        (Fault(kind="key_refused"), openai.AuthenticationError, 0),
        (Fault(kind="account_refused"), openai.PermissionDeniedError, 0),
        (Fault(kind="model_retired"), openai.BadRequestError, 0),
        (Fault(kind="truncated_json"), (json.JSONDecodeError, openai.APIError), 1),
        (Fault(kind="commit_late", seconds=30), openai.APIConnectionError, 0),
    ],
    ids=lambda value: f"{value.kind}{value.status}" if isinstance(value, Fault) else "",
)
def test_a_create_fails_before_or_after_its_effect(sandbox, create, fault, error, made):
    sandbox.fail(Fault(**{**json.loads(msgspec.json.encode(fault)), "route": faults.CREATE_JOB}))

    with pytest.raises(error):
        create()

    assert creates(sandbox) == made


def test_a_late_commit_appears_when_its_time_has_come(sandbox, api, create):
    sandbox.fail(Fault(kind="commit_late", seconds=30, times=1))
    with pytest.raises(openai.APIConnectionError):
        create()
    assert api.fine_tuning.jobs.list().data == []

    sandbox.clock.advance(31)

    assert [job.metadata["ft_job"] for job in api.fine_tuning.jobs.list()] == ["job-1"]


@pytest.mark.parametrize("retry_after", ["7", "600", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_says_when_to_try_again_as_it_was_told(sandbox, plain, retry_after):
    sandbox.fail(Fault(kind="error", status=429, retry_after=retry_after))

    assert plain.get(JOBS).headers["Retry-After"] == retry_after


def test_sends_away_to_another_host(sandbox, plain):
    sandbox.fail(Fault(kind="redirect"))

    answer = plain.get(JOBS)

    assert (answer.status_code, answer.headers["Location"]) == (301, "http://redirected.invalid/v1")


@pytest.mark.parametrize(
    ("fault", "field", "expected"),
    [
        (Fault(kind="unknown_status"), "status", "thinking"),
        (Fault(kind="status_backwards"), "status", "queued"),
        (Fault(kind="empty_error"), "error", {}),
        (Fault(kind="missing_field", field="status"), "status", None),
        (Fault(kind="set_field", field="trained_tokens", value="many"), "trained_tokens", "many"),
        (Fault(kind="clock_skew", seconds=-600), "created_at", 1_795_000_000 - 600),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_changes_the_answer(sandbox, plain, create, fault, field, expected):
    job = create()
    sandbox.fail(fault)

    assert plain.get(f"{JOBS}/{job.id}").json().get(field) == expected


def test_sends_nan_which_is_no_json(sandbox, plain, create):
    job = create()
    sandbox.fail(Fault(kind="nan", field="trained_tokens"))

    assert '"trained_tokens":NaN' in plain.get(f"{JOBS}/{job.id}").text


def test_sends_a_page_of_a_website_instead(sandbox, plain):
    sandbox.fail(Fault(kind="wrong_content_type"))

    assert plain.get(JOBS).headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(("kind", "pace"), [("drip", 0.0), ("huge_body", 0.0)])
def test_sends_far_more_than_the_answer(sandbox, plain, kind, pace):
    sandbox.fail(Fault(kind=kind, seconds=pace))

    with plain.stream("GET", JOBS) as answer:
        received = 0
        for piece in answer.iter_bytes():
            received += len(piece)
            if received > 5_000:
                break

    assert received > 5_000


def test_lists_as_if_it_knew_no_filter(sandbox, api, create):
    create("job-1")
    create("job-2")
    sandbox.fail(Fault(kind="filter_ignored"))

    assert len(api.fine_tuning.jobs.list(metadata={"ft_job": "job-1"}).data) == 2


def test_lists_late(sandbox, api, create):
    create()
    sandbox.fail(Fault(kind="list_lag", seconds=20))
    assert api.fine_tuning.jobs.list().data == []

    sandbox.clock.advance(21)

    assert len(api.fine_tuning.jobs.list().data) == 1


def test_lists_in_small_pages_doubled_and_without_an_end(sandbox, plain, create):
    for reference in "abc":
        create(reference)
    sandbox.fail(Fault(kind="small_pages"), Fault(kind="duplicate_rows"), Fault(kind="missing_has_more"))

    page = plain.get(JOBS).json()

    assert [row["metadata"]["ft_job"] for row in page["data"]] == ["c", "c", "b", "b"]
    assert "has_more" not in page


def test_refuses_a_cursor(sandbox, plain, create):
    job = create()
    sandbox.fail(Fault(kind="cursor_invalid"))

    assert plain.get(JOBS).status_code == 200
    assert plain.get(JOBS, params={"after": job.id}).status_code == 400


def test_a_fresh_model_is_not_found_for_a_while(sandbox, api, create):
    job = create()
    sandbox.clock.advance(3600)
    model = api.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    sandbox.fail(Fault(kind="model_cold", seconds=7200))
    question = [{"role": "user", "content": "What does the cat eat? 0"}]
    with pytest.raises(openai.NotFoundError):
        api.chat.completions.create(model=model, messages=question)

    sandbox.clock.advance(7200)

    assert api.chat.completions.create(model=model, messages=question).choices


def test_a_base_model_is_past_its_last_day(sandbox, api):
    sandbox.fail(Fault(kind="model_retired"))

    assert {model.shutdown_date for model in api.models.list()} == {"2026-11-17"}


def test_results_come_plain_when_told_so(sandbox, api, create):
    job = create()
    sandbox.clock.advance(3600)
    result_file = api.fine_tuning.jobs.retrieve(job.id).result_files[0]
    sandbox.fail(Fault(kind="plain_results"))

    assert api.files.content(result_file).text.startswith("step,")


def test_strikes_only_the_job_that_it_is_about(sandbox, api, create):
    # Words that no id can begin with: one of `ftjob-1...` would be about `job-1`, too.
    first, second = create("the first"), create("the second")
    sandbox.fail(Fault(kind="error", about="the first"))

    with pytest.raises(openai.InternalServerError):
        api.fine_tuning.jobs.retrieve(first.id)
    assert api.fine_tuning.jobs.retrieve(second.id).id == second.id


def test_spares_some_then_strikes_so_many_times(sandbox, plain):
    sandbox.fail(Fault(kind="error", skip=1, times=2))

    assert [plain.get(JOBS).status_code for _ in range(5)] == [200, 500, 500, 200, 200]


def test_the_same_seed_strikes_the_same_requests(start):
    def outcomes(folder, seed):
        rehearsal = start(folder=folder, seed=seed)
        faults.add(rehearsal.app.sandbox, [Fault(kind="error", probability=0.5)])
        return [is_well(rehearsal.api) for _ in range(20)]

    assert outcomes("one", 7) == outcomes("two", 7)
    assert outcomes("three", 7) != outcomes("four", 8)


def is_well(api):
    try:
        return bool(api.models.list().data)
    except openai.InternalServerError:
        return False


def test_the_control_route_sets_lists_and_clears(sandbox, plain):
    wanted = {"faults": [{"kind": "error", "route": "GET /files"}]}
    fault = plain.post("/_faults", json=wanted).json()["data"][0]
    assert plain.get("/v1/files").status_code == 500
    assert plain.get("/_faults").json()["data"] == [{**fault, "fitted": 1, "struck": 1}]

    assert plain.delete(f"/_faults/{fault['id']}").status_code == 200

    assert plain.get("/v1/files").status_code == 200
    assert plain.delete("/_faults/nothing").status_code == 404


@pytest.mark.parametrize(
    "fault", [{"kind": "nonsense"}, {"kind": "error", "route": "GET /nothing"}, {"kind": "drop", "typo": 1}]
)
def test_refuses_a_fault_that_could_never_strike(plain, fault):
    assert plain.post("/_faults", json={"faults": [fault]}).status_code == 400


def test_the_ledger_adds_up_by_reference_whatever_is_set(sandbox, plain, create):
    create("job-1")
    create("job-1")
    sandbox.fail(Fault(kind="error"), Fault(kind="missing_field", field="references"))

    assert plain.get("/_ledger").json()["references"]["job-1"]["creates"] == 2


def test_every_kind_is_described(sandbox):
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()

    kinds = [kind for group in get_args(faults.Kind) for kind in (get_args(group) or [group])]

    assert [kind for kind in kinds if f"`{kind}`" not in page] == []
