"""The operators' site."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm


class AttuneAdminSite(admin.AdminSite):
    site_header = "Attune operations"
    site_title = "Attune operations"
    index_title = "All organizations"

    @property
    def login_form(self) -> type[AdminAuthenticationForm]:  # type: ignore[override]
        # Imported here, because Django makes the site before there are models.
        from finetuning.sign_in import AdminSignInForm

        return AdminSignInForm
