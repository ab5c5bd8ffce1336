import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuning.sandbox import training
from finetuning.sandbox.examples import Analysis
from finetuning.sandbox.training import Hyperparameters


def analysis(examples=100, counts=None, redundancy=0.4):
    counts = counts or dict.fromkeys(range(200), 1)
    return Analysis(
        format="chat", examples=examples, tokens=examples * 170, token_counts=counts, redundancy=redundancy
    )


def plan(training_file=None, validation=None, seed=1, **wanted):
    return training.plan_training(
        "supervised",
        Hyperparameters(**wanted),
        training_file or analysis(),
        validation,
        seed=seed,
        validated_after=45.0,
    )


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(10, 10), (20, 5), (33, 3), (100, 3), (8334, 2), (12_501, 1), (30_000, 1)],
)
def test_counts_default_epochs_as_documented(examples, epochs):
    assert training.default_epochs(examples) == epochs


def test_counts_a_short_last_batch_as_a_step():
    assert plan(analysis(101), batch_size=10, n_epochs=2).steps == 22


def test_starts_higher_for_more_surprising_text():
    plain = plan(analysis(counts={1: 500, 2: 500}))
    rich = plan(analysis(counts=dict.fromkeys(range(1000), 1)))

    assert rich.start_loss > plain.start_loss


def test_ends_lower_for_repetitive_text():
    assert plan(analysis(redundancy=0.05)).floor_loss < plan(analysis(redundancy=0.6)).floor_loss


def test_finds_text_it_never_saw_more_surprising():
    known = plan(validation=analysis(counts=dict.fromkeys(range(200), 1)))
    foreign = plan(validation=analysis(counts=dict.fromkeys(range(1000, 1200), 1)))

    assert foreign.valid_start_loss > known.valid_start_loss


def test_looks_at_the_whole_validation_file_only_at_epoch_ends():
    made = plan(analysis(10), validation=analysis(), batch_size=2, n_epochs=2)

    full = [step for step in range(1, 11) if "full_valid_loss" in training.metrics_at(made, 1, step)]

    assert full == [5, 10]


def test_measures_entropy_in_nats():
    assert training.entropy({1: 5, 2: 5}) == pytest.approx(math.log(2))
    assert training.entropy({}) == 0


def test_takes_about_half_a_minute_for_a_thousand_examples_at_speed_60():
    assert 20 < plan(analysis(999)).finished_after / 60 < 40


@given(
    examples=st.integers(1, 200_000),
    epochs=st.integers(1, 50),
    batch=st.integers(1, 256),
    seed=st.integers(0),
)
def test_samples_steps_in_order_with_all_epoch_ends(examples, epochs, batch, seed):
    made = plan(analysis(examples), n_epochs=epochs, batch_size=batch, seed=seed)

    steps = training.sampled_steps(made, 300)

    assert steps == sorted(set(steps))
    assert len(steps) <= 300 or made.n_epochs > 250
    assert set(training.epoch_ends(made)) <= set(steps)
    assert (steps[0], steps[-1]) == (1, made.steps)


@given(elapsed=st.floats(0, 1e7))
def test_does_exactly_the_steps_whose_time_has_come(elapsed):
    made = plan()

    done = training.steps_done(made, elapsed)

    assert 0 <= done <= made.steps
    assert done == 0 or training.step_seconds(made, done) <= elapsed + 1e-6
    assert done == made.steps or training.step_seconds(made, done + 1) >= elapsed - 1e-6
