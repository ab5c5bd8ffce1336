"""Pages about jobs: the list, the wizard, and one job as it goes on."""

import json
import re
import shlex
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from datasets.models import Dataset
from finetuning.errors import Refused
from finetuning.models import Role
from finetuning.pages import page_of
from finetuning.tenancy import OrganizationRequest, changes_nothing, members_only
from jobs import planning, services, steering
from jobs.forms import DatasetForm, JobForm
from jobs.loss_curve import LABELS, read_points, thin_out
from jobs.models import Job, JobQuerySet
from jobs.planning import Plan
from jobs.states import Status
from jobs.timeline import timeline

ROWS_PER_PAGE = 20
EVENTS_PER_PAGE = 100
SHOWN_RETRIES = 5
# For the table: more of them are read than shown, for those with a validation are kept.
MOST_POINTS, TABLE_ROWS = 200, 50
STEP_NUMBER = re.compile(r"[0-9]{1,15}")
# As they stand in an address: the word for it, and what providers call it.
LEVELS = {"": ("All", ()), "warn": ("Warnings", ("warn", "warning")), "error": ("Errors", ("error",))}
TABS = {
    "": ("All", "total_jobs"),
    "active": ("Active", "active_jobs"),
    Status.SUCCEEDED: ("Succeeded", "succeeded_jobs"),
    Status.FAILED: ("Failed", "failed_jobs"),
    Status.CANCELLED: ("Cancelled", "cancelled_jobs"),
}


@require_safe
@members_only
def list_jobs(request: OrganizationRequest, template: str = "jobs/list.html") -> HttpResponse:
    """All jobs, or those of one tab; the rows alone are asked for again while one of them is active."""
    tab = request.GET.get("status", "")
    found = _in_tab(request.organization.jobs.with_related(), tab).order_by("-created_at", "-id")
    totals = request.organization.jobs.totals()
    count = totals[TABS.get(tab, TABS[""])[1]]
    page = page_of(found, request.GET.get("page"), per_page=ROWS_PER_PAGE, count=count)
    context = {
        "page_obj": page,
        "jobs": list(page),
        "is_live": any(job.is_active for job in page),
        "tab": tab if tab in TABS else "",
        "tabs": [(value, label, totals[column]) for value, (label, column) in TABS.items()],
    }
    return render(request, template, context)


@require_safe
@members_only
def list_costs(request: OrganizationRequest) -> HttpResponse:
    """What each job that succeeded was estimated at and what it cost, and how near the estimates come."""
    jobs = request.organization.jobs
    succeeded = jobs.with_related().filter(status=Status.SUCCEEDED).order_by("-created_at", "-id")
    totals = jobs.totals()
    count = totals["succeeded_jobs"]
    page = page_of(succeeded, request.GET.get("page"), per_page=ROWS_PER_PAGE, count=count)
    history = jobs.estimate_history()
    error = history["median_error"]
    context = {
        "page_obj": page,
        "jobs": list(page),
        "history": history,
        "median_percent": None if error is None else 100 * error,
        "spent_usd": totals["spent_usd"],
    }
    return render(request, "jobs/costs.html", context)


def _in_tab(jobs: JobQuerySet, tab: str) -> JobQuerySet:
    if tab == "active":
        return jobs.active()
    return jobs.filter(status=tab) if tab in TABS and tab else jobs


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def new_job(request: OrganizationRequest) -> HttpResponse:
    """The wizard. Every step up to the review is an address; launching posts all that was chosen."""
    sent = request.POST if request.method == "POST" else request.GET
    choice = DatasetForm(sent, organization=request.organization)
    if not choice.is_valid():
        return _choose_dataset(request, choice)
    dataset: Dataset = choice.cleaned_data["dataset"]
    form = _job_form(request, sent, choice)
    plan = _plan(request, form, dataset)
    if form.is_valid() and request.method == "POST":
        return _launch(request, form, dataset, plan)
    if form.is_valid() and plan and sent.get("step") == "review":
        return _review(request, form, dataset, plan)
    return _configure(request, form, dataset, plan)


def _job_form(request: OrganizationRequest, sent: QueryDict, choice: DatasetForm) -> JobForm:
    return JobForm(
        sent.dict(),
        organization=request.organization,
        dataset=choice.cleaned_data["dataset"],
        like=choice.cleaned_data["like"],
        today=timezone.now().date(),
    )


def _choose_dataset(request: OrganizationRequest, form: DatasetForm) -> HttpResponse:
    datasets = request.organization.datasets
    trainable = datasets.newest().trainable().order_by("-created_at", "-id")
    totals = datasets.totals()
    count = totals["validated_datasets"]
    page = page_of(trainable, request.GET.get("page"), per_page=ROWS_PER_PAGE, count=count)
    context = {
        "page_obj": page,
        "datasets": list(page),
        "not_ready": totals["total_datasets"] - count,
        "refusals": [
            *(form.errors.get("dataset", []) if form.data.get("dataset") else []),
            *form.errors.get("like", []),
        ],
    }
    return render(request, "jobs/new_dataset.html", context)


