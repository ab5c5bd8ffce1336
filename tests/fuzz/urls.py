"""The product's addresses, and one that gives the fuzzer a token and rows to ask for.

The fuzzer finds the operations that end a sign-in, remove a member or delete the organization. So it asks for
both before each request, and gets new ones when the old ones are gone.
"""

from django.core.files.base import ContentFile
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

import config.urls
from finetuning.api.tokens import issue_tokens
from finetuning.models import Membership, Organization
from tests.factories import OrganizationFactory, UserFactory
from tests.isolation.rows import TALKS, furnish

# Where an operation's `{id}` comes from.
ROWS = {
    "datasets": "datasets",
    "jobs": "jobs",
    "models": "fine_tuned_models",
    "agents": "agents",
    "keys": "api_keys",
    "invitations": "invitations",
    "workspaces": "workspaces",
    "provider-accounts": "provider_accounts",
    "endpoints": "webhook_endpoints",
}
ROWS_OF_A_KIND = 5


def session(request: HttpRequest, role: str) -> JsonResponse:
    membership = Membership.objects.filter(
        role=role, user__email__startswith="fuzz-", user__is_active=True, organization__deleted_at=None
    ).last()
    membership = membership or furnished_membership(role)
    return JsonResponse(
        {"access": issue_tokens(membership)["access"], "rows": rows_of(membership.organization)}
    )


def furnished_membership(role: str) -> Membership:
    mark = f"{role}{Organization.objects.count()}"
    organization = OrganizationFactory(name=f"Fuzzed {mark}")
    furnish(organization, mark=mark)
    for dataset in organization.datasets.filter(file=""):
        dataset.store_file(ContentFile(TALKS), size=len(TALKS))
    # Another owner stays, so that this one may leave.
    UserFactory(email=f"{mark}-keeper@example.com", member_of=organization, member_of__role="owner")
    user = UserFactory(email=f"fuzz-{mark}@example.com", member_of=organization, member_of__role=role)
    return user.memberships.get()


def rows_of(organization: Organization) -> dict[str, list[str]]:
    """Ids of some of the newest rows by the word that stands before `{id}` in a path."""
    rows = {
        word: getattr(organization, relation).order_by("-created_at").values_list("pk", flat=True)
        for word, relation in ROWS.items()
    } | {"members": organization.memberships.order_by("-created_at").values_list("user_id", flat=True)}
    return {word: [str(pk) for pk in ids[:ROWS_OF_A_KIND]] for word, ids in rows.items()}


# Django takes them of the addresses' module.
handler400, handler404, handler500 = config.urls.handler400, config.urls.handler404, config.urls.handler500
urlpatterns = [path("fuzz/<str:role>", session), path("", include("config.urls"))]
