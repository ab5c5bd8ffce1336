from datetime import UTC, datetime

import httpx2
import pytest

from finetuning.providers.base import (
    ProviderUnreachable,
    RemoteStatus,
)
from tests.finetuning.providers.recorded import EVENTS, JOB, listing, refusal, text


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("validating_files", RemoteStatus.QUEUED),
        ("queued", RemoteStatus.QUEUED),
        ("pending", RemoteStatus.QUEUED),
        ("running", RemoteStatus.RUNNING),
        ("succeeded", RemoteStatus.SUCCEEDED),
        ("failed", RemoteStatus.FAILED),
        ("cancelled", RemoteStatus.CANCELLED),
        ("paused", None),
        ("pausing", None),
        ("compressing", None),
    ],
)
def test_translates_the_status(connect, word, status):
    provider, _ = connect(httpx2.Response(200, json=JOB | {"status": word}))

    job = provider.get_job(JOB["id"])

    assert (job.status, job.vendor_status) == (status, word)


@pytest.mark.parametrize("error", [{}, None, {"code": None, "message": None, "param": None}])
def test_sees_no_error_in_a_healthy_run(connect, error):
    provider, _ = connect(httpx2.Response(200, json=JOB | {"error": error}))

    job = provider.get_job(JOB["id"])

    assert (job.error_code, job.error_message) == ("", "")


def test_reads_what_failed(connect):
    error = {
        "code": "invalid_n_examples",
        "message": "Training file has 7 example(s)",
        "param": "training_file",
    }
    provider, _ = connect(httpx2.Response(200, json=JOB | {"status": "failed", "error": error}))

    job = provider.get_job(JOB["id"])

    assert (job.error_code, job.error_message) == ("invalid_n_examples", "Training file has 7 example(s)")


def test_reads_a_finished_run(connect):
    finished = {
        "fine_tuned_model": "ft:base:acme::Ab1",
        "trained_tokens": 5049,
        "estimated_finish": 1729086000,
    }
    provider, _ = connect(httpx2.Response(200, json=JOB | finished))

    job = provider.get_job(JOB["id"])

    assert (job.model_id, job.trained_tokens) == ("ft:base:acme::Ab1", 5049)
    assert job.estimated_finish_at == datetime(2024, 10, 16, 13, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "epochs"),
    [
        ({}, 3),
        ({"hyperparameters": None}, 3),
        ({"method": None, "hyperparameters": {"n_epochs": 4}}, 4),
        ({"method": None}, None),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2}}}, "hyperparameters": None},
            2,
        ),
        ({"method": {"type": "supervised"}, "hyperparameters": {"n_epochs": True}}, None),
    ],
)
def test_reads_the_epochs_once_they_are_settled(connect, fields, epochs):
    provider, _ = connect(httpx2.Response(200, json=JOB | fields))

    assert provider.get_job(JOB["id"]).total_epochs == epochs


@pytest.mark.parametrize("nonsense", [None, "", 7, -1, 1e300, True, [], {}, [[]], "x" * 100_000, 10**30])
def test_survives_nonsense_in_every_field(connect, nonsense):
    fields = dict.fromkeys(JOB, nonsense) | {"id": "ftjob-1"}
    provider, _ = connect(httpx2.Response(200, json=fields))

    job = provider.get_job("ftjob-1")

    assert (job.id, job.status) == ("ftjob-1", None)
    assert job.trained_tokens in {None, 7}


@pytest.mark.parametrize("poison", [r"\u0000", r"\ud800"])
def test_keeps_out_text_that_a_database_cannot_hold(connect, poison):
    provider, _ = connect(text(200, f'{{"id": "ftjob-1", "model": "a{poison}b", "x": NaN}}'))

    job = provider.get_job("ftjob-1")

    assert job.base_model.encode()
    assert "\0" not in job.base_model


def pages(*, has_more):
    """Answers a list of five jobs in pages of two, and says `has_more` only when told to."""
    rows = [
        JOB | {"id": f"ftjob-{n}", "created_at": 100 - n, "metadata": {"ft_job": f"job-{n}"}}
        for n in range(5)
    ]

    def answer(request):
        ids = [row["id"] for row in rows]
        start = ids.index(request.url.params["after"]) + 1 if "after" in request.url.params else 0
        page = {"object": "list", "data": rows[start : start + 2]}
        return httpx2.Response(200, json=page | ({"has_more": start + 2 < len(rows)} if has_more else {}))

    return answer


@pytest.mark.parametrize("has_more", [True, False])
def test_looks_through_every_page_for_a_run(connect, has_more):
    provider, _ = connect(pages(has_more=has_more))

    found = provider.find_jobs("job-4", training_file="file-of-nothing")

    assert [job.id for job in found] == ["ftjob-4"]


def test_finds_all_runs_of_a_file_oldest_first(connect):
    provider, _ = connect(pages(has_more=True))

    found = provider.find_jobs("nobody", training_file=JOB["training_file"])

    assert [job.id for job in found] == [f"ftjob-{number}" for number in (4, 3, 2, 1, 0)]


def test_asks_for_the_reference_and_for_everything(connect):
    provider, wire = connect(listing([]))

    provider.find_jobs("job-1", training_file="file-1")

    assert [request.url.params.get("metadata[ft_job]") for request in wire.requests] == ["job-1", None]


def test_finds_a_run_where_the_filter_is_refused(connect):
    def answer(request):
        filtered = "metadata[ft_job]" in request.url.params
        return refusal(400, "Unknown query parameter.") if filtered else listing([JOB])

    provider, _ = connect(answer)

    assert [job.id for job in provider.find_jobs("job-1", training_file="file-1")] == [JOB["id"]]


def test_takes_no_run_without_a_file_for_ours(connect):
    provider, _ = connect(listing([JOB | {"training_file": None}]))

    assert provider.find_jobs("job-2", training_file="") == []


def test_ends_where_the_provider_ignores_the_page(connect):
    provider, wire = connect(listing([JOB], has_more=True))

    assert len(provider.find_jobs("job-1", training_file="file-1")) == 1
    assert len(wire.requests) == 4


@pytest.mark.parametrize("data", [7, "jobs", {"a": 1}, [7], [{}], [{"id": None}]])
def test_does_not_take_an_unreadable_list_for_an_empty_one(connect, data):
    provider, _ = connect(listing(data))

    with pytest.raises(ProviderUnreachable, match="could not be read"):
        provider.find_jobs("job-1", training_file="file-1")


def test_fetches_older_events_only_when_they_are_wanted(connect):
    provider, wire = connect(listing(EVENTS, has_more=True))

    newest = next(provider.list_events("ftjob-1"))

    assert newest.id == "ftevent-3"
    assert len(wire.requests) == 1


def test_reads_the_metrics_of_a_step(connect):
    provider, _ = connect(listing(EVENTS))

    events = list(provider.list_events("ftjob-1"))

    assert [event.data for event in events] == [{"step": 1, "total_steps": 30, "train_loss": 2.22}, {}, {}]
    assert [event.type for event in events] == ["metrics", "message", "message"]


@pytest.mark.parametrize("value", ["2.22", None, True, [], {}])
def test_leaves_out_a_metric_that_is_no_number(connect, value):
    data = {"step": 1, "train_loss": value, "usage": {"samples": 4}}
    provider, _ = connect(listing([EVENTS[0] | {"data": data}]))

    (event,) = provider.list_events("ftjob-1")

    assert event.data == {"step": 1, "usage": {"samples": 4}}
