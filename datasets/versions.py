"""Making a version, or another dataset, of datasets that there are. The rows are made here, the files by a
worker (`datasets.deriving`)."""

from collections.abc import Sequence
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from datasets import tasks
from datasets.formats import MAX_ROWS
from datasets.layouts import LAYOUT_OF_METHOD
from datasets.models import Dataset
from finetuning import audit
from finetuning.errors import Conflict, Invalid, TooMany
from finetuning.limits import Allowance, hourly_allowance
from finetuning.models import Organization, User
from finetuning.queueing import queue_on_commit
from finetuning.strict_json import shown

MAX_SEED = 2**31 - 1
MAX_SOURCES = 20
KEPT_COLUMNS = ("organization", "workspace", "description", "source", "source_filters")


class DatasetNotReady(Conflict):
    code = "dataset_not_ready"


class NothingToChange(Conflict):
    code = "nothing_to_change"


class TooManyVersions(TooMany):
    code = "too_many_versions"


class NotDerivable(Invalid):
    code = "not_derivable"


def version_allowance(organization: Organization) -> Allowance:
    """How many datasets may still be made of others within the hour; deleted ones count."""
    made = Dataset.with_deleted.filter(organization=organization, change__isnull=False)
    return hourly_allowance(made, limit=settings.VERSIONS_PER_HOUR, now=timezone.now())


def repair_dataset(dataset: Dataset, *, by: User) -> Dataset:
    """The next version, with everything mended that can be mended mechanically.

    Raises NothingToChange, DatasetNotReady, TooManyVersions.
    """
    if not dataset.repairable_problems:
        raise NothingToChange("No problem of this dataset has a mechanical repair.")
    return add_version(dataset, by=by, change={"kind": "repairs"})


def redact_dataset(dataset: Dataset, *, by: User) -> Dataset:
    """The next version, with placeholders in the place of personal data and secrets.

    Raises NothingToChange, DatasetNotReady, TooManyVersions.
    """
    if not dataset.private_findings:
        raise NothingToChange("Nothing private was found in this dataset.")
    return add_version(dataset, by=by, change={"kind": "redaction"})


def filter_dataset(dataset: Dataset, *, by: User, keep: str, **criteria: Any) -> Dataset:
    """The next version, of the lines that meet all criteria (`keep` is `matching`) or of all `others`.

    `criteria` are `search` (a text), `problem` (a code), `min_tokens` and `max_tokens`. Raises NotDerivable
    when there is none, or no line has the problem; DatasetNotReady, TooManyVersions.
    """
    names = {
        "search": "search",
        "problem": "problem",
        "min_tokens": "minTokens",
        "max_tokens": "maxTokens",
    }
    given = {names[name]: value for name, value in criteria.items() if value not in (None, "")}
    if not given:
        raise NotDerivable("Say by what to filter: a text, a problem or a number of tokens.")
    if "problem" in given and given["problem"] not in dataset.line_problem_counts:
        raise NotDerivable(f"No line has the problem `{shown(given['problem'])}`.", pointer="/problem")
    return add_version(dataset, by=by, change={"kind": "filter", "keep": keep, **given})


def sample_dataset(dataset: Dataset, *, by: User, name: str, count: int, seed: int) -> Dataset:
    """Another dataset of `count` examples, chosen by `seed`.

    Raises NotDerivable, DatasetNotReady, TooManyVersions.
    """
    if count > dataset.total_examples:
        raise NotDerivable(f"There are {dataset.total_examples:,} examples only.", pointer="/count")
    return _add_dataset([dataset], by=by, name=name, change={"kind": "sample", "count": count, "seed": seed})


@transaction.atomic
def split_dataset(dataset: Dataset, *, by: User, ratio: float, seed: int) -> tuple[Dataset, Dataset]:
    """Two other datasets; `ratio` is the share of the second one, for validation.

    Examples of one conversation, and those that say the same, stay together. Raises NotDerivable,
    DatasetNotReady, TooManyVersions.
    """
    if dataset.total_examples < 2:
        raise NotDerivable("There is nothing to split: it has fewer than two examples.")
    change = {"kind": "split", "ratio": ratio, "seed": seed}
    training, validation = (
        _add_dataset([dataset], by=by, name=f"{dataset.name[:185]} ({part})", change={**change, "part": part})
        for part in ("training", "validation")
    )
    return training, validation


