"""What every adapter must do, whatever answers it.

A test module imports these tests and gives the fixtures `provider`, `training_file` (the path of ten good
examples) and `trained_model` (the id of a model that the provider has trained).
"""

import pytest

from finetuning.providers.base import ProviderRefused, RemoteStatus, TrainingRun

BASE_MODEL = "gpt-4.1-mini-2025-04-14"


def create(provider, training_file, *, reference="job-1", base_model=BASE_MODEL):
    file_id = provider.upload_file(training_file, name=f"ft-{reference}-training.jsonl")
    run = TrainingRun(
        reference=reference,
        base_model=base_model,
        training_file=file_id,
        hyperparameters={"n_epochs": 3},
        suffix="contract",
        seed=7,
    )
    return provider.create_job(run)


def test_accepts_an_address_and_key_that_work(provider):
    assert provider.list_models()


def test_uploads_a_file_once(provider, training_file):
    first = provider.upload_file(training_file, name="ft-job-1-training.jsonl")

    second = provider.upload_file(training_file, name="ft-job-1-training.jsonl")

    assert first == second


def test_starts_a_run_that_waits(provider, training_file):
    job = create(provider, training_file)

    assert (job.status, job.reference, job.base_model) == (RemoteStatus.QUEUED, "job-1", BASE_MODEL)


def test_finds_a_run_by_its_reference(provider, training_file):
    job = create(provider, training_file)

    found = provider.find_jobs("job-1", training_file="file-of-nothing")

    assert [run.id for run in found] == [job.id]


def test_finds_a_run_by_its_file(provider, training_file):
    job = create(provider, training_file)

    found = provider.find_jobs("a-lost-reference", training_file=job.training_file)

    assert [run.id for run in found] == [job.id]


def test_finds_nothing_of_a_job_that_was_never_created(provider, training_file):
    create(provider, training_file)

    assert provider.find_jobs("job-2", training_file="file-of-nothing") == []


def test_refuses_a_base_model_that_is_not_offered(provider, training_file):
    with pytest.raises(ProviderRefused, match="not available for fine-tuning"):
        create(provider, training_file, base_model="no-such-model")


def test_shows_a_run_as_it_was_created(provider, training_file):
    job = create(provider, training_file)

    shown = provider.get_job(job.id)

    assert (shown.id, shown.training_file, shown.created_at) == (job.id, job.training_file, job.created_at)


def test_refuses_to_show_an_unknown_run(provider):
    with pytest.raises(ProviderRefused, match="Could not find fine tune") as refused:
        provider.get_job("ftjob-unknown")

    assert refused.value.code == "fine_tune_not_found"


def test_cancels_a_run(provider, training_file):
    job = create(provider, training_file)

    assert provider.cancel_job(job.id).status == RemoteStatus.CANCELLED


def test_lists_events_newest_first(provider, training_file):
    job = create(provider, training_file)

    events = list(provider.list_events(job.id))

    assert len(events) >= 2
    assert [event.created_at for event in events] == sorted((e.created_at for e in events), reverse=True)


def test_answers_with_a_trained_model(provider, trained_model):
    completion = provider.chat(trained_model, [{"role": "user", "content": "What is the capital of France?"}])

    assert completion.message["role"] == "assistant"
    assert completion.message["content"]
    assert completion.prompt_tokens > 0


def test_takes_a_missing_model_for_one_that_warms_up(provider):
    with pytest.raises(Exception, match="still warming up") as raised:
        provider.chat("ft:gpt-4.1-mini-2025-04-14:sandbox::missing1", [{"role": "user", "content": "Hello"}])

    assert raised.value.permanent is False
