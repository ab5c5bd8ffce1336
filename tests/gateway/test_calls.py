"""What passes through, seen from both ends."""

import json
import shutil
from datetime import date

import httpx2
import pytest
from django.utils import timezone
from prometheus_client import REGISTRY

from models_registry import agents, api_keys
from models_registry import services as registry
from models_registry.models import PlainPrice, UsageDay
from tests.factories import ProviderAccountFactory
from tests.gateway.conftest import usage
from tests.gateway.upstream import completion, delta, event

ASK = {"model": "support-bot", "messages": [{"role": "user", "content": "Hi"}]}


def test_sends_on_everything_but_the_name_of_the_model(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model())
    upstream.answer("real-model", completion(), **{"X-Request-Id": "req_of_provider"})
    odd = {"temperature": 0.10, "logit_bias": {"50256": -100}, "vendor_option": {"deep": [1, None, "é"]}}

    answer = gateway.post(key, ASK | odd)

    assert upstream.asked == [("/v1/chat/completions", ASK | odd | {"model": "real-model"})]
    assert answer.json() == completion(model="support-bot")
    assert answer.headers["x-request-id"] == "req_of_provider"


def test_tells_the_provider_neither_key_nor_cookies(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model())
    upstream.answer("real-model", completion())

    gateway.post(key, ASK, Cookie="session=1", **{"X-Forwarded-For": "1.2.3.4", "OpenAI-Organization": "org"})

    (headers,) = upstream.headers
    assert headers["authorization"] == "Bearer sk-of-the-provider"
    assert key not in str(headers)
    assert not {"cookie", "x-forwarded-for", "openai-organization"} & set(headers)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500, 503])
def test_keeps_status_and_shape_of_a_providers_error(gateway, upstream, make_model, key, status):
    make_model()
    error = {"error": {"message": "No.", "type": "odd", "param": "messages", "code": "x", "more": [1]}}
    upstream.answer("real-model", error, status=status, **{"Retry-After": "7"})

    answer = gateway.post(key, ASK | {"model": "real-model"})

    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (status, error, "7")
    gateway.stop()
    assert (usage()["requests"], usage()["errors"], usage()["tokens"]) == (1, 1, 0)


def test_passes_on_what_is_no_json(gateway, upstream, make_model, key):
    make_model()
    upstream.answer("real-model", b"<html>Bad gateway</html>", status=502, **{"Content-Type": "text/html"})

    answer = gateway.post(key, ASK | {"model": "real-model"})

    assert (answer.status_code, answer.text) == (502, "<html>Bad gateway</html>")


def test_streams_what_comes_when_it_comes(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model())
    last = event({"object": "chat.completion.chunk", "choices": [], "usage": completion()["usage"]})
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo"), last, event(b"[DONE]"))

    with httpx2.stream(
        "POST",
        f"{gateway.url}/chat/completions",
        json=ASK | {"stream": True},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    ) as answer:
        lines = answer.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        upstream.go_on.set()
        rest = [line for line in lines if line]

    assert (first["choices"][0]["delta"]["content"], first["model"]) == ("Hel", "support-bot")
    assert upstream.asked[0][1]["stream_options"] == {"include_usage": True}
    # Nobody asked for the usage: no chunk of it.
    assert [json.loads(line[6:])["choices"][0]["delta"] for line in rest[:-1]] == [{"content": "lo"}]
    assert rest[-1] == "data: [DONE]"
    gateway.stop()
    assert (usage()["prompt_tokens"], usage()["completion_tokens"], usage()["errors"]) == (7, 3, 0)


