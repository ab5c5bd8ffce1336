"""The first sign-in of a new installation."""

import secrets

from django.conf import settings
from django.db import transaction

from finetuning import audit
from finetuning.models import Membership, Organization, ProviderAccount, Role, User

FIRST_OWNER_EMAIL = "owner@example.com"


@transaction.atomic
def create_organization(*, name: str, owner: User) -> Organization:
    """A new organization with its owner, a first workspace and an account at the sandbox."""
    organization = Organization.objects.create(name=name)
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    organization.workspaces.create(name="Default")
    sandbox = ProviderAccount(
        organization=organization,
        name=ProviderAccount.Kind.SANDBOX,
        kind=ProviderAccount.Kind.SANDBOX,
        is_default=True,
    )
    sandbox.set_api_key(f"sk-sandbox-{secrets.token_hex(16)}")
    sandbox.save()
    audit.record("organization.created", organization, before={}, by=owner)
    return organization


def add_provider_from_settings(organization: Organization) -> ProviderAccount | None:
    """The account that OPENAI_API_KEY and OPENAI_BASE_URL describe, made the default; None without a key."""
    if not settings.OPENAI_API_KEY:
        return None
    kind = ProviderAccount.Kind.COMPATIBLE if settings.OPENAI_BASE_URL else ProviderAccount.Kind.OPENAI
    account = ProviderAccount(
        organization=organization,
        name=ProviderAccount.Kind.OPENAI,
        kind=kind,
        base_url=settings.OPENAI_BASE_URL,
        base_models=settings.OPENAI_BASE_MODELS,
        is_default=True,
    )
    account.set_api_key(settings.OPENAI_API_KEY)
    with transaction.atomic():
        organization.provider_accounts.update(is_default=False)
        account.save()
    return account


@transaction.atomic
def create_first_owner() -> tuple[str, str] | None:
    """Make the first user, owner of a first organization. Returns e-mail and password, shown only now.

    Returns None when there are users already.
    """
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    owner = User.objects.create_superuser(FIRST_OWNER_EMAIL, password, first_name="First", last_name="Owner")
    organization = create_organization(name="My organization", owner=owner)
    add_provider_from_settings(organization)
    return owner.email, password
