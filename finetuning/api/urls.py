"""Signing in, base models, and the description of the API."""

from django.urls import path

from finetuning.api import auth
from finetuning.api.base_models import BaseModelsView
from finetuning.api.members import AcceptInvitationView
from finetuning.api.members import router as member_router
from finetuning.api.organizations import OrganizationDetailViewSet
from finetuning.api.organizations import router as organization_router
from finetuning.api.provider_accounts import router as provider_account_router
from finetuning.api.schema import RedocView, SchemaView, SwaggerView
from finetuning.api.webhooks import router as webhook_router

urlpatterns = [
    path("auth/token", auth.TokenView.as_view(), name="token"),
    path("auth/token/refresh", auth.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/revoke", auth.TokenRevokeView.as_view(), name="token-revoke"),
    path("auth/token/revoke-all", auth.TokenRevokeAllView.as_view(), name="token-revoke-all"),
    path("auth/me", auth.MeView.as_view(), name="me"),
    path("auth/switch-organization", auth.SwitchOrganizationView.as_view(), name="switch-organization"),
    path("auth/accept-invitation", AcceptInvitationView.as_view(), name="accept-invitation"),
    path(
        "organization",
        OrganizationDetailViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="organization-detail",
    ),
    path("base-models", BaseModelsView.as_view(), name="base-model-list"),
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("docs", SwaggerView.as_view(), name="api-docs"),
    path("redoc", RedocView.as_view(), name="api-redoc"),
    *webhook_router.urls,
    *member_router.urls,
    *organization_router.urls,
    *provider_account_router.urls,
]
