import pytest

from tests.bench.rows import organization_with_jobs
from tests.conftest import api_client

JOBS = "/api/fine-tuning/jobs"


@pytest.mark.django_db
def test_makes_rows_as_the_product_has_them():
    organization, user, dataset = organization_with_jobs(12, examples=30)
    api = api_client(user)

    listed = api.get(JOBS).json()["data"]
    stats = api.get(f"{JOBS}/stats").json()
    order = {"datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini", "epochs": 3}
    cost = api.post(f"{JOBS}/estimate-cost", order).json()

    assert len(listed) == organization.jobs.count() == 12
    assert stats["byStatus"]["succeeded"] + stats["byStatus"]["failed"] == 12
    assert cost["totalTokens"] == dataset.total_tokens
