"""A draft: edits of a version's examples that wait to be made into the next version together."""

import json
from typing import Any

from django.db import transaction

from datasets.formats import MAX_ROW_BYTES
from datasets.models import Dataset, DatasetEdit, TrainingExample
from datasets.tokens import count_example
from datasets.training_files import row_of
from datasets.validation import check_row, check_tokens, method_of
from datasets.versions import DatasetNotReady, NothingToChange, add_version
from finetuning.errors import Conflict, Invalid, NotFound
from finetuning.models import User
from finetuning.strict_json import StrictJSONError, loads

MAX_DRAFT_EDITS = 1_000


class ExampleNotValid(Invalid):
    code = "example_not_valid"


class NoSuchExample(NotFound):
    code = "no_such_example"


class DraftFull(Conflict):
    code = "draft_full"


def add_example(dataset: Dataset, *, by: User, text: str) -> DatasetEdit:
    """Put a new example, one JSON object, into the draft. Raises ExampleNotValid, DraftFull."""
    return _draft(dataset, DatasetEdit(kind=DatasetEdit.Kind.ADD, row=_row(dataset, text), created_by=by))


def change_example(dataset: Dataset, *, by: User, position: int, text: str) -> DatasetEdit:
    """Put another form of an example into the draft, in place of an earlier edit of the same one.

    Raises ExampleNotValid, NoSuchExample, DraftFull.
    """
    find_example(dataset, position)
    row = _row(dataset, text)
    return _draft(
        dataset, DatasetEdit(kind=DatasetEdit.Kind.CHANGE, position=position, row=row, created_by=by)
    )


def delete_example(dataset: Dataset, *, by: User, position: int) -> DatasetEdit:
    """Put into the draft that an example is to go. Raises NoSuchExample, DraftFull."""
    find_example(dataset, position)
    return _draft(dataset, DatasetEdit(kind=DatasetEdit.Kind.DELETE, position=position, created_by=by))


def save_edits(dataset: Dataset, *, by: User) -> Dataset:
    """Make the draft the next version. Raises NothingToChange, DatasetNotReady, TooManyVersions."""
    with transaction.atomic():
        dataset.organization.lock()
        edits = dataset.edits.drafts()
        if not edits.exists():
            raise NothingToChange("There is no edit to save.")
        version = add_version(dataset, by=by, change={"kind": "edits"})
        edits.apply_to(version)
    return version


def discard_edits(dataset: Dataset) -> int:
    """Forget the draft; returns how many edits it had."""
    discarded, _ = dataset.edits.drafts().delete()
    return discarded


def take_back(dataset: Dataset, *, edit_id: int) -> None:
    """Forget one edit of the draft. Without effect when it is saved or forgotten already."""
    dataset.edits.drafts().filter(pk=edit_id).delete()


def find_example(dataset: Dataset, position: int) -> TrainingExample:
    """The example, counted from 0. Raises NoSuchExample."""
    example: TrainingExample | None = dataset.examples.filter(position=position).first()
    if example is None:
        raise NoSuchExample(f"There is no example {position}.", pointer="/position")
    return example


def shown_row(dataset: Dataset, position: int) -> str:
    """The example as text to edit: as the draft has it, else as it is. Raises NoSuchExample."""
    edit = dataset.edits.drafts().filter(position=position).exclude(row="").first()
    row = json.loads(edit.row) if edit else row_of(find_example(dataset, position))
    return json.dumps(row, ensure_ascii=False, indent=2)


@transaction.atomic
def _draft(dataset: Dataset, edit: DatasetEdit) -> DatasetEdit:
    # A draft that is being saved takes the same lock, so no edit is put into it too late.
    dataset.organization.lock()
    if dataset.is_processing:
        raise DatasetNotReady(f"{dataset.name} is still being checked. Try again when that is done.")
    drafts = dataset.edits.drafts()
    if edit.position is not None:
        drafts.filter(position=edit.position).delete()
    if drafts.count() >= MAX_DRAFT_EDITS:
        raise DraftFull(f"A draft holds {MAX_DRAFT_EDITS:,} edits. Save it as a version, then go on.")
    edit.dataset = dataset
    edit.save(force_insert=True)
    return edit


def _row(dataset: Dataset, text: str) -> str:
    """The row on one line, if it is one that reading the file would accept."""
    try:
        row = loads(text.strip().encode())
    except StrictJSONError as error:
        raise ExampleNotValid(f"{error.message}{_at(error.pointer)}", pointer="/example") from error
    _refuse_invalid(row, method=dataset.method if dataset.total_examples else "")
    line = json.dumps(row, ensure_ascii=False)
    if len(line.encode()) > MAX_ROW_BYTES:
        raise ExampleNotValid("An example has at most 4 MB.", pointer="/example")
    return line


def _refuse_invalid(row: Any, *, method: str) -> None:
    """Raises ExampleNotValid for what reading a file would reject, with the first reasons."""
    errors = [problem for problem in check_row(row, line=0) if problem.is_error]
    if not errors:
        errors = [problem for problem in check_tokens(count_example(row), line=0) if problem.is_error]
    if errors:
        reasons = [f"{problem.message} {problem.fix}".strip() + _at(problem.pointer) for problem in errors]
        raise ExampleNotValid(" ".join(reasons[:5]), pointer="/example")
    if method and method_of(row) != method:
        raise ExampleNotValid(
            f"The other examples are for {method} training, this one is for {method_of(row)}.",
            pointer="/example",
        )


def _at(pointer: str) -> str:
    return f" ({pointer})" if pointer else ""
