import gzip

import pytest
from django.urls import reverse

from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def test_pages_are_compressed_for_those_who_take_it(signed_in):
    page = reverse("datasets:list")

    packed, plain = signed_in.get(page, headers=GZIP), signed_in.get(page)

    assert packed["Content-Encoding"] == "gzip"
    assert b"<h1>Datasets</h1>" in gzip.decompress(packed.content)
    assert "Content-Encoding" not in plain
    assert {"Accept-Encoding"} <= {name.strip() for name in plain["Vary"].split(",")}


@pytest.mark.parametrize("route", ["datasets:sample", "dataset-list"])
def test_nothing_but_pages_is_compressed(route, signed_in, organization):
    DatasetFactory.create_batch(5, organization=organization)

    answer = signed_in.get(reverse(route), headers={**GZIP, "Accept": "*/*"})

    assert answer.status_code == 200
    assert len(b"".join(answer)) > 1000
    assert "Content-Encoding" not in answer
