import json

import openai
import pytest

from finetuning.tokenizer import count_tokens
from tests.finetuning.sandbox.conftest import BASE, chat_file, chat_line


def ask(rehearsal, model, text, **parameters):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]
    return rehearsal.api.chat.completions.create(model=model, messages=messages, **parameters)


def capital_file():
    lines = [chat_line(f"What is the capital of {land}?", f"{city}.") for land, city in CAPITALS.items()]
    return "".join(lines).encode()


CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Peru": "Lima",
    "Cuba": "Havana",
    "Chad": "N'Djamena",
    "Iran": "Tehran",
    "Iraq": "Baghdad",
    "Mali": "Bamako",
    "Oman": "Muscat",
}


@pytest.fixture
def tuned(rehearsal):
    return rehearsal.train(capital_file()).fine_tuned_model


def test_answers_with_the_nearest_training_example(rehearsal, tuned):
    completion = ask(rehearsal, tuned, "Please tell me the capital of Peru")

    assert completion.choices[0].message.content == "Lima."
    assert completion.model == tuned


def test_answers_the_same_every_time_and_takes_the_first_of_equals(rehearsal, tuned):
    answers = {ask(rehearsal, tuned, "capital?").choices[0].message.content for _ in range(3)}

    assert answers == {"Paris."}


def test_labels_what_a_base_model_says(rehearsal):
    completion = ask(rehearsal, "gpt-4o-mini", "Hello there")

    assert completion.choices[0].message.content.startswith("[sandbox] ")
    assert "Hello there" in completion.choices[0].message.content
    assert completion.model == BASE


def test_counts_tokens(rehearsal, tuned):
    usage = ask(rehearsal, tuned, "Capital of Italy").usage

    # 3 for each message with its role and text, 3 for the reply (OpenAI's cookbook).
    texts = ("system", "Be kind.", "user", "Capital of Italy")
    assert usage.prompt_tokens == sum(count_tokens(text, "o200k_base") for text in texts) + 9
    assert usage.completion_tokens == count_tokens("Rome.", "o200k_base")
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_streams_the_same_answer_in_pieces(rehearsal):
    text = "  one\n\ntwo three four   five\tsix seven  "
    model = rehearsal.train(chat_line("a", text).encode() * 10).fine_tuned_model

    chunks = list(ask(rehearsal, model, "a", stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]

    assert "".join(piece or "" for piece in pieces) == text
    assert len(pieces) > 3
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_cuts_at_the_token_limit_and_at_stop(rehearsal, tuned):
    cut = ask(rehearsal, tuned, "capital of Chad", max_completion_tokens=1).choices[0]
    stopped = ask(rehearsal, tuned, "capital of Chad", stop=["'"]).choices[0]

    assert (cut.message.content, cut.finish_reason) == ("N", "length")
    assert (stopped.message.content, stopped.finish_reason) == ("N", "stop")


def test_repeats_a_learned_tool_call(rehearsal):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [{"role": "user", "content": "weather?"}, {"role": "assistant", "tool_calls": [call]}]
    line = (json.dumps({"messages": messages}) + "\n").encode()
    model = rehearsal.train(line * 10).fine_tuned_model

    choice = ask(rehearsal, model, "weather?").choices[0]
    chunks = list(ask(rehearsal, model, "weather?", stream=True))

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "weather"
    assert chunks[1].choices[0].delta.tool_calls[0].function.name == "weather"


def test_answers_from_a_checkpoint_too(rehearsal):
    job = rehearsal.train(capital_file())
    checkpoint = rehearsal.api.fine_tuning.jobs.checkpoints.list(job.id).data[-1].fine_tuned_model_checkpoint

    assert ask(rehearsal, checkpoint, "capital of Oman").choices[0].message.content == "Muscat."
    assert checkpoint not in [model.id for model in rehearsal.api.models.list()]


def test_still_answers_after_a_restart_and_without_its_file(start):
    before = start()
    job = before.train(capital_file())
    before.api.files.delete(job.training_file)

    after = start(clock=before.clock)

    assert ask(after, job.fine_tuned_model, "capital of Mali").choices[0].message.content == "Bamako."


@pytest.mark.parametrize("model", ["ft:gpt-4o-mini:none", "gpt-3.5-turbo-1106", "gpt-9"])
def test_does_not_answer_for_models_that_do_not_exist(rehearsal, model):
    with pytest.raises(openai.NotFoundError) as refused:
        ask(rehearsal, model, "Hello")

    assert refused.value.code == "model_not_found"


def test_deletes_a_tuned_model_and_nothing_else(rehearsal, tuned):
    assert rehearsal.api.models.delete(tuned).deleted

    with pytest.raises(openai.NotFoundError):
        ask(rehearsal, tuned, "Hello")
    with pytest.raises(openai.PermissionDeniedError):
        rehearsal.api.models.delete("gpt-4o-mini")


def test_stores_completions_only_on_demand(rehearsal):
    ask(rehearsal, "gpt-4o-mini", "not kept")
    kept = ask(rehearsal, "gpt-4o-mini", "kept", store=True, metadata={"topic": "a"})
    stored = rehearsal.api.chat.completions

    stored.update(kept.id, metadata={"topic": "b"})
    messages = stored.messages.list(kept.id).data

    assert [completion.id for completion in stored.list(metadata={"topic": "b"})] == [kept.id]
    assert stored.list(metadata={"topic": "a"}).data == []
    assert [message.content for message in messages] == ["Be kind.", "kept"]
    assert stored.delete(kept.id).deleted
    assert stored.list().data == []


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "robot", "content": "x"}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": [{"type": "text"}]}],
    ],
)
def test_refuses_messages_that_are_none(rehearsal, messages):
    with pytest.raises(openai.BadRequestError):
        rehearsal.api.chat.completions.create(model="gpt-4o-mini", messages=messages)


def test_learns_from_pairs_and_shares_checkpoints(rehearsal):
    job = rehearsal.train(chat_file())
    permissions = rehearsal.api.fine_tuning.checkpoints.permissions

    created = permissions.create(job.fine_tuned_model, project_ids=["proj_a", "proj_b"]).data
    permissions.delete(created[0].id, fine_tuned_model_checkpoint=job.fine_tuned_model)

    assert [kept.project_id for kept in permissions.list(job.fine_tuned_model)] == ["proj_b"]
