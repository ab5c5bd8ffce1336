"""Pages about training data: the grid, adding a dataset, and one dataset with its problems and examples."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from datasets import change_words, exporting, previews, services
from datasets.conversation_forms import FilterForm
from datasets.forms import DatasetForm, ImportForm, UploadForm
from datasets.importing import MAX_IMPORTED
from datasets.layouts import TARGETS
from datasets.models import Dataset, DatasetProblem, TrainingExample
from datasets.quality.health import LABELS
from datasets.turns import shown_example, shown_row
from datasets.uploads import MappingNotPossible
from finetuning.errors import Refused
from finetuning.pages import page_of
from finetuning.tenancy import OrganizationRequest, members_only, owners_delete
from finetuning.uploads import uploaded_files

CARDS_PER_PAGE = 20
EXAMPLES_PER_PAGE = 20
PROBLEMS_PER_PAGE = 100
FIRST_PROBLEMS = 5
PREVIEWED_ROWS = 5
SEARCH_LENGTH = 200
SAMPLE = settings.BASE_DIR / "datasets" / "samples" / "support.jsonl"
TABS = {
    "": "All",
    Dataset.Status.VALID: "Validated",
    Dataset.Status.INVALID: "With errors",
    Dataset.Status.PROCESSING: "Being checked",
}
FILTER_LABELS = {
    "agentId": "Agent",
    "model": "Model",
    "tags": "Tags",
    "search": "Text",
    "startDate": "From",
    "endDate": "To",
    "minQualityScore": "Minimum quality score",
    "deduplicate": "The same messages only once",
    "maxExamples": "At most so many",
}


@require_safe
@members_only
def list_datasets(request: OrganizationRequest, template: str = "datasets/list.html") -> HttpResponse:
    """All datasets or those of one tab, as cards or as a table.

    They alone are asked for again while one of them is being read.
    """
    datasets, tab = request.organization.datasets, request.GET.get("status", "")
    found = datasets.newest().filter(**({"status": tab} if tab in TABS and tab else {}))
    totals = _tab_totals(datasets.totals())
    page = page_of(
        found.select_related("created_by").order_by("-created_at", "-id"),
        request.GET.get("page"),
        per_page=CARDS_PER_PAGE,
        count=totals[tab if tab in TABS else ""],
    )
    context = {
        "tab": tab if tab in TABS else "",
        "tabs": [(value, label, totals[value]) for value, label in TABS.items()],
        "is_table": request.GET.get("view") == "table",
        "page_obj": page,
        "datasets": list(page),
        "is_live": any(dataset.is_processing for dataset in page),
    }
    return render(request, template, context)


def _tab_totals(totals: dict[str, Any]) -> dict[str, int]:
    valid, invalid = totals["validated_datasets"], totals["invalid_datasets"]
    every = totals["total_datasets"]
    return {
        "": every,
        Dataset.Status.VALID: valid,
        Dataset.Status.INVALID: invalid,
        Dataset.Status.PROCESSING: every - valid - invalid,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def new_dataset(request: OrganizationRequest) -> HttpResponse:
    """Add a dataset from a file, or with `?method=import` from recorded conversations."""
    data = request.POST if request.method == "POST" else None
    if request.GET.get("method") == "import":
        # What the page of conversations was filtered by.
        form: DatasetForm = ImportForm(data, initial=request.GET.dict())
        dataset = _import(request, form) if form.is_valid() else None
    else:
        form = UploadForm(data)
        dataset = _upload(request, form) if form.is_bound else None
    return _added(request, dataset) if dataset else _new(request, form)


def _upload(request: OrganizationRequest, form: DatasetForm) -> Dataset | None:
    try:
        file, *more = uploaded_files(request)
        if form.is_valid():
            return services.upload_dataset(
                request.organization, by=request.user, file=file, more_files=more, **form.columns()
            )
    except Refused as refusal:
        form.add_refusal(refusal)
    return None


def _import(request: OrganizationRequest, form: DatasetForm) -> Dataset | None:
    try:
        return services.import_conversations(request.organization, by=request.user, **form.columns())
    except Refused as refusal:
        form.add_refusal(refusal)
        return None


def _new(request: OrganizationRequest, form: DatasetForm) -> HttpResponse:
    is_import = isinstance(form, ImportForm)
    context = _page_context(form) | {
        "method": "import" if is_import else "upload",
        **(_matching(request, request.POST or request.GET) if is_import else {}),
    }
    refused = 413 if getattr(request, "upload_too_large", False) else 422
    return render(request, "datasets/new.html", context, status=refused if form.errors else 200)


def _page_context(form: DatasetForm) -> dict[str, Any]:
    return {"form": form, "max_bytes": settings.UPLOAD_MAX_BYTES}


@require_POST
@members_only
def count_matching(request: OrganizationRequest) -> HttpResponse:
    """How many conversations an import would take, while its form is filled in."""
    return render(request, "datasets/_matching.html", _matching(request, request.POST))


def _matching(request: OrganizationRequest, data: QueryDict) -> dict[str, Any]:
    form, conversations = FilterForm(data), request.organization.conversations
    found = conversations.matching(**form.columns()) if form.is_valid() else None
    return {
        # One more than are taken says that there are more.
        "matching": None if found is None else found[: MAX_IMPORTED + 1].count(),
        "most": MAX_IMPORTED,
        "conversations": conversations.total(),
    }


@require_POST
@members_only
def preview_file(request: OrganizationRequest) -> HttpResponse:
    """What the first rows of a file become. A script asks for that alone, and may send the beginning only."""
    # Not bound: it is too early to say that a name is missing.
    context = _page_context(UploadForm(initial=request.POST.dict())) | {"method": "upload"}
    try:
        context |= _previewed(request, UploadForm(request.POST).reading())
    except Refused as refusal:
        context["refusal"] = refusal.message
    template = "datasets/_preview.html" if request.htmx else "datasets/new.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if context.get("refusal") else 200)


def _previewed(request: OrganizationRequest, asked: dict[str, Any]) -> dict[str, Any]:
    files = uploaded_files(request)
    refusal = ""
    try:
        preview = previews.preview_upload(files, limit=PREVIEWED_ROWS, **asked)
    except MappingNotPossible as fault:
        # The columns are shown all the same, so that they can be chosen better.
        refusal, preview = fault.message, previews.preview_upload(files, limit=PREVIEWED_ROWS)
    if "cut" in request.POST:
        preview.drop_cut_row()
    chosen = asked["column_mapping"] or preview.column_mapping
    is_mapped = asked["column_mapping"] or preview.layout == "columns"
    return {
        "preview": preview,
        "refusal": refusal,
        "rows": [shown_row(row) for row in preview.rows],
        "columns": [(name, chosen.get(name, "")) for name in preview.columns if is_mapped],
        "targets": TARGETS.items(),
    }


def _added(request: OrganizationRequest, dataset: Dataset) -> HttpResponse:
    messages.success(request, f"{dataset.name} was saved. It is being checked now; you can close this page.")
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(_page(dataset))
    return redirect(_page(dataset))


@require_safe
@members_only
def download_sample(request: OrganizationRequest) -> HttpResponse:
    """A small file of good examples, to see the form and to try everything out."""
    headers = {"Content-Disposition": f'attachment; filename="{SAMPLE.name}"'}
    return HttpResponse(SAMPLE.read_bytes(), content_type="application/jsonl", headers=headers)


@require_safe
@members_only
def show_dataset(
    request: OrganizationRequest, dataset_id: UUID, template: str = "datasets/detail.html"
) -> HttpResponse:
    """One dataset. While it is being read, the part that changes is asked for again."""
    dataset = _dataset(request, dataset_id)
    context = {"dataset": dataset, **_version_context(dataset)}
    if not dataset.is_processing:
        search = request.GET.get("search", "").replace("\0", "")[:SEARCH_LENGTH]
        context |= _verdict_context(dataset, page=request.GET.get("page"), search=search)
    return render(request, template, context)


def _verdict_context(dataset: Dataset, *, page: str | None, search: str) -> dict[str, Any]:
    shown, examples = _found_examples(dataset, page, search) if search else _all_examples(dataset, page)
    return {
        "search": search,
        "page_obj": shown,
        "examples": [shown_example(example) for example in examples],
        "problems": list(_problems(dataset)[:FIRST_PROBLEMS]),
        "problem_total": sum(dataset.problem_counts.values()),
        "filters": _filters(dataset),
        "health": _health(dataset),
        "histograms": _histograms(dataset),
    }


def _all_examples(dataset: Dataset, number: str | None) -> tuple[Page[int], Iterable[TrainingExample]]:
    # Positions have no gaps, so the last page of a million is found as fast as the first.
    page = Paginator(range(dataset.total_examples), EXAMPLES_PER_PAGE).get_page(number)
    return page, dataset.examples.at(_shown_of(page))


def _found_examples(
    dataset: Dataset, number: str | None, search: str
) -> tuple[Page[TrainingExample], Iterable[TrainingExample]]:
    found = dataset.examples.matching(search=search).order_by("position")
    page = Paginator(found, EXAMPLES_PER_PAGE).get_page(number)
    return page, page


def _shown_of(page: Page[int]) -> range:
    """The positions on the page."""
    start = EXAMPLES_PER_PAGE * (page.number - 1)
    return range(start, start + EXAMPLES_PER_PAGE)


def _version_context(dataset: Dataset) -> dict[str, Any]:
    """The place among the versions, how it was made, and the draft that waits."""
    newest = dataset.organization.datasets.versions_of(dataset).first()
    return {
        "newest": newest,
        "kind": change_words.kind_in_words(dataset),
        "counts": change_words.counts_in_words(dataset),
        "draft_edits": dataset.edits.drafts().count(),
        "export_formats": exporting.FORMATS,
    }


def _dataset(request: OrganizationRequest, dataset_id: UUID) -> Dataset:
    return get_object_or_404(request.organization.datasets.select_related("created_by"), pk=dataset_id)


def _problems(dataset: Dataset) -> QuerySet[DatasetProblem]:
    """Errors before warnings, what concerns the whole file before single lines."""
    return dataset.problems.order_by("severity", F("line").asc(nulls_first=True), "id")


def _health(dataset: Dataset) -> list[tuple[str, dict[str, Any]]]:
    """The parts of the health score with their headings; none before the first check, or without examples."""
    if not dataset.quality or not dataset.total_examples:
        return []
    return [(LABELS[part["name"]], part) for part in dataset.quality["health"]["parts"]]


def _histograms(dataset: Dataset) -> list[tuple[str, str, list[tuple[str, int, str]]]]:
    """Title, what the labels are, and rows of label, count and the count in words; none before the check."""
    if not dataset.quality or not dataset.total_examples:
        return []
    summary = dataset.quality["summary"]
    return [
        (title, of, _bars(summary[name]))
        for title, of, name in (
            ("Examples by length", "Up to so many tokens", "tokens_histogram"),
            ("Examples by messages", "Up to so many messages", "turns_histogram"),
        )
        if summary.get(name)
    ]


def _bars(counts: dict[str, int]) -> list[tuple[str, int, str]]:
    return [(f"{int(end):,}", count, f"{count:,}") for end, count in sorted(counts.items(), key=_by_end)]


def _by_end(entry: tuple[str, int]) -> int:
    return int(entry[0])


def _filters(dataset: Dataset) -> list[tuple[str, Any]]:
    """What an import was limited to, in the words of its form."""
    given = dataset.source_filters or {}
    return [(label, _in_words(given[key])) for key, label in FILTER_LABELS.items() if key in given]


def _in_words(value: Any) -> Any:
    if value is True:
        return "yes"
    return ", ".join(value) if isinstance(value, list) else value


@require_safe
@members_only
def list_problems(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Every problem that was kept of a dataset."""
    dataset = _dataset(request, dataset_id)
    page = Paginator(_problems(dataset), PROBLEMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "dataset": dataset,
        "page_obj": page,
        "problems": list(page),
        "problem_total": sum(dataset.problem_counts.values()),
    }
    return render(request, "datasets/problems.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def edit_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Change the name and the description."""
    dataset = _dataset(request, dataset_id)
    saved = {"name": dataset.name, "description": dataset.description}
    form = DatasetForm(request.POST if request.method == "POST" else None, initial=saved)
    if form.is_valid():
        services.update_dataset(dataset, **form.columns())
        messages.success(request, "Saved.")
        return redirect(_page(dataset))
    context = {"dataset": dataset, "form": form}
    return render(request, "datasets/edit.html", context, status=422 if form.errors else 200)


@require_POST
@members_only
def revalidate_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Have the stored file read and checked again."""
    dataset = services.revalidate_dataset(_dataset(request, dataset_id))
    messages.success(request, f"{dataset.name} is being checked again.")
    return redirect(_page(dataset))


@require_POST
@owners_delete
def delete_dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    dataset = _dataset(request, dataset_id)
    try:
        services.delete_dataset(dataset)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(_page(dataset))
    messages.success(request, f"{dataset.name} was deleted.")
    return redirect("datasets:list")


def _page(dataset: Dataset) -> str:
    return reverse("datasets:detail", args=[dataset.pk])
