"""Pages about conversations: finding them, looking at one and rating it, and taking them from elsewhere."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from datasets import recording
from datasets.conversation_files import KINDS
from datasets.conversation_forms import ConversationFileForm, FeedbackForm, FilterForm
from datasets.harmless import harmless
from datasets.models import Conversation
from datasets.problems import Problem
from datasets.turns import SHOWN_MESSAGES, shown_messages, shown_opening
from finetuning.errors import Refused
from finetuning.models import Role
from finetuning.pages import page_of
from finetuning.tenancy import OrganizationRequest, members_only
from finetuning.uploads import uploaded_files

ROWS_PER_PAGE = 20
EMPTY: tuple[Any, ...] = (None, "", [])


@require_safe
@members_only
def list_conversations(request: OrganizationRequest) -> HttpResponse:
    """The newest that the filters in the address find."""
    form, conversations = FilterForm(request.GET), request.organization.conversations
    found = conversations.matching(**form.columns()) if form.is_valid() else conversations.none()
    is_filtered = any(value not in EMPTY for value in form.cleaned_data.values()) or bool(form.errors)
    page = page_of(
        found.order_by("-occurred_at", "-id"),
        request.GET.get("page"),
        per_page=ROWS_PER_PAGE,
        count=found.count() if is_filtered else conversations.total(),
    )
    context = {
        "form": form,
        "is_filtered": is_filtered,
        "page_obj": page,
        "rows": [(conversation, shown_opening(conversation.messages)) for conversation in page],
    }
    status = 422 if form.errors else 200
    return render(request, "datasets/conversations.html", context, status=status)


@require_safe
@members_only
def show_conversation(request: OrganizationRequest, conversation_id: UUID) -> HttpResponse:
    """What was said, and what somebody thought of the last answer."""
    conversation = _conversation(request, conversation_id)
    feedback = {
        "quality_score": conversation.quality_score,
        "corrected_answer": conversation.corrected_answer,
    }
    return _show(request, conversation, FeedbackForm(initial=feedback))


def _show(request: OrganizationRequest, conversation: Conversation, form: FeedbackForm) -> HttpResponse:
    context = {
        "conversation": conversation,
        "turns": shown_messages(conversation.messages),
        "hidden_turns": max(0, len(conversation.messages) - SHOWN_MESSAGES),
        "corrected_answer": harmless(conversation.corrected_answer),
        # Whoever corrects it sees it as it is.
        "form": None if request.membership.role == Role.VIEWER else form,
        "examples": conversation.examples.count(),
    }
    return render(request, "datasets/conversation.html", context, status=422 if form.errors else 200)


@require_POST
@members_only
def rate_conversation(request: OrganizationRequest, conversation_id: UUID) -> HttpResponse:
    """Keep a thumb, or a score and a corrected answer."""
    conversation = _conversation(request, conversation_id)
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        return _show(request, conversation, form)
    if not conversation.rate(**form.columns()):
        raise Http404
    messages.success(request, "Your feedback was saved.")
    return redirect("conversations:detail", conversation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def import_conversations(request: OrganizationRequest) -> HttpResponse:
    """Take another system's export, and say what became of it."""
    form = ConversationFileForm(request.POST if request.method == "POST" else None)
    recorded = _recorded(request, form) if form.is_bound else None
    context = {
        "form": form,
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "recorded": recorded,
        "kind": KINDS[recorded.kind] if recorded else "",
        "problems": [_shown(problem) for problem in recorded.problems] if recorded else [],
    }
    refused = 413 if getattr(request, "upload_too_large", False) else 422
    template = "datasets/conversations_import.html"
    return render(request, template, context, status=refused if form.errors else 200)


def _recorded(request: OrganizationRequest, form: ConversationFileForm) -> recording.Recorded | None:
    try:
        file = uploaded_files(request)[0]
        if form.is_valid():
            return recording.record_export(request.organization, by=request.user, file=file, **form.columns())
    except Refused as refusal:
        form.add_refusal(refusal)
    return None


def _shown(problem: Problem) -> dict[str, Any]:
    place = f"line {problem.line:,}" if problem.line else "whole file"
    return vars(problem) | {"place": place, "found": harmless(problem.found)}


def _conversation(request: OrganizationRequest, conversation_id: UUID) -> Conversation:
    return get_object_or_404(request.organization.conversations, pk=conversation_id)
