import base64
import csv
import io
import json

import httpx2
import openai
import pytest

from tests.finetuning.sandbox.conftest import BASE, chat_file, preference_file


def statuses_over_time(rehearsal, job_id, seconds):
    seen = []
    for _ in range(seconds):
        status = rehearsal.api.fine_tuning.jobs.retrieve(job_id).status
        seen += [] if seen[-1:] == [status] else [status]
        rehearsal.clock.advance(0.25)
    return seen


def messages_of(rehearsal, job_id):
    return [event.message for event in rehearsal.api.fine_tuning.jobs.list_events(job_id)][::-1]


def ledger(rehearsal):
    transport = httpx2.WSGITransport(app=rehearsal.app)
    with httpx2.Client(transport=transport, headers={"Authorization": "Bearer sk-test"}) as client:
        return client.get("http://sandbox/_ledger").json()


def test_walks_through_the_states_as_time_passes(rehearsal):
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))

    seen = statuses_over_time(rehearsal, job.id, 60)

    assert seen == ["validating_files", "queued", "running", "succeeded"]


def test_resolves_auto_by_the_documented_formula(rehearsal):
    job = rehearsal.train(chat_file(20), model="gpt-4o-mini", suffix="my_suffix", metadata={"ft_job": "7"})

    assert job.model == BASE
    assert job.hyperparameters.n_epochs == 5
    assert job.hyperparameters.batch_size == 1
    assert job.method.supervised.hyperparameters.n_epochs == 5
    assert job.fine_tuned_model.startswith(f"ft:{BASE}:sandbox:my-suffix:")
    assert job.metadata == {"ft_job": "7"}


def test_bills_epochs_times_tokens(rehearsal):
    once = rehearsal.train(chat_file(), method=supervised(n_epochs=1))
    thrice = rehearsal.train(chat_file(), method=supervised(n_epochs=3))

    assert thrice.trained_tokens == 3 * once.trained_tokens > 0


def supervised(**hyperparameters):
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}


def test_tells_the_story_in_events_and_says_that_it_is_a_sandbox(rehearsal):
    job = rehearsal.train(chat_file(10))

    story = messages_of(rehearsal, job.id)

    assert story[0] == f"Created fine-tuning job: {job.id}"
    assert story[1].startswith("Sandbox: nothing is trained.")
    assert story[3:5] == ["Files validated, moving job to queued state", "Fine-tuning job started"]
    assert sum(line.startswith("Step ") for line in story) == 100
    assert story[-2:] == [
        f"New fine-tuned model created: {job.fine_tuned_model}",
        "The job has successfully completed",
    ]


def test_keeps_the_events_that_were_already_told(rehearsal):
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))
    rehearsal.clock.advance(3.3)
    early = [event.id for event in rehearsal.api.fine_tuning.jobs.list_events(job.id)]

    rehearsal.clock.advance(600)
    late = [event.id for event in rehearsal.api.fine_tuning.jobs.list_events(job.id)]

    assert len(early) > 5
    assert late[-len(early) :] == early
    assert len(set(late)) == len(late)


def test_thins_the_events_of_a_long_training(rehearsal):
    job = rehearsal.train(chat_file(400), method=supervised(n_epochs=10))

    steps = [line for line in messages_of(rehearsal, job.id) if line.startswith("Step ")]

    assert 200 < len(steps) <= 300
    assert steps[-1].startswith("Step 4000/4000:")


def test_lets_the_loss_fall(rehearsal):
    job = rehearsal.train(chat_file(30), validation_file=rehearsal.upload(chat_file(12)))

    events = rehearsal.api.fine_tuning.jobs.list_events(job.id)
    metrics = [event.data for event in events if event.type == "metrics"][::-1]

    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"] / 2
    assert metrics[-1]["full_valid_loss"] < metrics[0]["valid_loss"]
    assert metrics[-1]["train_mean_token_accuracy"] > metrics[0]["train_mean_token_accuracy"]


def test_keeps_the_checkpoints_of_the_last_three_epochs(rehearsal):
    job = rehearsal.train(chat_file(10), method=supervised(n_epochs=5))

    checkpoints = rehearsal.api.fine_tuning.jobs.checkpoints.list(job.id).data

    assert [checkpoint.step_number for checkpoint in checkpoints] == [50, 40, 30]
    assert checkpoints[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert checkpoints[1].fine_tuned_model_checkpoint.endswith(":ckpt-step-40")


def test_writes_a_result_file_in_base64(rehearsal):
    job = rehearsal.train(chat_file(10))

    content = rehearsal.api.files.content(job.result_files[0]).read()
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))

    assert rehearsal.api.files.retrieve(job.result_files[0]).purpose == "fine-tune-results"
    assert [int(row["step"]) for row in rows] == list(range(1, 101))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


def test_gives_the_same_curve_for_the_same_seed_and_file(start):
    one, other = (start(folder, seed=5) for folder in ("one", "other"))

    jobs = [rehearsal.train(chat_file()) for rehearsal in (one, other)]
    results = [
        rehearsal.api.files.content(job.result_files[0]).read()
        for rehearsal, job in zip((one, other), jobs, strict=True)
    ]

    assert jobs[0].seed == jobs[1].seed
    assert results[0] == results[1]
    assert jobs[0].id != jobs[1].id


def test_gives_another_curve_for_another_seed_or_file(rehearsal):
    jobs = [
        rehearsal.train(chat_file(), seed=1),
        rehearsal.train(chat_file(), seed=2),
        rehearsal.train(chat_file(13), seed=1),
    ]

    results = {rehearsal.api.files.content(job.result_files[0]).read() for job in jobs}

    assert len(results) == 3


