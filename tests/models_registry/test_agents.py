import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from models_registry import agents, services
from models_registry.models import Agent
from tests.factories import FineTunedModelFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(organization):
    return FineTunedModelFactory(organization=organization, name="First")


@pytest.fixture
def newer(organization):
    return FineTunedModelFactory(organization=organization, name="Second")


@pytest.fixture
def agent(model, user):
    services.deploy_model(model, agent_id="support-bot", by=user)
    return model.organization.agents.get()


def state(agent):
    agent.refresh_from_db()
    return agent.model, agent.second_model, agent.second_share


def test_a_deployment_makes_the_agent_and_is_noted(agent, model, user):
    switch = agent.switches.get()

    assert state(agent) == (model, None, 0)
    assert (switch.action, switch.model, switch.created_by) == ("deployed", model, user)


def test_deploying_again_changes_nothing(agent, model):
    services.deploy_model(model, agent_id="support-bot")

    model.refresh_from_db()
    assert (model.deployment_count, agent.switches.count()) == (1, 1)


def test_deploying_counts_each_agent(agent, model):
    services.deploy_model(model, agent_id="sales-bot")

    assert model.deployment_count == 2


def test_a_newer_model_takes_the_place_of_the_older(agent, model, newer):
    services.deploy_model(newer, agent_id="support-bot")

    model.refresh_from_db()
    assert state(agent) == (newer, None, 0)
    assert (model.deployed, model.deployed_at) == (False, None)


def test_an_older_model_stays_deployed_while_another_agent_uses_it(agent, model, newer):
    services.deploy_model(model, agent_id="sales-bot")

    services.deploy_model(newer, agent_id="support-bot")

    model.refresh_from_db()
    assert model.deployed


def test_undeploying_unbinds_from_all_agents(agent, model):
    services.deploy_model(model, agent_id="sales-bot")

    services.undeploy_model(model)

    assert not model.deployed
    assert not Agent.objects.filter(model__isnull=False).exists()
    assert agent.switches.order_by("-created_at", "-id").first().action == "undeployed"


def test_undeploying_from_one_agent_leaves_the_other(agent, model):
    services.deploy_model(model, agent_id="sales-bot")

    services.undeploy_model(model, agent_id="support-bot")

    assert model.deployed
    assert [one.name for one in Agent.objects.pointing_at(model)] == ["sales-bot"]


def test_refuses_to_undeploy_from_an_agent_that_points_elsewhere(agent, model):
    with pytest.raises(services.ModelNotDeployed):
        services.undeploy_model(model, agent_id="sales-bot")

    assert state(agent)[0] == model


@pytest.mark.parametrize("name", ["", " ", "-x", "a b", "a/b", "ä", "a\n", "x" * 101])
def test_refuses_a_name_that_is_not_one(organization, user, name):
    with pytest.raises(agents.AgentNameInvalid):
        agents.create_agent(organization, name=name, by=user)


def test_does_not_deploy_an_archived_model_to_an_agent(agent, newer):
    services.archive_model(newer)

    with pytest.raises(agents.ModelNotActive):
        services.deploy_model(newer, agent_id="support-bot")

    assert state(agent)[0].name == "First"


def test_splits_the_calls_and_ends_the_split(agent, model, newer, user):
    agents.split_agent(agent, second_model=newer, second_share=10, by=user)
    split = state(agent)
    newer.refresh_from_db()
    agents.split_agent(agent, second_model=newer, second_share=0, by=user)

    assert (split, newer.deployed) == ((model, newer, 10), True)
    assert state(agent) == (model, None, 0)


def test_when_one_of_a_split_is_undeployed_the_other_gets_all_calls(agent, model, newer, user):
    agents.split_agent(agent, second_model=newer, second_share=10, by=user)

    services.undeploy_model(model)

    assert state(agent) == (newer, None, 0)


def test_does_not_split_between_a_model_and_itself(agent, model, user):
    with pytest.raises(agents.Invalid):
        agents.split_agent(agent, second_model=model, second_share=10, by=user)


def test_does_not_split_an_agent_without_a_model(organization, newer, user):
    agent = agents.create_agent(organization, name="empty", by=user)

    with pytest.raises(agents.AgentHasNoModel):
        agents.split_agent(agent, second_model=newer, second_share=10, by=user)


def test_rolls_back_and_forth(agent, model, newer, user):
    services.deploy_model(newer, agent_id="support-bot")

    agents.roll_back_agent(agent, by=user)
    back = state(agent)
    agents.roll_back_agent(agent, by=user)

    assert (back, state(agent)) == ((model, None, 0), (newer, None, 0))
    assert agent.switches.filter(action="rolled_back").count() == 2


def test_rolls_back_to_a_split(agent, model, newer, user):
    agents.split_agent(agent, second_model=newer, second_share=30, by=user)
    services.deploy_model(newer, agent_id="support-bot")

    agents.roll_back_agent(agent, by=user)

    assert state(agent) == (model, newer, 30)


