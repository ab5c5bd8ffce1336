"""Who works here: users, organizations, workspaces, and the providers that train for them.

A package by topic; Django looks for an app's models in this module, so it names them all.
"""

from finetuning.models.installation import Installation
from finetuning.models.organizations import Membership, Organization, OrganizationOwned, Role, Workspace
from finetuning.models.providers import ProviderAccount, ProviderAccountQuerySet, ProviderNotice
from finetuning.models.users import User, UserManager
from finetuning.models.webhooks import (
    WebhookDelivery,
    WebhookDeliveryQuerySet,
    WebhookEndpoint,
    WebhookEndpointQuerySet,
)

__all__ = [
    "Installation",
    "Membership",
    "Organization",
    "OrganizationOwned",
    "ProviderAccount",
    "ProviderAccountQuerySet",
    "ProviderNotice",
    "Role",
    "User",
    "UserManager",
    "WebhookDelivery",
    "WebhookDeliveryQuerySet",
    "WebhookEndpoint",
    "WebhookEndpointQuerySet",
    "Workspace",
]