def test_stops_the_provider_when_the_application_hangs_up(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", "forever")

    with httpx2.stream(
        "POST",
        f"{gateway.url}/chat/completions",
        json=ASK | {"model": "real-model", "stream": True},
        headers={"Authorization": f"Bearer {key}"},
    ) as answer:
        next(answer.iter_lines())

    assert upstream.hung_up.wait(60)
    gateway.stop()
    assert (usage()["requests"], usage()["hang_ups"], usage()["errors"]) == (1, 1, 0)
    assert usage()["completion_tokens"] > 0


def test_tells_of_a_stream_that_breaks_off(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", delta("Hel"), "break")

    answer = gateway.post(key, ASK | {"model": "real-model", "stream": True})

    last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "provider_unreachable"
    assert "[DONE]" not in answer.text
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 1)


def test_lets_the_fallback_answer_when_the_model_fails(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model("broken"), fallback_model=make_model("older"))
    upstream.answer("broken", {"error": {"message": "Down."}}, status=503)
    upstream.answer("older", completion("Still here."))

    answer = gateway.post(key, ASK)

    assert answer.json()["choices"][0]["message"]["content"] == "Still here."
    gateway.stop()
    rows = UsageDay.objects.values_list("provider_model_id", "requests", "errors", "completion_tokens")
    assert set(rows) == {("broken", 0, 1, 0), ("older", 1, 0, 3)}


def measured(status):
    return REGISTRY.get_sample_value("attune_gateway_call_seconds_count", {"status": status}) or 0


def test_measures_a_call_once_by_the_model_that_answered(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model("broken"), fallback_model=make_model("older"))
    upstream.answer("broken", {"error": {"message": "Down."}}, status=503)
    upstream.answer("older", completion())
    before = measured("2xx"), measured("5xx")

    assert gateway.post(key, ASK).status_code == 200

    gateway.stop()
    assert (measured("2xx") - before[0], measured("5xx") - before[1]) == (1, 0)


def test_lets_the_base_model_answer(gateway, upstream, make_model, make_agent, key):
    model = make_model("broken")
    make_agent(model=model, falls_back_to_base=True)
    upstream.answer("broken", {"error": {"message": "Gone."}}, status=404)
    upstream.answer(model.base_model, completion())

    assert gateway.post(key, ASK).status_code == 200
    gateway.stop()
    day = UsageDay.objects.get(requests=1)
    assert (day.price_usd, day.unpriced_tokens) == (0, 10)


def test_prices_a_base_model_that_stands_in_as_not_tuned(gateway, upstream, make_model, make_agent, key):
    model = make_model("broken")
    make_agent(model=model, falls_back_to_base=True)
    PlainPrice.objects.create(
        provider_kind="compatible",
        model=model.base_model,
        valid_from=date(2025, 1, 1),
        input_usd=2,
        output_usd=6,
        source_url="https://prices.example.com",
    )
    upstream.answer("broken", {"error": {"message": "Gone."}}, status=404)
    upstream.answer(model.base_model, completion(prompt_tokens=1_000_000, completion_tokens=500_000))

    gateway.post(key, ASK)

    gateway.stop()
    day = UsageDay.objects.get(requests=1)
    assert (str(day.price_usd), day.unpriced_tokens) == ("5.0000000000", 0)


@pytest.mark.parametrize("put_away", [registry.archive_model, registry.delete_model])
def test_lets_no_model_stand_in_that_was_put_away(gateway, upstream, make_model, make_agent, key, put_away):
    older = make_model("older", deployed=False)
    make_agent(model=make_model("broken"), fallback_model=older)
    put_away(older)
    upstream.answer("broken", {"error": {"message": "Down."}}, status=503)

    assert gateway.post(key, ASK).status_code == 503
    assert [body["model"] for _, body in upstream.asked] == ["broken"]


def test_calls_a_model_whose_fallback_has_no_key(
    gateway, upstream, organization, make_model, make_agent, key
):
    keyless = ProviderAccountFactory(organization=organization, kind="compatible", base_url=upstream.url)
    older = make_model("older", deployed=False, provider_account=keyless)
    make_agent(model=make_model(), fallback_model=older)
    upstream.answer("real-model", completion())

    assert gateway.post(key, ASK).status_code == 200


def test_does_not_fall_back_for_a_fault_of_the_request(gateway, upstream, make_model, make_agent, key):
    make_agent(model=make_model("picky"), fallback_model=make_model("older"))
    upstream.answer("picky", {"error": {"message": "Bad messages."}}, status=400)

    assert gateway.post(key, ASK).status_code == 400
    assert [body["model"] for _, body in upstream.asked] == ["picky"]


def test_says_that_a_provider_cannot_be_reached(gateway, upstream, account, make_model, key):
    make_model()
    account.base_url = "http://127.0.0.1:9/v1"
    account.save()

    answer = gateway.post(key, ASK | {"model": "real-model"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_unreachable")
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 1)


def test_splits_the_calls_between_two_versions(gateway, upstream, make_model, make_agent, member, key):
    agent = make_agent(model=make_model("old"))
    agents.split_agent(agent, second_model=make_model("new"), second_share=100, by=member)
    for name in ("old", "new"):
        upstream.answer(name, completion(model=name))

    for _ in range(5):
        gateway.post(key, ASK)

    assert [body["model"] for _, body in upstream.asked] == ["new"] * 5


def test_sends_a_share_to_no_model_whose_account_has_no_key(
    gateway, upstream, organization, make_model, make_agent, member, key, caplog
):
    keyless = ProviderAccountFactory(organization=organization, kind="compatible", base_url=upstream.url)
    agent = make_agent(model=make_model())
    second = make_model("second", provider_account=keyless)
    agents.split_agent(agent, second_model=second, second_share=100, by=member)
    upstream.answer("real-model", completion())

    assert gateway.post(key, ASK).status_code == 200
    assert [body["model"] for _, body in upstream.asked] == ["real-model"]
    assert f"agent {agent.pk} does without a model: The provider account has no API key." in caplog.text


@pytest.fixture
def keyless_model(organization, upstream, make_model):
    """A model that was deployed before its account's key was taken away."""
    keyless = ProviderAccountFactory(organization=organization, kind="compatible", base_url=upstream.url)
    return make_model("keyless", provider_account=keyless)


def test_goes_on_to_the_second_model_when_the_first_has_no_key(
    gateway, upstream, make_model, make_agent, member, key, keyless_model, caplog
):
    agent = make_agent(model=keyless_model, fallback_model=make_model("older"))
    agents.split_agent(agent, second_model=make_model("second"), second_share=1, by=member)
    upstream.answer("second", completion())

    assert gateway.post(key, ASK).status_code == 200
    assert [body["model"] for _, body in upstream.asked] == ["second"]
    assert f"agent {agent.pk} does without a model: The provider account has no API key." in caplog.text


def test_goes_on_to_the_fallback_when_no_other_model_has_a_key(
    gateway, upstream, make_model, make_agent, member, key, keyless_model
):
    agent = make_agent(model=keyless_model, fallback_model=make_model("older"))
    keyless_too = make_model("keyless-too", provider_account=keyless_model.provider_account)
    agents.split_agent(agent, second_model=keyless_too, second_share=50, by=member)
    upstream.answer("older", completion("Still here."))

    assert gateway.post(key, ASK).json()["choices"][0]["message"]["content"] == "Still here."
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 0)


def test_goes_on_to_the_second_model_when_the_base_model_has_no_key_either(
    gateway, upstream, make_model, make_agent, member, key, keyless_model
):
    agent = make_agent(model=keyless_model, falls_back_to_base=True)
    agents.split_agent(agent, second_model=make_model("second"), second_share=50, by=member)
    upstream.answer("second", completion())

    assert gateway.post(key, ASK).status_code == 200


@pytest.mark.parametrize("settings", [{}, {"falls_back_to_base": True}])
def test_says_what_is_wrong_with_the_first_model_when_no_other_can_answer(
    gateway, make_agent, key, keyless_model, settings
):
    make_agent(model=keyless_model, **settings)

    answer = gateway.post(key, ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider_key_missing")


def test_calls_a_model_whose_account_takes_no_new_jobs(gateway, upstream, account, make_model, key):
    make_model()
    account.is_enabled = False
    account.save()
    upstream.answer("real-model", completion())

    assert gateway.post(key, ASK | {"model": "real-model"}).status_code == 200


def test_calls_the_model_that_an_agent_was_rolled_back_to(gateway, upstream, make_model, member, key):
    first, second = make_model("first"), make_model("second")
    for model in (first, second):
        agents.bind_model(model, name="support-bot", by=member, now=timezone.now())
    agents.roll_back_agent(first.organization.agents.get(), by=member)
    upstream.answer("first", completion())

    assert gateway.post(key, ASK).status_code == 200


def test_keeps_connections_to_the_provider(gateway, upstream, make_model, key):
    make_model()
    upstream.answer("real-model", completion())

    for _ in range(10):
        gateway.post(key, ASK | {"model": "real-model"})

    assert (len(upstream.asked), upstream.connections) == (10, 1)


def test_completes_a_prompt(gateway, upstream, make_model, key):
    make_model()
    body = {"object": "text_completion", "model": "real-model", "choices": [{"text": "x"}]}
    upstream.answer("real-model", body)

    answer = gateway.post(key, {"model": "real-model", "prompt": "Say"}, path="/completions")

    assert (upstream.asked[0][0], answer.json()) == ("/v1/completions", body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"model": 3}', 400),
        (b'{"model": "x", "stream": true, "stream_options": 3}', 400),
        (b"\xff", 400),
        (b'{"model": "nobody"}', 404),
    ],
)
def test_refuses_a_body_that_names_no_model(gateway, key, body, code):
    answer = httpx2.post(
        f"{gateway.url}/chat/completions", content=body, headers={"Authorization": f"Bearer {key}"}
    )

    assert answer.status_code == code
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_refuses_a_name_that_no_model_can_have(gateway, key):
    answer = gateway.post(key, ASK | {"model": "m" * 301})

    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "Invalid 'model': expected at most 300 characters, got 301.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "invalid_request",
    }
    assert gateway.post(key, ASK | {"model": "m" * 300}).status_code == 404