def test_has_nothing_to_roll_back_to_at_first(agent, user):
    with pytest.raises(agents.NothingToRollBackTo):
        agents.roll_back_agent(agent, by=user)


def test_does_not_roll_back_to_an_archived_model(agent, model, newer, user):
    services.deploy_model(newer, agent_id="support-bot")
    model.refresh_from_db()
    services.archive_model(model)

    with pytest.raises(agents.ModelNotActive):
        agents.roll_back_agent(agent, by=user)

    assert state(agent)[0] == newer


def test_has_one_fallback(agent, newer):
    agents.update_agent(agent, falls_back_to_base=True)
    agents.update_agent(agent, fallback_model=newer)

    agent.refresh_from_db()
    assert (agent.fallback_model, agent.falls_back_to_base) == (newer, False)


@pytest.mark.parametrize(
    "columns", [{"second_share": 5}, {"second_share": 101}, {"falls_back_to_base": True, "fallback": True}]
)
def test_the_database_holds_no_impossible_agent(agent, newer, columns):
    if columns.pop("fallback", False):
        columns["fallback_model"] = newer

    with pytest.raises(IntegrityError), transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(**columns)


def test_api_walks_through_an_agents_life(api, model, newer):
    created = api.post("/api/agents", {"name": "desk", "recording": "all"})
    path = f"/api/agents/{created.json()['id']}"
    api.post(f"/api/fine-tuning/models/{model.pk}/deploy", {"agentId": "desk"})
    split = api.post(f"{path}/split", {"secondModelId": str(newer.pk), "secondShare": 25}).json()
    back = api.post(f"{path}/roll-back").json()
    changed = api.patch(path, {"fallbackModelId": str(newer.pk), "retentionDays": 30}).json()
    switches = api.get(f"{path}/switches").json()["data"]

    assert (created.status_code, created.json()["modelId"]) == (201, None)
    assert (split["modelId"], split["secondModelId"], split["secondShare"]) == (
        str(model.pk),
        str(newer.pk),
        25,
    )
    assert (back["secondModelId"], back["secondShare"]) == (None, 0)
    assert (changed["fallbackModelId"], changed["retentionDays"]) == (str(newer.pk), 30)
    assert [switch["action"] for switch in switches] == ["rolled_back", "split", "deployed"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"name": "support-bot"}, 409, "/name"),
        ({"name": "a b"}, 400, "/name"),
        ({"name": "new", "recordedPercent": 0}, 400, "/recordedPercent"),
        ({"name": "new", "fallbackModelId": "0199f3b4-7f02-7b5d-a4e8-0c3d9b1f6e72"}, 400, "/fallbackModelId"),
        ({"name": "new", "modelId": "x"}, 400, "/modelId"),
    ],
)
def test_api_refuses_what_is_wrong(api, agent, body, status, pointer):
    answer = api.post("/api/agents", body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert Agent.objects.count() == 1


def test_a_viewer_reads_agents_and_changes_none(viewer_api, agent):
    read = viewer_api.get(f"/api/agents/{agent.pk}")
    changed = viewer_api.patch(f"/api/agents/{agent.pk}", {"description": "mine"})

    assert (read.status_code, changed.status_code) == (200, 403)


def test_page_shows_the_agent_and_rolls_it_back(client, user, agent, model, newer):
    client.force_login(user)
    services.deploy_model(newer, agent_id="support-bot", by=user)

    page = client.get(reverse("agents:detail", args=[agent.pk]))
    client.post(reverse("agents:roll-back", args=[agent.pk]))

    assert "Roll back to First" in page.text
    assert state(agent)[0] == model


def test_page_splits_and_explains_a_refusal(client, user, agent, newer):
    client.force_login(user)
    url = reverse("agents:split", args=[agent.pk])

    done = client.post(url, {"second_model": str(newer.pk), "second_share": "20"})
    refused = client.post(url, {"second_model": str(newer.pk), "second_share": "120"})

    assert (done.status_code, refused.status_code) == (302, 422)
    assert state(agent)[2] == 20


def test_page_saves_settings(client, user, agent, newer):
    client.force_login(user)
    url = reverse("agents:settings", args=[agent.pk])
    settings = {"recording": "all", "recorded_percent": "50", "fallback_model": str(newer.pk)}

    saved = client.post(url, settings)
    refused = client.post(url, {**settings, "recorded_percent": "10", "falls_back_to_base": "on"})

    agent.refresh_from_db()
    assert (saved.status_code, refused.status_code) == (302, 422)
    assert (agent.recording, agent.recorded_percent, agent.fallback_model) == ("all", 50, newer)


def test_page_makes_an_agent_once(client, user):
    client.force_login(user)

    answers = [client.post(reverse("agents:list"), {"name": "desk"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 422]
    assert "already" in answers[1].text


def test_lists_agents_with_few_queries(client, user, organization, django_assert_max_num_queries):
    for number in range(12):
        services.deploy_model(
            FineTunedModelFactory(organization=organization), agent_id=f"agent-{number}", by=user
        )
    client.force_login(user)

    with django_assert_max_num_queries(5):
        client.get(reverse("agents:list"))
