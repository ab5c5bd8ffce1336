from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime

import httpx2
import pytest

from finetuning.providers.base import (
    ProviderRefused,
    ProviderUnreachable,
    TrainingPrice,
)
from tests.finetuning.providers.recorded import COMPLETION, JOB, refusal, text

CREATED = httpx2.Response(200, json=JOB)


@pytest.mark.parametrize("status", [301, 408, 409, 425, 429, 500, 503])
def test_can_be_asked_again(connect, status):
    provider, wire = connect(httpx2.Response(status))

    with pytest.raises(ProviderUnreachable):
        provider.get_job("ftjob-1")

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "failure", [httpx2.ReadTimeout("timed out"), httpx2.ReadError("reset"), text(200, "oops")]
)
def test_can_be_asked_again_after_a_lost_answer(connect, failure):
    provider, _ = connect(failure)

    with pytest.raises(ProviderUnreachable):
        provider.get_job("ftjob-1")


def test_never_follows_a_redirect(connect):
    provider, wire = connect(httpx2.Response(307, headers={"location": "http://elsewhere.test/"}))

    with pytest.raises(ProviderUnreachable, match=r"http://elsewhere\.test/"):
        provider.list_models()

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "99999999999"}, 3600),
        ({"retry-after": format_datetime(datetime(2999, 1, 1, tzinfo=UTC), usegmt=True)}, 3600),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:00 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_tells_how_long_to_wait(connect, headers, seconds):
    provider, _ = connect(httpx2.Response(429, headers=headers))

    with pytest.raises(ProviderUnreachable) as raised:
        provider.get_job("ftjob-1")

    assert raised.value.retry_after == seconds


def test_explains_an_error_page_without_a_message(connect):
    provider, _ = connect(text(502, "<h1>Bad gateway</h1>"))

    with pytest.raises(ProviderUnreachable, match="HTTP 502: <h1>Bad gateway</h1>"):
        provider.get_job("ftjob-1")


def test_keeps_the_key_out_of_messages(connect):
    provider, _ = connect(refusal(401, "Incorrect API key provided: sk-test-0123456789."))

    with pytest.raises(ProviderRefused) as refused:
        provider.get_job("ftjob-1")

    assert "sk-test-0123456789" not in refused.value.message


def test_refuses_a_website_as_a_provider(connect):
    provider, _ = connect(httpx2.Response(200, json={"hello": "world"}))

    with pytest.raises(ProviderUnreachable, match="could not be read"):
        provider.list_models()


def test_reads_the_usage_of_an_answer(connect):
    provider, wire = connect(httpx2.Response(200, json=COMPLETION))

    completion = provider.chat("ft:model", [{"role": "user", "content": "Hello"}])

    assert (completion.prompt_tokens, completion.completion_tokens) == (14, 2)
    assert completion.latency_ms >= 0
    assert wire.sent == {"model": "ft:model", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("choices", [None, [], [7], [{}], [{"message": "Paris"}]])
def test_is_unreachable_when_the_answer_holds_no_message(connect, choices):
    provider, _ = connect(httpx2.Response(200, json=COMPLETION | {"choices": choices}))

    with pytest.raises(ProviderUnreachable, match="no message"):
        provider.chat("ft:model", [{"role": "user", "content": "Hello"}])


def test_counts_nothing_where_no_usage_is_told(connect):
    provider, _ = connect(httpx2.Response(200, json=COMPLETION | {"usage": None}))

    completion = provider.chat("ft:model", [{"role": "user", "content": "Hello"}])

    assert (completion.prompt_tokens, completion.completion_tokens) == (0, 0)


PRICE = TrainingPrice(usd=Decimal("5.00"), as_of=date(2025, 12, 1), source="https://example.com/prices")


@pytest.mark.parametrize(
    ("tokens", "epochs", "usd", "low", "high"),
    [
        (1_000_000, 3, "15.00", "14.25", "15.75"),
        (1_000, 1, "0.01", "0.00", "0.01"),
        (999, 1, "0.00", "0.00", "0.01"),
        (3_000, 1, "0.02", "0.01", "0.02"),
        (100_000, None, "1.50", "0.95", "2.10"),
    ],
)
def test_estimates_to_the_cent_and_within_a_range(connect, tokens, epochs, usd, low, high):
    provider, _ = connect(CREATED)

    estimate = provider.estimate_cost(
        examples=100, tokens=tokens, validation_tokens=0, epochs=epochs, price=PRICE
    )

    prices = (estimate.training_usd, estimate.low_usd, estimate.high_usd)
    assert prices == (Decimal(usd), Decimal(low), Decimal(high))
    assert estimate.trained_tokens == tokens * (epochs or 3)


def test_an_unknown_price_is_not_nothing(connect):
    provider, _ = connect(CREATED)

    estimate = provider.estimate_cost(examples=100, tokens=9, validation_tokens=0, epochs=3, price=None)

    assert (estimate.training_usd, estimate.low_usd, estimate.high_usd) == (None, None, None)
    assert estimate.trained_tokens == 27


def test_estimates_with_the_epochs_that_the_provider_would_choose(connect):
    provider, _ = connect(CREATED)

    estimate = provider.estimate_cost(
        examples=10, tokens=100_000, validation_tokens=50_000, epochs=None, price=PRICE
    )

    assert (estimate.epochs, estimate.training_usd) == (10, Decimal("5.00"))


def test_the_range_covers_that_nothing_can_be_held_back(connect):
    provider, _ = connect(CREATED)

    estimate = provider.estimate_cost(
        examples=90, tokens=900_000, validation_tokens=100_000, epochs=1, price=PRICE
    )

    assert (estimate.low_usd, estimate.high_usd) == (Decimal("4.28"), Decimal("5.25"))


def chat_row(content="Hello"):
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "Hi"}]}


def test_finds_nothing_wrong_with_good_rows(connect):
    provider, _ = connect(CREATED)

    assert list(provider.validate_dataset([chat_row()] * 10, method="supervised")) == []


@pytest.mark.parametrize(
    ("row", "method", "message"),
    [
        (
            chat_row("a <|endoftext|> b"),
            "supervised",
            "Example 1 message contains an invalid token: <|endoftext|>.",
        ),
        (chat_row([{"type": "text", "text": "<|im_start|>"}]), "supervised", "invalid token: <|im_start|>"),
        (chat_row(), "dpo", "Example 1 is in the supervised format, but the job's method is dpo."),
        ({"input": {}, "preferred_output": []}, "supervised", "Example 1 is in the dpo format"),
    ],
)
def test_finds_what_the_provider_refuses_in_a_row(connect, row, method, message):
    provider, _ = connect(CREATED)

    problem = next(provider.validate_dataset([row], method=method))

    assert (problem.position, problem.code) == (0, "invalid_training_file")
    assert message in problem.message


def test_finds_too_few_rows(connect):
    provider, _ = connect(CREATED)

    (problem,) = provider.validate_dataset([chat_row()] * 9, method="supervised")

    assert (problem.position, problem.code) == (9, "invalid_n_examples")
