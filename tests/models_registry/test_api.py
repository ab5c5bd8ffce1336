import pytest

from models_registry import services as registry
from tests.factories import FineTunedModelFactory

pytestmark = pytest.mark.django_db
MODELS = "/api/fine-tuning/models"


@pytest.fixture
def model(organization):
    return FineTunedModelFactory(organization=organization)


def test_shows_a_model_with_its_job(api, model):
    body = api.get(f"{MODELS}/{model.pk}").json()

    assert body["job"]["id"] == str(model.job_id)
    assert body["job"]["dataset"]["name"] == model.job.dataset.name
    assert (body["provider"], body["averageLatencyMs"]) == (model.provider_account.name, None)


@pytest.mark.parametrize(("deployed", "count"), [("true", 1), ("false", 2), (None, 3)])
def test_filters_by_deployment(api, organization, deployed, count):
    for is_deployed in (True, False, False):
        FineTunedModelFactory(organization=organization, deployed=is_deployed)

    found = api.get(MODELS, {"deployed": deployed} if deployed else {}).json()["data"]

    assert len(found) == count


def test_counts_models(api, model):
    registry.record_usage(model, requests=2, prompt_tokens=5, completion_tokens=6, latency_ms=300)

    stats = api.get(f"{MODELS}/stats").json()

    assert stats == {
        "totalModels": 1,
        "deployedModels": 0,
        "activeModels": 1,
        "archivedModels": 0,
        "totalTokensUsed": 11,
        "totalRequests": 2,
        "averageLatencyMs": 150.0,
        "byProvider": {model.provider_account.name: 1},
        "byBaseModel": {model.base_model: 1},
    }


def test_deploys_and_undeploys(api, model):
    deployed = api.post(f"{MODELS}/{model.pk}/deploy", {"agentId": "desk"}).json()
    undeployed = api.post(f"{MODELS}/{model.pk}/undeploy").json()

    assert (deployed["deployed"], deployed["deploymentCount"]) == (True, 1)
    assert (undeployed["deployed"], undeployed["deployedAt"]) == (False, None)


@pytest.mark.parametrize(("method", "path"), [("post", "/archive"), ("delete", "")])
def test_keeps_a_deployed_model(owner_api, model, method, path):
    owner_api.post(f"{MODELS}/{model.pk}/deploy")

    answer = getattr(owner_api, method)(f"{MODELS}/{model.pk}{path}")

    model.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (409, "model_deployed")
    assert (model.status, model.deleted_at) == ("active", None)


def test_does_not_deploy_an_archived_model(api, model):
    archived = api.post(f"{MODELS}/{model.pk}/archive")

    answer = api.post(f"{MODELS}/{model.pk}/deploy")

    assert archived.json()["status"] == "archived"
    assert (answer.status_code, answer.json()["code"]) == (409, "model_not_active")


def test_deletes_a_model(api, owner_api, model):
    answer = owner_api.delete(f"{MODELS}/{model.pk}")

    assert answer.status_code == 204
    assert api.get(f"{MODELS}/{model.pk}").status_code == 404


def test_adds_up_usage(api, model):
    usage = {"promptTokens": 10, "completionTokens": 5, "latencyMs": 100}

    api.post(f"{MODELS}/{model.pk}/usage", usage)
    body = api.post(f"{MODELS}/{model.pk}/usage", usage | {"requests": 3, "latencyMs": 300}).json()

    assert (body["totalRequests"], body["totalTokensUsed"], body["averageLatencyMs"]) == (4, 30, 100.0)


@pytest.mark.parametrize("tokens", [-1, 1.5, "many", 10**30, None])
def test_refuses_usage_that_cannot_be_counted(api, model, tokens):
    answer = api.post(
        f"{MODELS}/{model.pk}/usage", {"promptTokens": tokens, "completionTokens": 1, "latencyMs": 1}
    )

    model.refresh_from_db()
    assert answer.status_code == 400
    assert model.total_requests == 0


@pytest.mark.parametrize(("status", "code"), [("deprecated", 200), ("active", 200), ("archived", 400)])
def test_changes_the_status_to_active_or_deprecated(api, model, status, code):
    answer = api.patch(f"{MODELS}/{model.pk}", {"status": status})

    assert answer.status_code == code