def _configure(
    request: OrganizationRequest, form: JobForm, dataset: Dataset, plan: Plan | None
) -> HttpResponse:
    context = {
        "form": form,
        "like": form.like,
        "dataset": dataset,
        "estimate": plan.estimate if plan else None,
    }
    return render(request, "jobs/new_model.html", context, status=422 if form.errors else 200)


def _review(request: OrganizationRequest, form: JobForm, dataset: Dataset, plan: Plan) -> HttpResponse:
    context = {
        "form": form,
        "like": form.like,
        "dataset": dataset,
        "plan": plan,
        "estimate": plan.estimate,
        "offer": plan.start.offer,
        "account": plan.start.offer.account,
        "curl": _curl(request.build_absolute_uri("/api/fine-tuning/jobs"), form, dataset),
    }
    return render(request, "jobs/new_review.html", context)


def _launch(request: OrganizationRequest, form: JobForm, dataset: Dataset, plan: Plan | None) -> HttpResponse:
    try:
        job = services.create_job(
            request.organization, by=request.user, dataset=dataset, **form.job_columns()
        )
    except Refused as refusal:
        form.add_refusal(refusal)
        return _configure(request, form, dataset, plan)
    messages.success(request, f"{job.name} was accepted. You can close this page; the training goes on.")
    return redirect("jobs:detail", job.pk)


@require_POST
@changes_nothing
def check_job(request: OrganizationRequest) -> HttpResponse:
    """Go on from the form to the review, an address that holds all of it; what is too long is shown again."""
    choice = DatasetForm(request.POST, organization=request.organization)
    if not choice.is_valid():
        return _choose_dataset(request, choice)
    form = _job_form(request, request.POST, choice)
    if form.fits_address:
        return redirect(f"{reverse('jobs:new')}?{form.address}")
    dataset: Dataset = choice.cleaned_data["dataset"]
    return _configure(request, form, dataset, _plan(request, form, dataset))


@require_POST
@changes_nothing
def estimate_job(request: OrganizationRequest) -> HttpResponse:
    """The expected price of what the wizard's form holds at the moment."""
    choice = DatasetForm(request.POST, organization=request.organization)
    if not choice.is_valid():
        raise Http404
    dataset: Dataset = choice.cleaned_data["dataset"]
    form = _job_form(request, request.POST, choice)
    plan = _plan(request, form, dataset)
    context = {"form": form, "dataset": dataset, "estimate": plan.estimate if plan else None}
    return render(request, "jobs/_estimate.html", context)


def _plan(request: OrganizationRequest, form: JobForm, dataset: Dataset) -> Plan | None:
    """What would be trained at what price; None, and the reason among the form's errors, when nothing can."""
    needed = {"base_model", "start_model", "provider", "method", "n_epochs", "validation_percentage"}
    if needed & form.errors.keys():
        return None
    try:
        return planning.plan_job(
            request.organization,
            dataset=dataset,
            base_model=form.starts_from,
            provider=form.cleaned_data["provider"],
            method=form.cleaned_data["method"],
            epochs=form.cleaned_data["n_epochs"],
            validation_split=form.validation_split,
        )
    except Refused as refusal:
        form.add_refusal(refusal)
        return None


def _curl(url: str, form: JobForm, dataset: Dataset) -> str:
    """The API call that does what the review page's button does."""
    columns = form.job_columns()
    body = {
        "name": columns["name"],
        "description": columns["description"],
        "datasetId": str(dataset.pk),
        "baseModel": columns["base_model"],
        "provider": columns["provider"],
        "method": columns["method"],
        "grader": columns["grader"],
        "hyperparameters": columns["hyperparameters"],
        "validationSplit": columns["validation_split"] or None,
        "suffix": columns["suffix"],
        "seed": columns["seed"],
        "metadata": columns["metadata"],
        "workspaceId": str(columns["workspace"].pk) if columns["workspace"] else None,
    }
    given = {name: value for name, value in body.items() if value not in ("", None, {})}
    return "\n".join(
        [
            f"curl {shlex.quote(url)} \\",
            '  -H "Authorization: Bearer $ACCESS_TOKEN" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d {shlex.quote(json.dumps(given, indent=2, ensure_ascii=False))}",
        ]
    )


@require_safe
@members_only
def show_job(request: OrganizationRequest, job_id: UUID) -> HttpResponse:
    """Everything about one job. What changes while it goes on are fragments that are asked for again."""
    job = _job(request, job_id)
    points = read_points(job.measurements(MOST_POINTS))
    context = {
        **_progress(request, job),
        **_log(request, job),
        "points": thin_out(points, TABLE_ROWS),
        "again": urlencode({"dataset": job.dataset_id, "like": job.pk}),
    }
    return render(request, "jobs/detail.html", context)


