"""What a provider is sent: JSONL written anew from the stored examples, so it holds what was checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.models import Dataset, TrainingExample


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """Paths of the files; `validation` is None when no part is split off."""

    training: Path
    validation: Path | None


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


def validation_positions(total: int, *, split: float, seed: int) -> frozenset[int]:
    """Which of `total` examples are held back: always the same ones for the same seed."""
    size = round(total * split)
    ranked = sorted(range(total), key=lambda n: hashlib.sha256(f"{seed}:{n}".encode()).digest())
    return frozenset(ranked[:size])


def write_training_files(dataset: Dataset, *, split: float, seed: int, folder: Path) -> TrainingFiles:
    """Write the dataset's examples into `folder`, the share `split` of them apart as validation file."""
    held_back = validation_positions(dataset.total_examples, split=split, seed=seed)
    training_path, validation_path = folder / "training.jsonl", folder / "validation.jsonl"
    with training_path.open("wb") as training, validation_path.open("wb") as validation:
        for example in dataset.examples.order_by("position").iterator(chunk_size=500):
            target = validation if example.position in held_back else training
            target.write(json.dumps(row_of(example), ensure_ascii=False).encode() + b"\n")
    return TrainingFiles(training=training_path, validation=validation_path if held_back else None)
