import json

import openai
import pytest

from tests.finetuning.sandbox.conftest import BASE, chat_file, chat_line, preference_file


def file_with(line, position=4, count=12):
    lines = [chat_line(f"Question {n}", f"Answer {n}") for n in range(count)]
    lines[position] = line + "\n"
    return "".join(lines).encode()


def messages_line(*messages, **extra):
    return json.dumps({"messages": list(messages), **extra})


USER = {"role": "user", "content": "Hello"}
DPO = {"type": "dpo"}


def test_fails_a_job_with_too_few_examples(rehearsal):
    job = rehearsal.train(chat_file(7))

    assert job.status == "failed"
    assert job.error.code == "invalid_n_examples"
    assert job.error.message == "Training file has 7 example(s), but must have at least 10 examples"
    assert job.error.param == "training_file"
    assert job.finished_at is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "Line 5 is not valid JSON"),
        ("[1, 2]", "Line 5 is not a JSON dictionary"),
        ('{"messages": []}', "Example 5 Field 'messages' is missing"),
        (
            messages_line(USER, {"content": "x"}),
            "Example 5, message 2 Discriminator 'role' is missing in value",
        ),
        (messages_line(USER, {"role": "robot", "content": "x"}), "Input tag 'robot' found using 'role'"),
        (messages_line(USER), "Example 5 has no message from the assistant"),
        (
            messages_line(USER, {"role": "assistant", "content": None}),
            "message 2 Field 'content' is required",
        ),
        (messages_line({**USER, "weight": 1}), "message 1 Field 'weight' must be 0 or 1"),
        (messages_line({"role": "tool", "content": "x"}), "message 1 Field 'tool_call_id' is required"),
        (messages_line(USER, tools=[{"type": "function"}]), "Field 'tools' has an entry"),
        (messages_line({"role": "user", "content": [{"type": "text"}]}), "Field 'content' should be"),
        (
            messages_line({**USER, "content": "a <|fim_suffix|> b"}),
            "contains an invalid token: <|fim_suffix|>",
        ),
    ],
)
def test_names_the_example_that_is_wrong(rehearsal, line, message):
    job = rehearsal.train(file_with(line))

    assert job.status == "failed"
    assert job.error.code in ("invalid_training_file", "invalid_file_format")
    assert message in job.error.message
    assert rehearsal.api.fine_tuning.jobs.list_events(job.id).data[0].level == "error"


@pytest.mark.parametrize(
    ("content", "parameters", "message"),
    [
        (chat_file(), {"method": DPO}, "is in the fine-tune-chat format"),
        (preference_file(), {}, "is in the fine-tune-preference format"),
        (b'{"a": 1}\n' * 10, {}, "expected either prompt/completion pairs or chat messages"),
        (b'{"prompt": "a", "completion": "b"}\n' * 10, {}, "found prompt/completion pairs"),
    ],
)
def test_fails_a_file_of_the_wrong_kind(rehearsal, content, parameters, message):
    job = rehearsal.train(content, **parameters)

    assert job.status == "failed"
    assert message in job.error.message


def test_names_the_validation_file_when_that_one_is_wrong(rehearsal):
    job = rehearsal.train(chat_file(), validation_file=rehearsal.upload(file_with("{broken")))

    assert job.error.code == "invalid_validation_file"
    assert job.error.param == "validation_file"


@pytest.mark.parametrize(
    "extra",
    [
        {"functions": [{"name": "f", "description": 5}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": 1}}}}]},
        {"tools": 7},
        {"functions": ["f"]},
    ],
)
def test_ends_a_job_over_any_odd_field_instead_of_breaking(rehearsal, extra):
    answer = {"role": "assistant", "content": "x"}

    job = rehearsal.train(file_with(messages_line(USER, answer, **extra)))

    assert job.status in ("failed", "succeeded")
    assert rehearsal.api.fine_tuning.jobs.list().data[0].id == job.id


@pytest.mark.parametrize("model", ["gpt-4.1-nano-2025-04-14", "gpt-3.5-turbo-1106", "no-such-model", "ft:x"])
def test_refuses_models_that_are_gone_or_never_were(rehearsal, model):
    file_id = rehearsal.upload(chat_file())

    with pytest.raises(openai.BadRequestError, match=f"Model {model} is not available for fine-tuning"):
        rehearsal.api.fine_tuning.jobs.create(model=model, training_file=file_id)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"suffix": ""}, "suffix"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {"k": "v" * 513}}, "metadata[...]"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs"),
        ({"method": {"type": "magic"}}, "method.type"),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}},
            "method.dpo.hyperparameters.beta",
        ),
        ({"method": {"type": "reinforcement"}}, "method.reinforcement"),
        ({"training_file": "file-unknown"}, "training_file"),
    ],
)
def test_refuses_parameters_out_of_bounds_and_says_which(rehearsal, parameters, param):
    given = {"model": BASE, "training_file": rehearsal.upload(chat_file()), **parameters}

    with pytest.raises(openai.BadRequestError) as refused:
        rehearsal.api.fine_tuning.jobs.create(**given)

    assert refused.value.param == param


def test_refuses_a_file_that_was_not_meant_for_training(rehearsal):
    file = rehearsal.api.files.create(file=("a.jsonl", chat_file()), purpose="user_data")

    with pytest.raises(openai.BadRequestError, match="has purpose 'user_data'"):
        rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=file.id)


def test_does_not_know_the_jobs_of_others(rehearsal):
    with pytest.raises(openai.NotFoundError, match="Could not find fine tune: 123") as refused:
        rehearsal.api.fine_tuning.jobs.retrieve("123")

    assert refused.value.code == "fine_tune_not_found"
    assert refused.value.param == "fine_tune_id"
