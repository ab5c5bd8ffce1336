"""The only place where prefixes are written."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from config import health, metrics
from datasets.api.urls import conversation_router, version_router
from datasets.urls import conversation_urls
from finetuning.api.errors import unknown_path
from finetuning.members.views import accept_invitation
from finetuning.passwords import views as passwords
from finetuning.second_factor import views as second_factor
from finetuning.sign_in import SignInForm
from finetuning.views import sign_out
from jobs.api.urls import run_router
from models_registry.api.urls import serving_router
from models_registry.urls import agent_urls, key_urls, playground_urls

handler400 = "finetuning.api.errors.bad_request"
handler404 = "finetuning.api.errors.not_found"
handler500 = "finetuning.api.errors.server_error"

urlpatterns = [
    path("", include("finetuning.urls")),
    path("datasets/", include("datasets.urls")),
    path("conversations/", include(conversation_urls)),
    path("jobs/", include("jobs.urls")),
    path("models/", include("models_registry.urls")),
    path("agents/", include(agent_urls)),
    path("keys/", include(key_urls)),
    path("playground", include(playground_urls)),
    path("settings/webhooks", include("finetuning.webhooks.urls")),
    path("settings/members", include("finetuning.members.urls")),
    path("settings/provider-accounts", include("finetuning.provider_accounts.urls")),
    path("settings/", include("finetuning.organizations.urls")),
    path("invitations/<str:token>", accept_invitation, name="invitation"),
    path("webhooks/providers/", include("jobs.provider_urls")),
    path(
        "login",
        auth.LoginView.as_view(redirect_authenticated_user=True, authentication_form=SignInForm),
        name="login",
    ),
    path("forgotten-password", passwords.forget_password, name="forgotten-password"),
    path("forgotten-password/<uidb64>/<token>", passwords.choose_password, name="new-password"),
    path("second-factor", second_factor.show_second_factor, name="second-factor"),
    path("second-factor/begin", second_factor.begin_second_factor, name="begin-second-factor"),
    path("logout", sign_out, name="logout"),
    path("admin/", admin.site.urls),
    path("api/", include("finetuning.api.urls")),
    path("api/", include(conversation_router.urls)),
    path("api/", include(version_router.urls)),
    path("api/", include(serving_router.urls)),
    path("api/", include(run_router.urls)),
    path("api/fine-tuning/", include("datasets.api.urls")),
    path("api/fine-tuning/", include("jobs.api.urls")),
    path("api/fine-tuning/", include("models_registry.api.urls")),
    path("api/<path:path>", unknown_path, name="api-unknown-path"),
    path("metrics", metrics.show_metrics, name="metrics"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
