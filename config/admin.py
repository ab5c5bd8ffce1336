"""The operators' site."""

from django.contrib import admin


class AttuneAdminSite(admin.AdminSite):
    site_header = "Attune operations"
    site_title = "Attune operations"
    index_title = "All organizations"
