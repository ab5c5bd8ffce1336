"""Hand-made hostile requests: none is a fault of ours, and each gets exactly the answer that is described.

A probe is a name, what is asked, and the status and code of the answer. In a path, `{dataset}`, `{job}` and
`{model}` stand for ids of rows of the one who asks.
"""

import pytest

from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory
from tests.probes.bodies import bodies, content_types, forms, values
from tests.probes.requests import OTHERS, headers, methods, paths, queries, signed

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "code", "detail", "errors", "requestId"}
PLACES = {"pointer", "parameter", "header"}
PROBES = [
    *(*bodies(), *values(), *paths(), *queries(), *forms()),
    *(*content_types(), *headers(), *methods(), *signed(), *OTHERS),
]


@pytest.fixture
def ids(organization, provider_account):
    own = {"organization": organization}
    job = JobFactory(**own, provider_account=provider_account, dataset=DatasetFactory(**own, examples=1))
    model = FineTunedModelFactory(**own, job__provider_account=provider_account)
    return {"{dataset}": str(job.dataset_id), "{job}": str(job.pk), "{model}": str(model.pk)}


def asked(client, probe, ids):
    method, _, address = probe.ask.partition(" ")
    path, _, query = replaced(address, ids).partition("?")
    body = replaced(probe.body, ids) if isinstance(probe.body, str) else probe.body
    return client.generic(
        method, path, body, content_type=probe.content_type, QUERY_STRING=query, headers=probe.headers
    )


def replaced(text, ids):
    for name, value in ids.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_a_hostile_request_gets_the_answer_that_is_described(owner_api, ids, probe):
    owner_api.raise_request_exception = False

    answer = asked(owner_api, probe, ids)

    assert (answer.status_code, answer.headers.get("Content-Type")) == (
        probe.status,
        "application/problem+json",
    )
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (probe.status, probe.code)
    assert problem.keys() == MEMBERS
    assert all(error.keys() - PLACES == {"code", "detail"} for error in problem["errors"])