def test_stops_a_cancelled_job_for_good(rehearsal):
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))
    rehearsal.clock.advance(3.3)

    assert rehearsal.api.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    rehearsal.clock.advance(600)

    assert rehearsal.api.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
    assert messages_of(rehearsal, job.id)[-1] == "Fine-tuning job cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled and cannot be cancelled"):
        rehearsal.api.fine_tuning.jobs.cancel(job.id)


def test_stands_still_while_paused(rehearsal):
    jobs = rehearsal.api.fine_tuning.jobs
    job = jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))
    rehearsal.clock.advance(3.3)

    paused = jobs.pause(job.id)
    rehearsal.clock.advance(600)
    waiting = jobs.retrieve(job.id)
    resumed = jobs.resume(job.id)
    rehearsal.clock.advance(600)

    assert (paused.status, waiting.status, resumed.status) == ("paused", "paused", "running")
    assert jobs.retrieve(job.id).finished_at > job.created_at + 600


def test_finds_jobs_by_metadata(rehearsal):
    file_id = rehearsal.upload(chat_file())
    wanted, _, bare = (
        rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=file_id, metadata=metadata).id
        for metadata in ({"ft_job": "a", "n": "1"}, {"ft_job": "b"}, None)
    )

    found = rehearsal.api.fine_tuning.jobs.list(metadata={"ft_job": "a"})
    without = rehearsal.api.fine_tuning.jobs.list(extra_query={"metadata": "null"})

    assert [job.id for job in found] == [wanted]
    assert [job.id for job in without] == [bare]


def test_pages_through_jobs_newest_first(rehearsal):
    file_id = rehearsal.upload(chat_file())
    created = [rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=file_id).id for _ in range(5)]

    listed = [job.id for job in rehearsal.api.fine_tuning.jobs.list(limit=2)]

    assert listed == created[::-1]


def test_survives_a_restart_in_the_middle(start):
    before = start()
    job = before.api.fine_tuning.jobs.create(model=BASE, training_file=before.upload(chat_file()))
    before.clock.advance(3.3)
    events = messages_of(before, job.id)

    after = start(clock=before.clock, speed=1.0)
    resumed = messages_of(after, job.id)
    after.clock.advance(600)

    assert resumed == events
    assert after.api.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_keeps_training_when_the_file_is_deleted(rehearsal):
    file_id = rehearsal.upload(chat_file())
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=file_id)

    rehearsal.api.files.delete(file_id)
    rehearsal.clock.advance(600)

    assert rehearsal.api.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_tunes_preferences(rehearsal):
    dpo = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 2}}}

    job = rehearsal.train(preference_file(), method=dpo)

    assert job.status == "succeeded"
    assert job.hyperparameters is None
    assert job.method.dpo.hyperparameters.beta == 0.3


def test_rewards_reinforcement(rehearsal):
    grader = {
        "type": "string_check",
        "name": "exact",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
    }
    rows = [{"messages": [{"role": "user", "content": f"{n} + 1?"}], "answer": n + 1} for n in range(10)]
    file = "".join(json.dumps(row) + "\n" for row in rows).encode()

    job = rehearsal.train(
        file,
        validation_file=rehearsal.upload(file),
        method={"type": "reinforcement", "reinforcement": {"grader": grader}},
    )
    metrics = rehearsal.api.fine_tuning.jobs.list_events(job.id).data[5].data

    assert job.status == "succeeded"
    assert 0 < metrics["train_mean_reward"] < 1


def test_continues_from_a_tuned_model(rehearsal):
    first = rehearsal.train(chat_file())

    second = rehearsal.train(chat_file(), model=first.fine_tuned_model)

    assert second.model == first.fine_tuned_model
    assert second.fine_tuned_model.startswith(f"ft:{BASE}:sandbox:")


def test_keeps_a_ledger_of_what_really_happened(rehearsal):
    trained = rehearsal.train(chat_file(), metadata={"ft_job": "1"})
    job = rehearsal.api.fine_tuning.jobs.create(model=BASE, training_file=rehearsal.upload(chat_file()))
    rehearsal.api.fine_tuning.jobs.cancel(job.id)

    book = ledger(rehearsal)

    assert book["totals"]["creates"] == 2
    assert [entry["trainings"] for entry in book["jobs"]] == [1, 0]
    assert [entry["cancels"] for entry in book["jobs"]] == [0, 1]
    assert [entry["billed_tokens"] for entry in book["jobs"]] == [trained.trained_tokens, 0]
    assert book["jobs"][0]["metadata"] == {"ft_job": "1"}


def test_speaks_in_the_observed_dialect_unless_told_otherwise(start):
    observed, spec = start("observed"), start("spec", dialect="spec")

    jobs = [
        rehearsal.api.fine_tuning.jobs.with_raw_response.create(
            model=BASE, training_file=rehearsal.upload(chat_file())
        ).http_response.json()
        for rehearsal in (observed, spec)
    ]

    assert [job["error"] for job in jobs] == [{}, None]


def test_reads_a_large_file_without_holding_up_requests(rehearsal):
    line = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes " * 400}]}
    job = rehearsal.api.fine_tuning.jobs.create(
        model=BASE, training_file=rehearsal.upload((json.dumps(line) + "\n").encode() * 1600)
    )

    rehearsal.clock.advance(3600)
    at_first = rehearsal.api.fine_tuning.jobs.retrieve(job.id).status
    rehearsal.app.sandbox.analysing[job.training_file].result()
    rehearsal.clock.advance(3600)
    rehearsal.api.fine_tuning.jobs.retrieve(job.id)
    rehearsal.clock.advance(3600)

    assert at_first == "validating_files"
    assert rehearsal.api.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