@require_safe
@members_only
def show_progress(request: OrganizationRequest, job_id: UUID) -> HttpResponse:
    """The part of the page that changes with every poll of the provider."""
    return render(request, "jobs/_progress.html", _progress(request, _job(request, job_id)))


@require_safe
@members_only
def list_events(
    request: OrganizationRequest, job_id: UUID, template: str = "jobs/events.html"
) -> HttpResponse:
    """A job's log, newest first."""
    return render(request, template, _log(request, _job(request, job_id)))


@require_safe
@gzip_page
@members_only
def show_metrics(request: OrganizationRequest, job_id: UUID) -> JsonResponse:
    """The curves for the chart: only steps after `?afterStep=`, thinned out to 1,500."""
    job = _job(request, job_id)
    after = request.GET.get("afterStep", "")
    measured = job.events.metrics()
    if STEP_NUMBER.fullmatch(after):
        measured = measured.filter(metadata__step__gt=int(after))
    points = thin_out(read_points(measured.values_list("metadata", flat=True)))
    return JsonResponse(
        {
            "steps": [point.step for point in points],
            **{column: [_short(getattr(point, column)) for point in points] for column in LABELS},
            "finished": job.is_finished,
        }
    )


def _short(value: float | None) -> float | None:
    """With six digits: a chart shows no more of them, and they make up most of what is sent."""
    return None if value is None else float(f"{value:.6g}")


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def cancel_job(request: OrganizationRequest, job_id: UUID) -> HttpResponse:
    """Ask whether it is meant, then cancel."""
    job = _job(request, job_id)
    if request.method != "POST" and job.is_active:
        return render(request, "jobs/cancel.html", {"job": job})
    try:
        services.cancel_job(job, by=request.user)
    except Refused as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, _cancel_words(job))
    return redirect("jobs:detail", job.pk)


@require_http_methods(["POST"])
@members_only
def steer_job(request: OrganizationRequest, job_id: UUID, wish: str) -> HttpResponse:
    """Pause a run, let it go on, or let the job's model answer by another checkpoint."""
    job = _job(request, job_id)
    try:
        if wish == "checkpoint":
            steering.use_checkpoint(job, model_id=request.POST.get("model_id", ""))
            messages.success(request, "The model answers by this checkpoint from now on.")
        elif wish == "pause":
            steering.pause_job(job)
            messages.success(request, "The provider lets the run wait.")
        else:
            steering.resume_job(job)
            messages.success(request, "The run goes on.")
    except Refused as refusal:
        messages.warning(request, refusal.message)
    return redirect("jobs:detail", job.pk)


@require_http_methods(["POST"])
@members_only
def retry_job(request: OrganizationRequest, job_id: UUID) -> HttpResponse:
    """Start a linked job with the same settings."""
    job = _job(request, job_id)
    try:
        again = services.retry_job(job, by=request.user)
    except Refused as refusal:
        messages.warning(request, refusal.message)
        return redirect("jobs:detail", job.pk)
    messages.success(request, f"{again.name} was accepted once more.")
    return redirect("jobs:detail", again.pk)


def _cancel_words(job: Job) -> str:
    if job.is_finished:
        return "The job is cancelled. Nothing was started at the provider."
    return "The provider is being asked to cancel. The job ends when it has confirmed."


def _job(request: OrganizationRequest, job_id: UUID) -> Job:
    job: Job = get_object_or_404(request.organization.jobs.with_related(), pk=job_id)
    return job


def _progress(request: OrganizationRequest, job: Job) -> dict[str, Any]:
    """What the progress fragment shows."""
    is_over = job.status in {Status.FAILED, Status.CANCELLED}
    reached = job.events.filter(event_type="status", metadata__has_key="status").order_by("created_at", "id")
    passing_error = job.events.filter(event_type="error").newest_first() if job.retries else None
    return {
        "job": job,
        "measures": LABELS,
        "steps": timeline(Status(job.status), dict(reached.values_list("metadata__status", "created_at"))),
        # Not through the job: that would also find a deleted model.
        "model": request.organization.fine_tuned_models.filter(job=job).first(),
        "waits_unusually_long": job.waits_unusually_long,
        "is_retryable": is_over and request.membership.role != Role.VIEWER and not job.dataset.deleted_at,
        "retries": list(job.retries_of.order_by("created_at")[:SHOWN_RETRIES]) if is_over else [],
        "passing_error": passing_error.first() if passing_error is not None else None,
    }


def _log(request: OrganizationRequest, job: Job) -> dict[str, Any]:
    level = request.GET.get("level", "")
    events = job.events.newest_first()
    if level in LEVELS and level:
        events = events.filter(level__in=LEVELS[level][1])
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    return {
        "job": job,
        "page_obj": page,
        "events": list(page),
        "level": level if level in LEVELS else "",
        "levels": [(value, label) for value, (label, _) in LEVELS.items()],
        "is_live": job.is_active and page.number == 1,
    }
