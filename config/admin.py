"""The operators' site."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse


class AttuneAdminSite(admin.AdminSite):
    site_header = "Attune operations"
    site_title = "Attune operations"
    index_title = "All organizations"

    @property
    def login_form(self) -> type[AdminAuthenticationForm]:  # type: ignore[override]
        # Imported here, because Django makes the site before there are models.
        from finetuning.sign_in import AdminSignInForm

        return AdminSignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        from finetuning.second_factor import services

        return super().has_permission(request) and services.lets_operator_in(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from finetuning.second_factor import services

        # Whom the password alone would let in has to show the second factor.
        if super().has_permission(request) and not self.has_permission(request):
            asked = request.GET.get("next", reverse("admin:index", current_app=self.name))
            return redirect(services.page_of(asked))
        return super().login(request, extra_context)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from finetuning.sign_in import record_sign_out

        if request.method == "POST":
            record_sign_out(request)
        return super().logout(request, extra_context)

    def get_urls(self) -> list[Any]:
        own = [path("operations/", self.admin_view(self.show_operations), name="operations")]
        return [*own, *super().get_urls()]

    def show_operations(self, request: HttpRequest) -> HttpResponse:
        from config.operations import show_operations

        return show_operations(request)
