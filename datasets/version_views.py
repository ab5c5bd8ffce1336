"""Pages about versions: the list with the lineage, the diff, making new ones, and files to take out."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from datasets import change_words, comparing, editing, exporting, versions
from datasets.downloads import REPORT_TYPES, export_file, report_file
from datasets.lineage import lineage_of
from datasets.models import Dataset
from datasets.version_forms import CompareForm, DerivingForm, FilterForm, MergeForm, SampleForm, SplitForm
from finetuning.downloads import Download
from finetuning.errors import Refused
from finetuning.pages import page_of
from finetuning.tenancy import OrganizationRequest, members_only

Format = TypeVar("Format", bound=str)

VERSIONS_PER_PAGE = 50
CHANGES_PER_PAGE = 50
FORMS: tuple[type[DerivingForm], ...] = (FilterForm, SampleForm, SplitForm, MergeForm)
MAKERS: dict[str, Callable[..., Dataset | tuple[Dataset, Dataset]]] = {
    "filter": versions.filter_dataset,
    "sample": versions.sample_dataset,
    "split": versions.split_dataset,
    "merge": versions.merge_datasets,
}


@require_safe
@members_only
def list_versions(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """All versions of a dataset, and whence this one comes and what was made of it."""
    dataset = _dataset(request, dataset_id)
    found = request.organization.datasets.versions_of(dataset).select_related("created_by", "parent")
    page = page_of(found, request.GET.get("page"), per_page=VERSIONS_PER_PAGE, count=found.count())
    context = {
        "dataset": dataset,
        "page_obj": page,
        "versions": [_described(version) for version in page],
        "lineage": lineage_of(dataset),
        "compare_form": CompareForm(dataset=dataset),
    }
    return render(request, "datasets/versions.html", context)


def _described(version: Dataset) -> dict[str, Any]:
    return {
        "version": version,
        "kind": change_words.kind_in_words(version),
        "parameters": change_words.parameters_in_words(version),
        "counts": change_words.counts_in_words(version),
    }


@require_safe
@members_only
def show_diff(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """How a version differs from the one that it was made of."""
    dataset = _dataset(request, dataset_id)
    changes = dataset.changes.order_by("number")
    page = page_of(changes, request.GET.get("page"), per_page=CHANGES_PER_PAGE, count=changes.count())
    counts = (dataset.change or {}).get("counts", {})
    context = {
        **_described(dataset),
        "dataset": dataset,
        "page_obj": page,
        "changes": list(page),
        "total": sum(counts.get(name, 0) for name in ("changed", "removed", "added")),
    }
    return render(request, "datasets/diff.html", context)


@require_safe
@members_only
def compare_versions(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """How two versions of the dataset differ, the ids `?old=` and `new`, from the positions `at` on."""
    dataset = _dataset(request, dataset_id)
    form = CompareForm(request.GET, dataset=dataset)
    start = comparing.place_of(request.GET.get("at", "0-0"))
    if start is None or not form.is_valid():
        raise Http404
    old, new = form.cleaned_data["old"], form.cleaned_data["new"]
    comparison = comparing.compare_versions(old, new, start=start)
    context = {
        "dataset": dataset,
        "compare_form": form,
        "old": old,
        "new": new,
        "comparison": comparison,
        "is_first": start == (0, 0),
        "is_whole": comparison.compared == (old.total_examples, new.total_examples),
    }
    return render(request, "datasets/compare.html", context)


@require_POST
@members_only
def repair_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    return _make(request, _dataset(request, dataset_id), versions.repair_dataset)


@require_POST
@members_only
def redact_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    return _make(request, _dataset(request, dataset_id), versions.redact_dataset)


@require_POST
@members_only
def save_edits(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Make the draft the next version."""
    return _make(request, _dataset(request, dataset_id), editing.save_edits)


def _make(request: OrganizationRequest, dataset: Dataset, maker: Callable[..., Dataset]) -> HttpResponse:
    try:
        version = maker(dataset, by=request.user)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("datasets:detail", dataset.pk)
    messages.success(request, f"Version {version.version} is being made. You can close this page.")
    return redirect("datasets:detail", version.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def derive_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Filter, sample, split or merge: four forms on one page, of which one is sent."""
    dataset = _dataset(request, dataset_id)
    sent = request.POST.get("kind") if request.method == "POST" else None
    forms = {form.kind: form(request.POST if form.kind == sent else None, dataset=dataset) for form in FORMS}
    if sent and sent in forms and forms[sent].is_valid():
        try:
            made = MAKERS[sent](dataset, by=request.user, **forms[sent].columns())
        except Refused as refusal:
            forms[sent].add_refusal(refusal)
        else:
            return _derived(request, made)
    status = 422 if request.method == "POST" else 200
    return render(request, "datasets/derive.html", {"dataset": dataset, "forms": forms}, status=status)


def _derived(request: OrganizationRequest, made: Dataset | tuple[Dataset, Dataset]) -> HttpResponse:
    if isinstance(made, Dataset):
        messages.success(request, f"{made.name} is being made. You can close this page.")
        return redirect("datasets:detail", made.pk)
    messages.success(request, "Both parts are being made. You can close this page.")
    return redirect("datasets:list")


@require_safe
@members_only
def download_report(request: OrganizationRequest, dataset_id: UUID) -> HttpResponseBase:
    """Every problem as a file: `?as=csv` or `jsonl`."""
    dataset = _dataset(request, dataset_id)
    file_format = _one_of(REPORT_TYPES, request)
    return _file(request, dataset, lambda: report_file(dataset, file_format))


@require_safe
@members_only
def download_export(request: OrganizationRequest, dataset_id: UUID) -> HttpResponseBase:
    """The examples as a file, `?as=` one of `exporting.FORMATS`."""
    dataset = _dataset(request, dataset_id)
    file_format = _one_of(exporting.FORMATS, request)
    return _file(request, dataset, lambda: export_file(dataset, file_format))


def _file(request: OrganizationRequest, dataset: Dataset, make: Callable[[], Download]) -> HttpResponseBase:
    try:
        return make()
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("datasets:detail", dataset.pk)


def _one_of(formats: Mapping[Format, Any], request: OrganizationRequest) -> Format:
    """The format that is asked for. Raises Http404."""
    found = next((name for name in formats if name == request.GET.get("as")), None)
    if found is None:
        raise Http404
    return found


def _dataset(request: OrganizationRequest, dataset_id: UUID) -> Dataset:
    return get_object_or_404(request.organization.datasets.select_related("created_by"), pk=dataset_id)
