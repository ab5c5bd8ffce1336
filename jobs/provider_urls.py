"""Where providers send their webhooks. Not part of the API: who asks is proven by a signature."""

from django.urls import path

from jobs import provider_views

app_name = "providers"

urlpatterns = [
    path("<uuid:account_id>", provider_views.receive_webhook, name="webhook"),
]
