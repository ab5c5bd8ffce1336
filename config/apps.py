"""The admin site with the product's name."""

from django.contrib.admin.apps import AdminConfig


class AttuneAdminConfig(AdminConfig):
    default_site = "config.admin.AttuneAdminSite"
