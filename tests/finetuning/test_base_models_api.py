import pytest

from tests.factories import ProviderAccountFactory

pytestmark = pytest.mark.django_db


def test_lists_what_each_account_trains(api, organization, provider_account):
    ProviderAccountFactory(organization=organization, name="own", base_models=["Qwen/Qwen3-32B"])

    models = {model["name"]: model for model in api.get("/api/base-models").json()["data"]}

    assert models["gpt-4.1-mini-2025-04-14"]["providers"] == ["sandbox", "own"]
    assert models["gpt-4.1-mini-2025-04-14"]["prices"]["trainingUsd"] == 5.0
    assert models["gpt-3.5-turbo-1106"]["retired"]
    assert models["Qwen/Qwen3-32B"]["providers"] == ["own"]
    assert models["Qwen/Qwen3-32B"]["prices"]["trainingUsd"] is None


def test_lists_nothing_where_no_account_is_enabled(api, organization):
    ProviderAccountFactory(organization=organization, is_enabled=False)

    assert api.get("/api/base-models").json()["data"] == []
