"""Several jobs side by side: what they were given, how their curves ran and what came out."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from finetuning.tenancy import OrganizationRequest, members_only
from jobs.loss_curve import LABELS, Point, measured_at, read_points, thin_out
from jobs.models import Job

MOST_JOBS = 5
POINTS_OF_A_JOB = 200
TABLE_ROWS = 25


@dataclass(frozen=True)
class Compared:
    """A job with some points of its curves."""

    job: Job
    points: list[Point]


@require_safe
@members_only
def compare_jobs(request: OrganizationRequest) -> HttpResponse:
    """The jobs of `?jobs=`, ids with commas between, in their order. The boxes of a list send several."""
    sent = request.GET.getlist("jobs")
    ids = list(dict.fromkeys(part for text in sent for part in text.split(",") if part))
    if len(sent) > 1 and len(ids) <= MOST_JOBS:
        return redirect(f"{reverse('jobs:compare')}?jobs={','.join(ids)}")
    if len(ids) > MOST_JOBS:
        return render(request, "jobs/compare.html", {"chosen": len(ids), "most": MOST_JOBS}, status=422)
    compared = [Compared(job, _points(job)) for job in _jobs(request, ids)]
    asked = request.GET.get("measure", "")
    measure = asked if asked in LABELS else "train_loss"
    context = {
        "compared": compared,
        "most": MOST_JOBS,
        "measures": LABELS,
        "measure": measure,
        "ids": ",".join(ids),
        "rows": _rows(compared, measure),
    }
    return render(request, "jobs/compare.html", context)


def _jobs(request: OrganizationRequest, ids: list[str]) -> list[Job]:
    """Raises Http404 when one of them is not a job of the organization."""
    try:
        keys = [UUID(text) for text in ids]
    except ValueError as error:
        raise Http404 from error
    found: dict[UUID, Job] = request.organization.jobs.with_related().in_bulk(keys)
    if found.keys() != {*keys}:
        raise Http404
    return [found[key] for key in keys]


def _points(job: Job) -> list[Point]:
    return read_points(job.measurements(POINTS_OF_A_JOB))


def _rows(compared: list[Compared], measure: str) -> list[dict[str, Any]]:
    """For the table: some steps of all the jobs, and what was measured last of each up to there."""
    steps = sorted({point.step for one in compared for point in one.points})
    shown = thin_out([Point(step) for step in steps], TABLE_ROWS)
    return [
        {"step": step, "values": [measured_at(one.points, step, measure) for one in compared]}
        for step in (point.step for point in shown)
    ]
