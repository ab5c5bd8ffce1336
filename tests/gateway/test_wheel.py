"""The whole wheel: a model answers applications, people rate its answers, and of the good ones comes the next."""

import pytest

from datasets import tasks as dataset_tasks
from tests.test_journey import API, SAMPLE, train, upload
from tests.waiting import wait_until

CALLS = 50
RETURNS = "Can I return a helmet that I have worn once?"
CORRECTED = "Within 60 days, unused, in its box."


@pytest.fixture
def talk(gateway, admin_api, provider_account):
    """Asks the agent once; the answer's id and text."""
    provider_account.set_api_key("sk-test")
    provider_account.save()
    key = admin_api.post("/api/keys", {"name": "Help desk"}).json()["key"]
    client = gateway.client(key)

    def talk(question):
        said = [{"role": "user", "content": question}]
        completion = client.chat.completions.create(model="support-bot", messages=said)
        return completion.id, completion.choices[0].message.content

    return talk


def deploy(rest, model_id):
    """Point the agent at the model; what the provider calls it."""
    model = rest.post(f"{API}/models/{model_id}/deploy", {"agentId": "support-bot"}).json()
    assert model["deployed"]
    return model["providerModelId"]


def rate(rest, answer_id, **feedback):
    """Rate the conversation that was kept of an answer; it is kept about a second later."""
    kept = wait_until(lambda: rest.get(f"/api/conversations?externalId={answer_id}").json()["data"])
    rated = rest.post(f"/api/conversations/{kept[0]['id']}/feedback", feedback)
    assert rated.status_code == 200


def test_good_answers_become_the_next_version(admin_api, sandbox, talk, gateway):
    dataset_id = upload(admin_api, SAMPLE.read_bytes())
    dataset_tasks.validate_dataset(dataset_id=dataset_id)
    first, _ = train(admin_api, sandbox, datasetId=dataset_id)
    admin_api.post("/api/agents", {"name": "support-bot", "recording": "all"})
    first_called = deploy(admin_api, first["resultModelId"])

    answers = [talk(f"Where is my order {number}?") for number in range(CALLS - 1)]
    returns = talk(RETURNS)
    for number, (answer_id, _) in enumerate(answers):
        rate(admin_api, answer_id, thumb="down" if number % 2 else "up")
    rate(admin_api, returns[0], thumb="down", correctedAnswer=CORRECTED)

    wanted = {"name": "Good answers", "agentId": "support-bot", "minQualityScore": 1}
    imported = admin_api.post(f"{API}/datasets/import-from-conversations", wanted).json()
    dataset_tasks.validate_dataset(dataset_id=imported["id"])
    second, _ = train(admin_api, sandbox, datasetId=imported["id"], baseModel=first_called)
    deploy(admin_api, second["resultModelId"])
    wait_until(lambda: talk(RETURNS)[1] != returns[1])

    assert talk(RETURNS)[1] == CORRECTED
    assert second["dataset"]["totalExamples"] == 26
    assert admin_api.get(f"{API}/models/{second['resultModelId']}").json()["version"] == 2
    gateway.stop()
    assert requests_of(admin_api, first) >= CALLS
    assert requests_of(admin_api, second) == 2


def requests_of(rest, job):
    rows = rest.get(f"/api/usage?modelId={job['resultModelId']}").json()["data"]
    return sum(row["requests"] for row in rows)