def test_refuses_a_body_that_is_too_large(gateway, settings, key):
    settings.GATEWAY_MAX_BODY_BYTES = 100

    assert gateway.post(key, ASK | {"user": "x" * 100}).status_code == 413


def test_knows_no_other_paths(gateway, key):
    answer = httpx2.get(f"{gateway.url}/nothing", headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_counts_by_key_agent_and_model_with_the_price(
    gateway, upstream, organization, make_model, make_agent, member
):
    model = make_model()
    agent = make_agent(model=model)
    row, clear = api_keys.issue_key(organization, by=member, name="Other")
    upstream.answer("real-model", completion(prompt_tokens=1_000_000, completion_tokens=500_000))

    gateway.post(clear, ASK)
    gateway.post(clear, ASK)

    gateway.stop()
    day = UsageDay.objects.get()
    assert (day.model, day.agent, day.api_key, day.requests) == (model, agent, row, 2)
    # gpt-4.1-mini: $0.80 and $3.20 per million tokens, $0.20 of those from the cache.
    assert str(day.price_usd) == "4.8000000000"
    assert day.latency_ms >= day.first_token_ms >= 0
    model.refresh_from_db()
    row.refresh_from_db()
    assert (model.total_requests, model.total_tokens_used) == (2, 3_000_000)
    assert model.total_latency_ms == day.latency_ms
    assert row.last_used_at is not None


@pytest.mark.parametrize(("cached", "price"), [(500_000, "0.5000000000"), (9_000_000, "0.2000000000")])
def test_prices_tokens_from_the_cache_as_such(gateway, upstream, make_model, key, cached, price):
    make_model()
    body = completion(prompt_tokens=1_000_000, completion_tokens=0)
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": cached}
    upstream.answer("real-model", body)

    gateway.post(key, ASK | {"model": "real-model"})

    gateway.stop()
    assert str(UsageDay.objects.get().price_usd) == price


def test_says_of_how_many_tokens_it_knows_no_price(gateway, upstream, make_model, key):
    make_model(base_model="of-nobody")
    upstream.answer("real-model", completion())

    gateway.post(key, ASK | {"model": "real-model"})

    gateway.stop()
    assert (usage()["price_usd"], usage()["unpriced_tokens"]) == (0, 10)


def test_lets_nobody_succeed_whose_call_cannot_be_counted(gateway, upstream, make_model, key):
    make_model()
    last = event({"object": "chat.completion.chunk", "choices": [], "usage": completion()["usage"]})
    upstream.either("real-model", completion(), [delta("Hi"), last, event(b"[DONE]")])
    shutil.rmtree(gateway.folder)

    whole = gateway.post(key, ASK | {"model": "real-model"})
    assert (whole.status_code, whole.json()["error"]["code"]) == (503, "gateway_unavailable")
    with pytest.raises(httpx2.RemoteProtocolError):
        gateway.post(key, ASK | {"model": "real-model", "stream": True})
