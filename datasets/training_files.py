"""What a provider is sent: JSONL written anew from the stored examples, so it holds what was checked."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from datasets.models import Dataset, TrainingExample
from datasets.quality import duplicates
from datasets.quality.texts import texts_of
from datasets.splitting import Openings, held_back
from datasets.validation import method_of


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """Paths of the files; `validation` is None when no part is split off, or none can be.

    `held_back` are the positions of the examples in the validation file.
    """

    training: Path
    validation: Path | None
    held_back: frozenset[int]


def stored_file_is_unchanged(dataset: Dataset) -> bool:
    """Whether the storage still holds the bytes that were validated. True for a dataset without a file."""
    if not dataset.file:
        return True
    with dataset.file.open("rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest() == dataset.sha256


def row_of(example: TrainingExample) -> dict[str, Any]:
    """The example as a row of its format: the inverse of how it was stored."""
    attributes = dict(example.attributes)
    if "preferred_output" in attributes:
        attributes["input"] = {"messages": example.messages, **attributes.get("input", {})}
        return attributes
    return {"messages": example.messages, **attributes}


def prompt_of(example: TrainingExample) -> dict[str, Any]:
    """The example as a row for reinforcement, which ends with the question.

    Of an example for supervised training graders find the answer as `{{item.reference_answer}}`.
    """
    row = row_of(example)
    if method_of(row) == "reinforcement":
        return row
    *asked, answer = row["messages"]
    return {**row, "messages": asked, "reference_answer": answer.get("content") or ""}


ROWS = {"supervised": row_of, "dpo": row_of, "reinforcement": prompt_of}


def validation_positions(dataset: Dataset, *, split: float, seed: int) -> frozenset[int]:
    """Which examples are held back: at most the share `split`, always the same ones for the same seed.

    Whole conversations, also those that are cut into examples, and examples that say (nearly) the same, stay
    on one side.
    """
    size = round(dataset.total_examples * split)
    if not size:
        return frozenset()
    examples = dataset.examples.order_by("position")
    conversations = list(examples.values_list("conversation_id", flat=True))
    positions = list(examples.values_list("position", flat=True))
    openings = Openings()
    prints = duplicates.prints_of(_words(examples, openings))
    chosen = held_back(prints, conversations, size=size, seed=seed, ties=openings.pairs())
    return frozenset(positions[index] for index in chosen)


def _words(examples: QuerySet[TrainingExample], openings: Openings) -> Iterator[bytes]:
    """What each example says, and on the way what it begins with, for both need all of it."""
    for example in examples.iterator(chunk_size=500):
        openings.add(example.messages)
        yield "\n".join(texts_of(row_of(example))).encode()


def write_training_files(
    dataset: Dataset, *, split: float, seed: int, folder: Path, method: str = "supervised"
) -> TrainingFiles:
    """Write the dataset's examples into `folder`, the share `split` of them apart as validation file."""
    apart = validation_positions(dataset, split=split, seed=seed)
    training_path, validation_path = folder / "training.jsonl", folder / "validation.jsonl"
    with training_path.open("wb") as training, validation_path.open("wb") as validation:
        for example in dataset.examples.order_by("position").iterator(chunk_size=500):
            target = validation if example.position in apart else training
            target.write(json.dumps(ROWS[method](example), ensure_ascii=False).encode() + b"\n")
    return TrainingFiles(
        training=training_path, validation=validation_path if apart else None, held_back=apart
    )
