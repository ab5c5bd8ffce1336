"""Taking the conversations of another system's export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, cast

from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from datasets import uploads
from datasets.conversation_files import KINDS, Kind, Talk
from datasets.conversation_files.reading import kind_of, read_talks
from datasets.models import Conversation
from datasets.problems import Problem
from finetuning import audit
from finetuning.errors import Invalid
from finetuning.models import Organization, User, Workspace
from finetuning.uploads import scan_upload

# What is put into the database at once: so many, or what came from so many bytes of the file.
AT_ONCE = 200
BYTES_AT_ONCE = 4 * 1024 * 1024
SHOWN_PROBLEMS = 100


class KindUnknown(Invalid):
    code = "export_kind_unknown"


@dataclass(kw_only=True)
class Recorded:
    """What became of an export: every element was `imported`, `repeated` (its id was known) or `refused`.

    `problems` are the first ones, warnings about imported conversations among them; `problem_count` says how
    many there were.
    """

    kind: Kind
    imported: int = 0
    repeated: int = 0
    refused: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, problem: Problem) -> None:
        """Count it, and keep it when it is among the first."""
        self.refused += problem.is_error
        self.problem_count += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)


def record_export(
    organization: Organization,
    *,
    by: User,
    file: "UploadedFile[bytes]",
    kind: str = "",
    agent_id: str = "",
    workspace: Workspace | None = None,
) -> Recorded:
    """Record every conversation of the file that is not known by its id. Can be done again after any end.

    `kind` is one of `KINDS`, or empty to find it out; `agent_id` is for those whose file names no agent.
    Raises what `uploads.format_of` raises, FileInfected or KindUnknown.
    """
    format = uploads.format_of([file])
    scan_upload(file)
    content = cast("IO[bytes]", file)
    found = next((known for known in KINDS if known == kind), None) or kind_of(content, format)
    if found is None:
        raise KindUnknown(
            f"The file looks like none of these: {', '.join(KINDS.values())}. Say which it is.",
            pointer="/kind",
        )
    recorded = Recorded(kind=found)
    own = {"created_by": by, "workspace": workspace}
    for talks in _batches(content, read_talks(content, format, found), recorded):
        rows = [Conversation(organization=organization, **own, **_columns(talk, agent_id)) for talk in talks]
        is_new = organization.conversations.record_new(rows)
        recorded.imported += is_new
        recorded.repeated += len(rows) - is_new
    audit.record(
        "conversations.imported", organization, details={"kind": found, "imported": recorded.imported}
    )
    return recorded


def _batches(
    content: IO[bytes], readings: Iterator[Talk | Problem], recorded: Recorded
) -> Iterator[list[Talk]]:
    """The talks, some at a time; the problems are added to `recorded`."""
    talks: list[Talk] = []
    start = content.tell()
    for reading in readings:
        if isinstance(reading, Problem):
            recorded.add_problem(reading)
            continue
        talks.append(reading)
        if len(talks) >= AT_ONCE or content.tell() - start >= BYTES_AT_ONCE:
            yield talks
            talks, start = [], content.tell()
    yield talks


def _columns(talk: Talk, agent_id: str) -> dict[str, object]:
    return {
        "external_id": talk.external_id,
        "agent_id": talk.agent_id or agent_id,
        "model": talk.model,
        "tags": list(talk.tags),
        "messages": talk.messages,
        "quality_score": talk.quality_score,
        "occurred_at": talk.occurred_at or timezone.now(),
    }
