"""Pages of a draft: editing single examples, and looking at the edits together."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import Truncator
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from datasets import editing
from datasets.harmless import harmless_json
from datasets.models import Dataset, DatasetEdit
from datasets.version_forms import ExampleForm
from finetuning.errors import Refused
from finetuning.models import Role
from finetuning.pages import page_of
from finetuning.tenancy import OrganizationRequest, members_only

EDITS_PER_PAGE = 50
SHOWN_CHARACTERS = 300
NEW_EXAMPLE = """{
  "messages": [
    {"role": "user", "content": ""},
    {"role": "assistant", "content": ""}
  ]
}"""


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def edit_example(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Change or delete the example `?position=`, which counts from 0; without one, add an example."""
    dataset, position = _dataset(request, dataset_id), _position(request)
    try:
        shown = NEW_EXAMPLE if position is None else editing.shown_row(dataset, position)
    except editing.NoSuchExample as error:
        raise Http404 from error
    if request.membership.role == Role.VIEWER:
        shown = harmless_json(json.loads(shown), indent=2)
    form = ExampleForm(request.POST if request.method == "POST" else None, initial={"example": shown})
    if request.method == "POST":
        try:
            if _edit(request, dataset, position, form):
                return redirect(f"{reverse('datasets:detail', args=[dataset.pk])}#draft")
        except Refused as refusal:
            form.add_refusal(refusal)
    context = {"dataset": dataset, "form": form, "position": position}
    return render(request, "datasets/example.html", context, status=422 if form.errors else 200)


def _edit(request: OrganizationRequest, dataset: Dataset, position: int | None, form: ExampleForm) -> bool:
    """Whether an edit was put into the draft."""
    if position is not None and "delete" in request.POST:
        editing.delete_example(dataset, by=request.user, position=position)
        return True
    if not form.is_valid():
        return False
    text = form.cleaned_data["example"]
    if position is None:
        editing.add_example(dataset, by=request.user, text=text)
    else:
        editing.change_example(dataset, by=request.user, position=position, text=text)
    return True


def _position(request: OrganizationRequest) -> int | None:
    given = request.GET.get("position")
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise Http404
    return int(given)


@require_safe
@members_only
def show_draft(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """The edits that wait to be saved."""
    dataset = _dataset(request, dataset_id)
    drafts = dataset.edits.drafts().select_related("created_by")
    page = page_of(drafts, request.GET.get("page"), per_page=EDITS_PER_PAGE, count=drafts.count())
    context = {"dataset": dataset, "page_obj": page, "edits": [(edit, _shown(edit)) for edit in page]}
    return render(request, "datasets/draft.html", context)


def _shown(edit: DatasetEdit) -> str:
    return Truncator(harmless_json(json.loads(edit.row))).chars(SHOWN_CHARACTERS) if edit.row else ""


@require_POST
@members_only
def discard_edits(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    """Forget the draft, or of it only the edit with the id `edit`."""
    dataset, edit_id = _dataset(request, dataset_id), request.POST.get("edit", "")
    if edit_id.isascii() and edit_id.isdecimal() and len(edit_id) < 19:
        editing.take_back(dataset, edit_id=int(edit_id))
        return redirect("datasets:draft", dataset.pk)
    editing.discard_edits(dataset)
    messages.success(request, "The draft was discarded.")
    return redirect("datasets:detail", dataset.pk)


def _dataset(request: OrganizationRequest, dataset_id: UUID) -> Dataset:
    return get_object_or_404(request.organization.datasets, pk=dataset_id)
