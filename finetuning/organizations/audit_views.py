"""Settings > Audit: who changed what, when and from where."""

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finetuning.members.services import members_of
from finetuning.models import AuditEntry, Role
from finetuning.organizations.forms import AuditForm
from finetuning.tenancy import OrganizationRequest, members_only

ENTRIES_PER_PAGE = 50


@require_safe
@members_only
def list_entries(request: OrganizationRequest) -> HttpResponse:
    """For admins and owners. The next page starts below the last entry of this one, whatever is added."""
    if not request.membership.may_manage:
        raise PermissionDenied(Role.ADMIN.refusal)
    people = [(str(member.user_id), member.user.email) for member in members_of(request.organization)]
    form = AuditForm(request.GET, people=people)
    entries = request.organization.audit_entries.all()
    found = list(form.found(entries)[: ENTRIES_PER_PAGE + 1]) if form.is_valid() else []
    shown = found[:ENTRIES_PER_PAGE]
    context = {
        "form": form,
        "entries": [(entry, _changes(entry)) for entry in shown],
        "next": shown[-1].pk if len(found) > len(shown) else None,
        "is_filtered": any(request.GET.get(name) for name in ("who", "what", "since", "until")),
    }
    return render(request, "finetuning/audit.html", context, status=422 if form.errors else 200)


def _changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Each changed field in words, before and after."""
    return [
        (name.removesuffix("_id").replace("_", " "), _in_words(before), _in_words(after))
        for name, (before, after) in entry.changes.items()
    ]


def _in_words(value: Any) -> str:
    if value in (None, "", []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value)
