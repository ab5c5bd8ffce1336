import pytest

from tests.factories import FineTunedModelFactory

pytestmark = pytest.mark.django_db
USAGE = "/api/usage"


@pytest.fixture
def model(organization):
    return FineTunedModelFactory(organization=organization)


def test_lists_the_days_newest_first(api, organization, model):
    key, _ = organization.api_keys.issue(name="Key")
    agent = organization.agents.create(name="bot", model=model)
    for day, requests in (("2026-11-01", 3), ("2026-11-02", 5)):
        organization.usage_days.create(
            day=day,
            provider_model_id=model.provider_model_id,
            model=model,
            agent=agent,
            api_key=key,
            requests=requests,
            price_usd="0.25",
        )

    newest, oldest = api.get(USAGE).json()["data"]

    assert (newest["day"], newest["requests"], oldest["requests"]) == ("2026-11-02", 5, 3)
    assert (newest["modelId"], newest["agentId"], newest["keyId"], newest["priceUsd"]) == (
        *(str(model.pk), str(agent.pk), str(key.pk)),
        0.25,
    )


@pytest.mark.parametrize(("price", "unpriced", "shown"), [("0", 0, 0.0), ("0", 9, None), ("0.5", 9, 0.5)])
def test_shows_no_price_where_none_is_known(api, organization, price, unpriced, shown):
    organization.usage_days.create(
        day="2026-11-01", provider_model_id="m", price_usd=price, unpriced_tokens=unpriced
    )

    (day,) = api.get(USAGE).json()["data"]

    assert (day["priceUsd"], day["unpricedTokens"]) == (shown, unpriced)


@pytest.mark.parametrize(
    ("query", "count"),
    [({}, 3), ({"since": "2026-11-02"}, 2), ({"until": "2026-11-01"}, 1), ({"modelId": "model"}, 1)],
)
def test_filters(api, organization, model, query, count):
    for day, of in (("2026-11-01", None), ("2026-11-02", model), ("2026-11-03", None)):
        organization.usage_days.create(day=day, provider_model_id="m", model=of)

    query = {name: str(model.pk) if value == "model" else value for name, value in query.items()}

    assert len(api.get(USAGE, query).json()["data"]) == count
    assert api.get(USAGE, {"since": "yesterday"}).status_code == 400
