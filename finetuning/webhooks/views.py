"""Settings > Webhooks: endpoints, and the log of what was sent to them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from finetuning.errors import Refused
from finetuning.models import Role, WebhookDelivery, WebhookEndpoint
from finetuning.tenancy import OrganizationRequest, admins_manage
from finetuning.webhooks import services
from finetuning.webhooks.forms import EndpointForm

DELIVERIES_PER_PAGE = 50


def _page(request: OrganizationRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    may_change = request.membership.has_at_least(Role.ADMIN)
    return render(
        request, f"finetuning/{template}.html", {"may_change": may_change, **context}, status=status
    )


def _endpoint(request: OrganizationRequest, endpoint_id: UUID) -> WebhookEndpoint:
    return get_object_or_404(request.organization.webhook_endpoints, pk=endpoint_id)


def _delivery(request: OrganizationRequest, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    deliveries = _endpoint(request, endpoint_id).deliveries.select_related("endpoint")
    return get_object_or_404(deliveries, pk=delivery_id)


@require_safe
@admins_manage
def list_endpoints(request: OrganizationRequest) -> HttpResponse:
    endpoints = request.organization.webhook_endpoints.order_by("-created_at", "-id")
    return _page(request, "webhooks", endpoints=list(endpoints))


@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def new_endpoint(request: OrganizationRequest) -> HttpResponse:
    """Add an endpoint. Its secret is on the page that answers, and nowhere else: not even in the session."""
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            endpoint = services.create_endpoint(request.organization, by=request.user, **form.columns())
        except Refused as refusal:
            _show_in_form(form, refusal)
        else:
            return _page(request, "webhooks_secret", endpoint=endpoint)
    return _page(request, "webhooks_form", form=form, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def edit_endpoint(request: OrganizationRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    names = EndpointForm.base_fields
    saved = {name: getattr(endpoint, name) for name in names}
    form = EndpointForm(request.POST if request.method == "POST" else None, initial=saved)
    if form.is_valid():
        try:
            services.update_endpoint(endpoint, **form.columns())
        except Refused as refusal:
            _show_in_form(form, refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("webhooks:detail", endpoint.pk)
    return _page(request, "webhooks_form", form=form, endpoint=endpoint, status=422 if form.errors else 200)


def _show_in_form(form: EndpointForm, refusal: Refused) -> None:
    form.add_error("url" if refusal.pointer == "/url" else None, refusal.message)


@require_safe
@admins_manage
def show_endpoint(request: OrganizationRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    newest = endpoint.deliveries.newest_first()
    page = Paginator(newest, DELIVERIES_PER_PAGE).get_page(request.GET.get("page"))
    has_old_secret = endpoint.previous_secret_until is not None and (
        endpoint.previous_secret_until > timezone.now()
    )
    return _page(
        request,
        "webhooks_detail",
        endpoint=endpoint,
        page_obj=page,
        deliveries=list(page),
        has_old_secret=has_old_secret,
    )


@require_POST
@admins_manage
def rotate_secret(request: OrganizationRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = services.rotate_secret(_endpoint(request, endpoint_id))
    return _page(request, "webhooks_secret", endpoint=endpoint, is_rotation=True)


@require_POST
@admins_manage
def send_test_event(request: OrganizationRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    try:
        delivery = services.send_test_event(endpoint)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("webhooks:detail", endpoint.pk)
    return redirect("webhooks:delivery", endpoint.pk, delivery.pk)


@require_POST
@admins_manage
def delete_endpoint(request: OrganizationRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    services.delete_endpoint(endpoint)
    messages.success(request, f"{endpoint.url} was deleted and is told nothing any more.")
    return redirect("webhooks:list")


@require_safe
@admins_manage
def show_delivery(request: OrganizationRequest, endpoint_id: UUID, delivery_id: UUID) -> HttpResponse:
    """One delivery; while it is pending, the part that changes is asked for again."""
    delivery = _delivery(request, endpoint_id, delivery_id)
    template = "_webhooks_delivery" if request.headers.get("HX-Request") else "webhooks_delivery"
    return _page(request, template, endpoint=delivery.endpoint, delivery=delivery)


@require_POST
@admins_manage
def resend_delivery(request: OrganizationRequest, endpoint_id: UUID, delivery_id: UUID) -> HttpResponse:
    delivery = _delivery(request, endpoint_id, delivery_id)
    try:
        services.resend_delivery(delivery)
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("webhooks:delivery", endpoint_id, delivery_id)
