"""Who works here: users, organizations, workspaces, and the providers that train for them.

A package by topic; Django looks for an app's models in this module, so it names them all.
"""

from finetuning.models.audit import AuditEntry, AuditEntryQuerySet
from finetuning.models.idempotency import IdempotentAnswer, IdempotentAnswerQuerySet
from finetuning.models.installation import Installation
from finetuning.models.invitations import Invitation, InvitationQuerySet
from finetuning.models.organizations import Membership, Organization, OrganizationOwned, Role, Workspace
from finetuning.models.page_sessions import PageSession, PageSessionQuerySet
from finetuning.models.prices import BasePrice, BaseRetirement, announced_retirements, price_list
from finetuning.models.providers import ProviderAccount, ProviderAccountQuerySet, ProviderNotice
from finetuning.models.second_factor import SecondFactor
from finetuning.models.sign_in import SignInCounter, SignInCounterQuerySet
from finetuning.models.stats import StatChange, StatChangeQuerySet
from finetuning.models.tokens import TokenFamily, TokenFamilyQuerySet
from finetuning.models.users import User, UserManager
from finetuning.models.webhooks import (
    WebhookDelivery,
    WebhookDeliveryQuerySet,
    WebhookEndpoint,
    WebhookEndpointQuerySet,
)

__all__ = [
    "AuditEntry",
    "AuditEntryQuerySet",
    "BasePrice",
    "BaseRetirement",
    "IdempotentAnswer",
    "IdempotentAnswerQuerySet",
    "Installation",
    "Invitation",
    "InvitationQuerySet",
    "Membership",
    "Organization",
    "OrganizationOwned",
    "PageSession",
    "PageSessionQuerySet",
    "ProviderAccount",
    "ProviderAccountQuerySet",
    "ProviderNotice",
    "Role",
    "SecondFactor",
    "SignInCounter",
    "SignInCounterQuerySet",
    "StatChange",
    "StatChangeQuerySet",
    "TokenFamily",
    "TokenFamilyQuerySet",
    "User",
    "UserManager",
    "WebhookDelivery",
    "WebhookDeliveryQuerySet",
    "WebhookEndpoint",
    "WebhookEndpointQuerySet",
    "Workspace",
    "announced_retirements",
    "price_list",
]
