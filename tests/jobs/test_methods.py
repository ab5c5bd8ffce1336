"""What a run can be besides plain training from a base model: continued, graded, paused; and its checkpoints."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from datasets.training_files import write_training_files
from finetuning.models import ProviderAccount
from finetuning.sandbox.faults import Fault
from jobs import planning, services, steering
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel
from models_registry.services import ModelNotActive, UnknownCheckpoint
from tests.factories import DatasetFactory, FineTunedModelFactory, ProviderAccountFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/api/fine-tuning/jobs"
RUNS = "/api/runs"
GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer}}",
    "operation": "eq",
}


def ask(dataset, **choices):
    return {"name": "x", "datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini"} | choices


@pytest.fixture
def model(job, sandbox):
    """What a first job has made at the sandbox."""
    advance(job, sandbox, seconds=60, times=6)
    return FineTunedModel.objects.get()


def run_at_provider(sandbox, job):
    document = sandbox.app.sandbox.store.row("jobs", job.provider_job_id)
    return json.loads(bytes(document["request"]))


@pytest.mark.parametrize("by", ["pk", "name", "provider_model_id"])
def test_goes_on_from_an_own_model(api, dataset, model, sandbox, by):
    answer = api.post(JOBS, ask(dataset, baseModel=str(getattr(model, by)))).json()

    job = Job.objects.get(pk=answer["id"])
    assert (answer["parentModelId"], answer["startModel"]) == (str(model.pk), model.provider_model_id)
    assert answer["baseModel"] == model.base_model
    advance(job, sandbox, seconds=60, times=6)
    assert run_at_provider(sandbox, job)["model"] == model.provider_model_id
    assert (job.fine_tuned_model.parent_model, job.fine_tuned_model.version) == (model, 2)
    assert job.fine_tuned_model.base_model == model.base_model


def test_goes_on_from_a_checkpoint(api, dataset, model, sandbox):
    checkpoint = model.job.checkpoints[-1]["model_id"]

    answer = api.post(JOBS, ask(dataset, baseModel=checkpoint)).json()

    job = Job.objects.get(pk=answer["id"])
    assert (job.parent_model, job.start_model) == (model, checkpoint)
    advance(job, sandbox, seconds=60, times=6)
    assert (job.status, run_at_provider(sandbox, job)["model"]) == (Status.SUCCEEDED, checkpoint)


def test_adopts_the_lost_run_that_goes_on_from_a_model(api, dataset, model, sandbox):
    answer = api.post(JOBS, ask(dataset, baseModel=model.provider_model_id)).json()
    job = Job.objects.get(pk=answer["id"])
    sandbox.fail(Fault(kind="drop_after", route="POST /fine_tuning/jobs", times=1))

    advance(job, sandbox, times=2)

    assert job.provider_job_id is not None
    assert sandbox.ledger()["totals"]["creates"] == 2


def test_a_base_models_name_means_the_base_model(api, organization, dataset, account):
    FineTunedModelFactory(organization=organization, name="gpt-4.1-mini")

    assert api.post(JOBS, ask(dataset)).json()["parentModelId"] is None


def test_the_name_of_a_base_model_that_only_the_account_offers_means_it(api, organization, dataset, account):
    ProviderAccount.objects.filter(pk=account.pk).update(base_models=["Qwen/Qwen3-32B"])
    FineTunedModelFactory(organization=organization, name="Qwen/Qwen3-32B")

    answer = api.post(JOBS, ask(dataset, baseModel="Qwen/Qwen3-32B")).json()

    assert (answer["baseModel"], answer["parentModelId"]) == ("Qwen/Qwen3-32B", None)


def test_goes_on_only_where_the_model_was_made(api, organization, dataset, model):
    ProviderAccountFactory(organization=organization, name="other")

    refused = api.post(JOBS, ask(dataset, baseModel=model.name, provider="other"))

    assert refused.json()["errors"][0]["pointer"] == "/provider"
    assert refused.json()["errors"][0]["code"] == "model_of_another_provider"


def test_does_not_go_on_from_the_models_of_others(api, dataset, account):
    theirs = FineTunedModelFactory(name="Theirs")
    kept = [{"id": "1", "model_id": "ft:gpt-4.1-mini-2025-04-14:rivals::1:ckpt-step-1", "step": 1}]
    Job.objects.filter(pk=theirs.job_id).update(checkpoints=kept)

    for called in (str(theirs.pk), "Theirs", theirs.provider_model_id, kept[0]["model_id"]):
        refused = api.post(JOBS, ask(dataset, baseModel=called))
        assert refused.json()["errors"][0]["code"] == "unknown_base_model"


def test_estimates_what_going_on_costs(api, dataset, model):
    asked = {"datasetId": str(dataset.pk), "baseModel": model.name, "epochs": 1}

    estimate = api.post(f"{JOBS}/estimate-cost", asked).json()

    assert (estimate["trainingTokens"], estimate["priceAsOf"]) == (120, "2025-12-01")


def test_a_retry_keeps_what_it_goes_on_from(user, dataset, organization, model):
    job = services.create_job(organization, by=user, name="x", dataset=dataset, base_model=model.name)
    services.cancel_job(job, by=user)

    assert services.retry_job(job, by=user).parent_model == model


def test_metadata_goes_along_and_ours_is_kept(api, dataset, account, sandbox):
    answer = api.post(JOBS, ask(dataset, metadata={"team": "support"})).json()
    job = Job.objects.get(pk=answer["id"])

    advance(job, sandbox)

    assert answer["metadata"] == {"team": "support"}
    sent = run_at_provider(sandbox, job)["metadata"]
    assert (sent["team"], sent["ft_job"]) == ("support", str(job.pk))


@pytest.mark.parametrize(
    "metadata",
    [
        {"ft_job": "another"},
        {"": "x"},
        {"x": "y" * 513},
        {str(n): "x" for n in range(13)},
        ["x"],
        {"x": None},
    ],
)
def test_refuses_metadata_that_no_provider_takes(api, dataset, account, metadata):
    refused = api.post(JOBS, ask(dataset, metadata=metadata))

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"].startswith("/metadata")


@pytest.fixture
def azure(organization):
    """An account where a base model for reinforcement is not retired."""
    account = ProviderAccountFactory(
        organization=organization, name="azure", kind="azure", base_url="https://x.openai.azure.com/openai/v1"
    )
    account.set_api_key("key-of-azure")
    account.save()
    return account


def reinforced(dataset, **choices):
    asked = {"method": "reinforcement", "baseModel": "o4-mini", "provider": "azure", "grader": GRADER}
    return ask(dataset, **asked | {"validationSplit": 0.1} | choices)


def test_reinforces_with_a_grader(api, dataset, azure):
    hyperparameters = {"reasoning_effort": "high", "eval_interval": 5, "compute_multiplier": 1.5}

    answer = api.post(JOBS, reinforced(dataset, hyperparameters=hyperparameters)).json()

    assert (answer["method"], answer["hyperparameters"]) == ("reinforcement", hyperparameters)
    assert api.get(f"{JOBS}/{answer['id']}").json()["grader"] == GRADER
    assert answer["estimatedCostUsd"] is None


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"grader": {}}, "/grader", "grader_missing"),
        ({"grader": {"type": "magic"}}, "/grader", "grader_invalid"),
        ({"grader": GRADER | {"name": "x" * 256 * 1024}}, "/grader", "grader_invalid"),
        ({"validationSplit": 0}, "/validationSplit", "validation_missing"),
        ({"method": "supervised", "baseModel": "gpt-4.1-mini"}, "/grader", "grader_not_taken"),
        ({"baseModel": "gpt-4.1-mini"}, "/baseModel", "method_not_offered"),
    ],
)
def test_refuses_reinforcement_without_what_it_needs(api, dataset, azure, change, pointer, code):
    refused = api.post(JOBS, reinforced(dataset, **change))

    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert refused.json()["errors"][0]["pointer"] == pointer


def test_refuses_reinforcement_where_the_account_does_not_offer_it(organization, user, dataset, azure):
    ProviderAccount.objects.filter(pk=azure.pk).update(kind="compatible", base_models=["o4-mini-2025-04-16"])

    with pytest.raises((planning.MethodNotOffered, planning.BaseModelRetired)):
        services.create_job(
            organization,
            by=user,
            name="x",
            dataset=dataset,
            base_model="o4-mini",
            provider="azure",
            method="reinforcement",
            grader=GRADER,
            validation_split=0.1,
        )


def test_gives_graders_the_answer_and_the_model_the_question(organization, tmp_path):
    dataset = DatasetFactory(organization=organization, examples=1)

    files = write_training_files(dataset, split=0, seed=1, folder=tmp_path, method="reinforcement")

    assert json.loads(files.training.read_bytes()) == {
        "messages": [{"role": "user", "content": "Question 0?"}],
        "reference_answer": "Answer 0.",
    }


def test_lists_the_checkpoints_of_a_job(client, api, model, user):
    shown = api.get(f"{JOBS}/{model.job_id}").json()["checkpoints"]

    assert shown[0]["modelId"] == model.provider_model_id
    assert len(shown) > 1
    assert all(checkpoint["step"] > 0 and checkpoint["metrics"] for checkpoint in shown)
    client.force_login(user)
    assert shown[1]["modelId"] in client.get(reverse("jobs:detail", args=[model.job_id])).text


def test_any_checkpoint_can_be_used_as_the_model(client, api, model, user):
    final, earlier = (checkpoint["model_id"] for checkpoint in model.job.checkpoints[:2])

    used = api.post(f"{RUNS}/{model.job_id}/use-checkpoint", {"checkpoint": earlier})

    assert used.status_code == 200
    model.refresh_from_db()
    assert model.provider_model_id == earlier
    client.force_login(user)
    client.post(reverse("jobs:checkpoint", args=[model.job_id]), {"model_id": final})
    model.refresh_from_db()
    assert model.provider_model_id == final


def test_uses_no_checkpoint_of_another_job(model):
    with pytest.raises(UnknownCheckpoint):
        steering.use_checkpoint(model.job, model_id="ft:gpt-4.1-mini-2025-04-14:rival::x")


def test_uses_no_checkpoint_of_an_archived_model(model):
    FineTunedModel.objects.update(status="archived")

    with pytest.raises(ModelNotActive):
        steering.use_checkpoint(model.job, model_id=model.job.checkpoints[1]["model_id"])


@pytest.mark.parametrize("kind", ["error", "truncated_json", "delay"])
def test_a_job_succeeds_where_its_checkpoints_cannot_be_read(job, sandbox, settings, kind):
    settings.PROVIDER_TIMEOUT_SECONDS = 0.3
    route = "GET /fine_tuning/jobs/{job_id}/checkpoints"
    sandbox.fail(Fault(kind=kind, status=500, seconds=0.6, route=route))

    advance(job, sandbox, seconds=60, times=6)

    assert (job.status, job.checkpoints) == (Status.SUCCEEDED, [])


@pytest.fixture
def running(job, sandbox):
    """The first job, while it is trained."""
    for _ in range(60):
        advance(job, sandbox, seconds=1)
        if job.status == Status.RUNNING:
            return job
    raise AssertionError(job.status)


def test_pauses_a_run_and_lets_it_go_on(client, api, running, sandbox, user):
    paused = api.post(f"{RUNS}/{running.pk}/pause")
    assert (paused.status_code, paused.json()["paused"], paused.json()["status"]) == (200, True, "running")

    advance(running, sandbox, seconds=600, times=3)
    assert running.status == Status.RUNNING
    assert not running.events.filter(level="warning").exists()
    client.force_login(user)
    assert "Resume" in client.get(reverse("jobs:detail", args=[running.pk])).text

    client.post(reverse("jobs:resume", args=[running.pk]))
    advance(running, sandbox, seconds=60, times=6)
    assert running.status == Status.SUCCEEDED


@pytest.mark.parametrize("route", ["GET /fine_tuning/jobs/{job_id}", "GET /fine_tuning/jobs/{job_id}/events"])
def test_a_run_that_was_paused_is_said_to_be_paused(api, running, sandbox, route):
    sandbox.fail(Fault(kind="error", status=500, route=route))

    answer = api.post(f"{RUNS}/{running.pk}/pause")

    assert (answer.status_code, answer.json()["paused"]) == (200, True)


def test_leaves_it_to_the_worker_at_the_job_to_see_the_pause(running, sandbox):
    later = timezone.now() + timedelta(hours=1)
    Job.objects.filter(pk=running.pk).update(next_check_at=later, lease_until=later)

    steering.pause_job(Job.objects.get(pk=running.pk))

    Job.objects.filter(pk=running.pk, next_check_at__lte=timezone.now()).update(lease_until=None)
    advance(running, sandbox)
    assert running.is_paused


def test_tells_of_a_pause_once(running, sandbox):
    steering.pause_job(running)
    Job.objects.filter(pk=running.pk).update(vendor_status="pausing")
    advance(running, sandbox, times=2)

    assert running.events.filter(message__startswith="Paused").count() == 1


def test_pauses_nothing_that_is_not_running(api, job):
    refused = api.post(f"{RUNS}/{job.pk}/pause")

    assert refused.status_code == 409
    assert refused.json()["code"] == "cannot_pause"


def test_pauses_nothing_where_the_provider_does_not_offer_it(running):
    ProviderAccount.objects.update(kind="compatible")

    with pytest.raises(steering.CannotPause, match="do not pause"):
        steering.pause_job(Job.objects.get(pk=running.pk))


def test_says_why_a_provider_does_not_pause(api, running, sandbox):
    sandbox.fail(Fault(kind="account_refused", route="POST /fine_tuning/jobs/{job_id}/pause"))

    refused = api.post(f"{RUNS}/{running.pk}/pause")

    assert refused.status_code == 409
    assert "wound down" in refused.json()["detail"]
