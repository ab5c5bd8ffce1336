"""The admin site with the product's name."""

from django.conf import settings
from django.contrib.admin.apps import AdminConfig

from config.tracing import start_tracing


class AttuneAdminConfig(AdminConfig):
    default_site = "config.admin.AttuneAdminSite"

    def ready(self) -> None:
        # Each process passes here, before it answers requests or takes tasks.
        super().ready()
        if settings.TRACES_ENDPOINT:
            start_tracing(settings.TRACES_ENDPOINT)
