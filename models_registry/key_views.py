"""The page of API keys."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.tenancy import OrganizationRequest, admins_manage
from models_registry import api_keys as services
from models_registry.forms import ApiKeyForm
from models_registry.models import ApiKey

ROWS_PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admins_manage
def list_keys(request: OrganizationRequest) -> HttpResponse:
    """All keys, the newest first. A POST makes one and answers with its clear text, this once."""
    form = ApiKeyForm(request.POST or None, instance=ApiKey(organization=request.organization))
    issued = clear = None
    if request.method == "POST" and form.is_valid():
        issued, clear = services.issue_key(request.organization, by=request.user, **form.cleaned_data)
        form = ApiKeyForm(instance=ApiKey(organization=request.organization))
    found = request.organization.api_keys.with_scopes().order_by("-created_at", "-id")
    page = Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "keys": list(page), "form": form, "issued": issued, "clear": clear}
    return render(request, "models_registry/keys.html", context, status=422 if form.errors else 200)


@require_POST
@admins_manage
def revoke_key(request: OrganizationRequest, key_id: UUID) -> HttpResponse:
    key = get_object_or_404(request.organization.api_keys.all(), pk=key_id)
    services.revoke_key(key)
    messages.success(request, f"{key.name} is revoked. Whoever still sends it is refused.")
    return redirect("keys:list")
