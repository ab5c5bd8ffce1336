"""The arithmetic of a training that does not happen: steps, durations, loss curves. Pure.

Everything follows from the seed and the file: its tokens, its number of examples, how surprising its text is
(the entropy of its tokens) and how repetitive (how well it compresses).
"""

import csv
import io
import math
import random
from typing import Literal

import msgspec

from finetuning.sandbox.examples import Analysis, Failure

Method = Literal["supervised", "dpo", "reinforcement"]
Metrics = dict[str, float]

TARGET_EPOCHS = 3
MIN_TARGET_EXAMPLES = 100
MAX_TARGET_EXAMPLES = 25_000
MAX_DEFAULT_EPOCHS = 25
MAX_METRIC_EVENTS = 300
MAX_RESULT_ROWS = 5_000
# A file of one repeated token still has a first loss above zero.
SMALLEST_ENTROPY = 0.5
# A pretrained model knows most of a language before it sees the file: it starts at this share of the entropy.
PRETRAINED_SHARE = 0.3


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the caller asked for; ``None`` is ``auto``."""

    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    beta: float | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole training, decided once. Durations are real seconds since creation, before compression."""

    method: Method
    examples: int
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None
    steps_per_epoch: int
    trained_tokens: int
    validated_after: float
    started_after: float
    finished_after: float
    start_loss: float
    floor_loss: float
    valid_start_loss: float | None
    valid_floor_loss: float | None
    failure: Failure | None = None

    @property
    def steps(self) -> int:
        """All steps of all epochs."""
        return self.n_epochs * self.steps_per_epoch