def merge_datasets(dataset: Dataset, others: Sequence[Dataset], *, by: User, name: str) -> Dataset:
    """Another dataset of all examples of `dataset` and then of the others, in their order.

    Raises NotDerivable when they are not of one kind, one is given twice, or together they are more than can
    be uploaded; DatasetNotReady, TooManyVersions.
    """
    datasets = [dataset, *others]
    if not 2 <= len({dataset.pk for dataset in datasets}) == len(datasets) <= MAX_SOURCES:
        raise NotDerivable(f"Choose 1 to {MAX_SOURCES - 1} others, each once.", pointer="/datasetIds")
    if len({dataset.method for dataset in datasets}) > 1:
        raise NotDerivable("They are for different kinds of training.", pointer="/datasetIds")
    _refuse_too_much(datasets)
    sources = [str(dataset.pk) for dataset in datasets]
    return _add_dataset(datasets, by=by, name=name, change={"kind": "merge", "sources": sources})


def _refuse_too_much(datasets: Sequence[Dataset]) -> None:
    size, limit = sum(dataset.file_size_bytes for dataset in datasets), settings.UPLOAD_MAX_BYTES
    if size > limit:
        message = f"Together their files are larger than {limit // (1024 * 1024)} MB."
        raise NotDerivable(f"{message} Draw samples of them, and merge those.", pointer="/datasetIds")
    examples = sum(dataset.total_examples for dataset in datasets)
    if examples > MAX_ROWS:
        message = f"Together they have {examples:,} examples, more than {MAX_ROWS:,}."
        raise NotDerivable(f"{message} Draw samples of them, and merge those.", pointer="/datasetIds")


@transaction.atomic
def add_version(parent: Dataset, *, by: User, change: dict[str, Any]) -> Dataset:
    """The next version of `parent`, to be written and read by a worker. Raises DatasetNotReady,
    TooManyVersions.
    """
    parent.organization.lock()
    _check_ready(parent)
    _check_allowance(parent.organization)
    dataset = _derived(parent, by=by, name=parent.name, change=change)
    dataset.series_id, dataset.version = parent.series_id, parent.supersede(now=timezone.now())
    return _accept(dataset)


@transaction.atomic
def _add_dataset(parents: Sequence[Dataset], *, by: User, name: str, change: dict[str, Any]) -> Dataset:
    parents[0].organization.lock()
    for parent in parents:
        _check_ready(parent)
    _check_allowance(parents[0].organization)
    return _accept(_derived(parents[0], by=by, name=name, change=change))


def _derived(parent: Dataset, *, by: User, name: str, change: dict[str, Any]) -> Dataset:
    return Dataset(
        **{column: getattr(parent, column) for column in KEPT_COLUMNS},
        created_by=by,
        name=name,
        # Of the parent's name the format may be another one.
        file_name=f"{PurePosixPath(parent.file_name).stem or 'examples'}.jsonl",
        format=Dataset.Format.JSONL,
        layout=LAYOUT_OF_METHOD.get(parent.plan.method, ""),
        parent=parent,
        change=change,
    )


def _check_ready(parent: Dataset) -> None:
    if parent.is_processing:
        raise DatasetNotReady(f"{parent.name} is still being checked. Try again when that is done.")
    if not parent.file:
        raise DatasetNotReady(f"{parent.name} has no file, because reading it failed.")


def _check_allowance(organization: Organization) -> None:
    allowance = version_allowance(organization)
    if not allowance.remaining:
        raise TooManyVersions(
            f"{allowance.limit} versions an hour can be made. There is room again in "
            f"{ceil(allowance.reset_seconds / 60)} min.",
            retry_after=allowance.reset_seconds,
        )


def _accept(dataset: Dataset) -> Dataset:
    dataset.save(force_insert=True)
    # How it was made, but not by which text: that may be a line of training data.
    audit.record(
        "dataset.derived", dataset, before={}, details={"change": (dataset.change or {}).get("kind")}
    )
    queue_on_commit(tasks.validate_dataset, dataset_id=str(dataset.pk))
    return dataset
