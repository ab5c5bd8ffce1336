"""Where a version comes from, and what was made of it: conversations, examples, versions, jobs, models."""

from dataclasses import dataclass
from typing import Any

from datasets.deriving import sources_of
from datasets.models import Dataset

# The newest; a list of jobs by dataset has all.
SHOWN_JOBS = 100
SHOWN_DATASETS = 100


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """`sources` are the versions that it was made of, deleted ones too; `derived` those made of it.

    `conversations` counts the recorded conversations that its examples come from. Each of `jobs` may have a
    `fine_tuned_model`.
    """

    dataset: Dataset
    sources: list[Dataset]
    derived: list[Dataset]
    conversations: int
    jobs: list[Any]


def lineage_of(dataset: Dataset) -> Lineage:
    """The lineage of one version, in both directions one step."""
    made = dataset.children.all() | dataset.organization.datasets.merged_from(dataset)
    # All that was made of it is younger: the database need not look at what is older.
    derived = made.filter(created_at__gt=dataset.created_at)
    jobs = dataset.jobs.select_related("fine_tuned_model").order_by("-created_at", "-id")
    origins = dataset.examples.exclude(conversation=None).values("conversation").distinct()
    return Lineage(
        dataset=dataset,
        sources=sources_of(dataset) if dataset.parent_id else [],
        derived=list(derived.order_by("created_at", "id")[:SHOWN_DATASETS]),
        conversations=origins.count(),
        jobs=list(jobs[:SHOWN_JOBS]),
    )