def default_epochs(examples: int) -> int:
    """Return what ``auto`` epochs means: aim at 100 to 25,000 examples seen (OpenAI cookbook)."""
    if examples * TARGET_EPOCHS < MIN_TARGET_EXAMPLES:
        return min(MAX_DEFAULT_EPOCHS, MIN_TARGET_EXAMPLES // max(1, examples))
    if examples * TARGET_EPOCHS > MAX_TARGET_EXAMPLES:
        return max(1, MAX_TARGET_EXAMPLES // examples)
    return TARGET_EPOCHS


def default_batch_size(examples: int) -> int:
    """Return the batch size that ``auto`` means: 0.2 % of the examples, 1 to 256."""
    return max(1, min(256, round(examples * 0.002)))


def validation_seconds(file_bytes: int) -> float:
    """Return the real seconds a plausible vendor takes to check files of this size."""
    return 45.0 + file_bytes / 2_000_000


def queue_seconds(seed: int) -> float:
    """Return the real seconds a job waits for its turn: 60 to 90, by its seed."""
    return 60.0 + random.Random(f"queue:{seed}").uniform(0, 30)  # nosec B311 # noqa: S311 - no secret


def duration_seconds(steps: int, tokens: int) -> float:
    """Return the real seconds of the training itself.

    One minute to load, 0.6 s a step and 0.5 ms a token: about 23 minutes for 1,000 chat examples in three
    epochs, five minutes for the smallest file; so 23 and 5 seconds at speed 60.
    """
    return 60.0 + 0.6 * steps + 0.0005 * tokens


def failed_plan(failure: Failure, method: Method, *, validated_after: float) -> Plan:
    """Return the plan of a job that ends when its files have been looked at."""
    return Plan(
        method=method,
        examples=0,
        n_epochs=0,
        batch_size=1,
        learning_rate_multiplier=1.0,
        beta=None,
        steps_per_epoch=0,
        trained_tokens=0,
        validated_after=validated_after,
        started_after=validated_after,
        finished_after=validated_after,
        start_loss=0.0,
        floor_loss=0.0,
        valid_start_loss=None,
        valid_floor_loss=None,
        failure=failure,
    )


def plan_training(
    method: Method,
    wanted: Hyperparameters,
    training: Analysis,
    validation: Analysis | None,
    *,
    seed: int,
    validated_after: float,
) -> Plan:
    """Decide epochs, steps, durations and the ends of the loss curves for files that passed the checks."""
    n_epochs = wanted.n_epochs or default_epochs(training.examples)
    batch_size = wanted.batch_size or default_batch_size(training.examples)
    steps_per_epoch = math.ceil(training.examples / batch_size)
    trained_tokens = n_epochs * training.tokens
    started_after = validated_after + queue_seconds(seed)
    start_loss = PRETRAINED_SHARE * max(SMALLEST_ENTROPY, entropy(training.token_counts))
    floor_loss = start_loss * (0.15 + 0.7 * training.redundancy)
    valid_start_loss = _surprise(validation, training) if validation else None
    return Plan(
        method=method,
        examples=training.examples,
        n_epochs=n_epochs,
        batch_size=batch_size,
        learning_rate_multiplier=wanted.learning_rate_multiplier or (1.0 if method == "dpo" else 2.0),
        beta=(wanted.beta or 0.1) if method == "dpo" else None,
        steps_per_epoch=steps_per_epoch,
        trained_tokens=trained_tokens,
        validated_after=validated_after,
        started_after=started_after,
        finished_after=started_after + duration_seconds(n_epochs * steps_per_epoch, trained_tokens),
        start_loss=start_loss,
        floor_loss=floor_loss,
        valid_start_loss=valid_start_loss,
        valid_floor_loss=floor_loss * valid_start_loss / start_loss if valid_start_loss else None,
    )


def entropy(counts: dict[int, int]) -> float:
    """Return the entropy of a token distribution in nats per token; 0 when there are no tokens."""
    total = sum(counts.values())
    return -sum(count / total * math.log(count / total) for count in counts.values())


def _surprise(validation: Analysis, training: Analysis) -> float:
    """Return the first validation loss: cross-entropy under the training file's tokens, add-one smoothed."""
    seen, asked = training.token_counts, validation.token_counts
    total = sum(seen.values()) + len(seen.keys() | asked.keys())
    asked_total = max(1, sum(asked.values()))
    nats = -sum(n * math.log((seen.get(token, 0) + 1) / total) for token, n in asked.items()) / asked_total
    return PRETRAINED_SHARE * max(SMALLEST_ENTROPY, nats)


def step_seconds(plan: Plan, step: int) -> float:
    """Return when a step ends, in real seconds since creation; the loading minute comes before the first."""
    first = plan.started_after + 60.0
    return first + (plan.finished_after - first) * step / max(1, plan.steps)


def steps_done(plan: Plan, elapsed: float) -> int:
    """Return how many steps have ended ``elapsed`` real seconds after creation."""
    first = plan.started_after + 60.0
    if elapsed <= first or not plan.steps:
        return 0
    return min(plan.steps, int(plan.steps * (elapsed - first) / (plan.finished_after - first)))


def sampled_steps(plan: Plan, at_most: int) -> list[int]:
    """Return about ``at_most`` steps in order: the first, every n-th, the epoch ends and the last."""
    stride = math.ceil(plan.steps / max(1, at_most - plan.n_epochs - 1))
    wanted = {1, *range(stride, plan.steps + 1, stride), *epoch_ends(plan)} if plan.steps else set()
    return sorted(wanted)


def epoch_ends(plan: Plan) -> list[int]:
    """Return the last step of each epoch."""
    return [plan.steps_per_epoch * epoch for epoch in range(1, plan.n_epochs + 1)]


def checkpoint_steps(plan: Plan) -> list[int]:
    """Return the steps whose checkpoints are kept, newest first: the ends of the last three epochs."""
    return epoch_ends(plan)[::-1][:3]


def metrics_at(plan: Plan, seed: int, step: int) -> Metrics:
    """Return the vendor's metrics of one step, by the vendor's names.

    Losses fall exponentially with the epochs done, with seeded noise that larger batches dampen; the
    validation loss turns up a little when the file is seen for the third time. ``full_*`` only at epoch ends.
    """
    noise = random.Random(f"{seed}:{step}")  # nosec B311 # noqa: S311 - no secret
    epochs_done = step / plan.steps_per_epoch
    decay = math.exp(-1.1 * math.sqrt(plan.learning_rate_multiplier) * epochs_done)
    spread = 0.06 / math.sqrt(plan.batch_size)
    loss = _noisy(plan.floor_loss + (plan.start_loss - plan.floor_loss) * decay, noise.gauss(0, spread))
    found = {"step": step, "train_loss": loss, "train_mean_token_accuracy": _accuracy(loss)}
    if plan.method == "reinforcement":
        found["train_mean_reward"] = _accuracy(loss)
    if plan.valid_start_loss is not None and plan.valid_floor_loss is not None:
        overfit = 0.02 * plan.valid_start_loss * max(0.0, epochs_done - 2)
        smooth = plan.valid_floor_loss + (plan.valid_start_loss - plan.valid_floor_loss) * decay + overfit
        valid = _noisy(smooth, noise.gauss(0, spread))
        found |= {"valid_loss": valid, "valid_mean_token_accuracy": _accuracy(valid)}
        if step % plan.steps_per_epoch == 0:
            full = round(smooth, 4)
            found |= {"full_valid_loss": full, "full_valid_mean_token_accuracy": _accuracy(full)}
    return found


def _noisy(loss: float, noise: float) -> float:
    return round(max(0.001, loss * (1 + noise)), 4)


def _accuracy(loss: float) -> float:
    return round(math.exp(-0.3 * loss), 4)


def result_csv(plan: Plan, seed: int) -> str:
    """Return the result file's table, a row a step, thinned above 5,000; header as the vendor documents."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"])
    for step in sampled_steps(plan, max(MAX_RESULT_ROWS, MAX_METRIC_EVENTS)):
        found = metrics_at(plan, seed, step)
        names = ("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
        writer.writerow([found.get(name, "") for name in names])
    return table.getvalue()
