from hypothesis import HealthCheck, given, settings

from tests.fuzz_ingest.checks import check
from tests.fuzz_ingest.inputs import inputs, made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs())
def test_holds_for_any_file(files):
    for file in files:
        check(file)


def test_a_file_is_made_of_the_same_bytes_again():
    recipe = bytes(range(40))

    assert (made(recipe).data, made(recipe).plan) == (made(recipe).data, made(recipe).plan)
