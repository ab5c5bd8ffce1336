import random
from collections import Counter

import httpx2
import openai
import pytest

from finetuning.sandbox.settings import SandboxSettings
from tests.chaos.nemesis import RECOVERY_MARK, WIPE_MARK, Void, count_hits, deal
from tests.chaos.provider import FAULTS, FaultyProvider


@pytest.mark.parametrize("kills", [40, 500])
def test_deals_enough_crashes_for_a_run_that_counts(tmp_path, kills):
    dealt = Counter(deal(kills, seed=7))
    write_logs(tmp_path, recoveries=dealt["postgres"], wipes=dealt["valkey"])

    assert dealt.total() == kills
    assert count_hits(tmp_path, kills) == {
        "postgres_recoveries": dealt["postgres"],
        "valkey_wipes": dealt["valkey"],
    }


def test_deals_the_same_for_the_same_seed():
    assert deal(100, seed=7) == deal(100, seed=7)
    assert deal(100, seed=7) != deal(100, seed=8)


@pytest.mark.parametrize(("recoveries", "wipes"), [(29, 50), (30, 49)])
def test_a_run_with_too_few_real_crashes_is_void(tmp_path, recoveries, wipes):
    write_logs(tmp_path, recoveries=recoveries, wipes=wipes)

    with pytest.raises(Void):
        count_hits(tmp_path, 500)


def write_logs(folder, *, recoveries, wipes):
    (folder / "postgres.log").write_text(f"LOG: {RECOVERY_MARK}\n" * recoveries)
    # The first start counts as no wipe.
    (folder / "valkey.log").write_text(f"{WIPE_MARK}\n" * (wipes + 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_spoils_a_create_in_the_way_it_says(tmp_path, fault):
    provider = FaultyProvider(SandboxSettings(data_dir=tmp_path), share=1, late_seconds=0)
    provider._random = OnlyChoice(fault)
    client = openai.OpenAI(
        api_key="sk-test",
        base_url="http://sandbox/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.WSGITransport(app=provider)),
    )
    line = b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}\n'
    file = client.files.create(file=("a.jsonl", line * 10), purpose="fine-tune")

    try:
        client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file=file.id)
        answered = True
    except (openai.APIError, ConnectionAbortedError):
        answered = False

    made = len(client.fine_tuning.jobs.list().data)
    assert made == (fault not in {"error_before", "rate_limited"})
    assert answered == (fault in {"late_effect", "late_answer"})


class OnlyChoice(random.Random):
    """Chance that always falls on one thing."""

    def __init__(self, choice):
        super().__init__()
        self._choice = choice

    def choice(self, seq):
        return self._choice
