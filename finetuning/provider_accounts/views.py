"""Settings > Provider accounts."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from finetuning.errors import Refused
from finetuning.models import ProviderAccount
from finetuning.provider_accounts import services
from finetuning.provider_accounts.forms import AccountForm, NewAccountForm, saved_values
from finetuning.tenancy import OrganizationRequest, admins_manage


def _account(request: OrganizationRequest, account_id: UUID) -> ProviderAccount:
    accounts = request.organization.provider_accounts.select_related("organization")
    return get_object_or_404(accounts, pk=account_id)


@require_safe
@admins_manage
def list_accounts(request: OrganizationRequest) -> HttpResponse:
    accounts = request.organization.provider_accounts.order_by("-is_default", "name", "id")
    return render(request, "finetuning/provider_accounts.html", {"accounts": list(accounts)})


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def new_account(request: OrganizationRequest) -> HttpResponse:
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            account = services.create_account(request.organization, **form.columns())
        except Refused as refusal:
            form.add_refusal(refusal)
        else:
            return _saved(request, account)
    context = {"form": form}
    return render(request, "finetuning/provider_account.html", context, status=422 if form.errors else 200)


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def edit_account(request: OrganizationRequest, account_id: UUID) -> HttpResponse:
    """One account, with its health; a POST changes it."""
    account = _account(request, account_id)
    form = AccountForm(request.POST if request.method == "POST" else None, initial=saved_values(account))
    if form.is_valid():
        try:
            services.update_account(account, **form.columns())
        except Refused as refusal:
            form.add_refusal(refusal)
        else:
            return _saved(request, account)
    # A refused change stands in `account`, and must not be shown as if it were saved.
    context = {"form": form, "account": _account(request, account_id)}
    return render(request, "finetuning/provider_account.html", context, status=422 if form.errors else 200)


@require_POST
@admins_manage
def check_account(request: OrganizationRequest, account_id: UUID) -> HttpResponse:
    account = services.check_account(_account(request, account_id))
    _tell_health(request, account)
    return redirect("provider_accounts:detail", account.pk)


def _saved(request: OrganizationRequest, account: ProviderAccount) -> HttpResponse:
    messages.success(request, f"{account.name} is saved.")
    _tell_health(request, account)
    return redirect("provider_accounts:detail", account.pk)


def _tell_health(request: OrganizationRequest, account: ProviderAccount) -> None:
    if account.health == "failing":
        messages.error(request, f"The test of {account.name} failed: {account.last_error}")
    elif account.health == "healthy":
        messages.success(request, f"{account.name} answers and takes the key.")


@require_POST
@admins_manage
def delete_account(request: OrganizationRequest, account_id: UUID) -> HttpResponse:
    account = _account(request, account_id)
    try:
        services.delete_account(account)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("provider_accounts:detail", account_id)
    messages.success(request, f"{account.name} was deleted.")
    return redirect("provider_accounts:list")
