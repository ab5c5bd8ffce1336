"""Who works here: users, organizations, workspaces, and the providers that train for them.

A package by topic; Django looks for an app's models in this module, so it names them all.
"""

from finetuning.models.organizations import Membership, Organization, OrganizationOwned, Role, Workspace
from finetuning.models.providers import ProviderAccount, ProviderAccountQuerySet
from finetuning.models.users import User, UserManager

__all__ = [
    "Membership",
    "Organization",
    "OrganizationOwned",
    "ProviderAccount",
    "ProviderAccountQuerySet",
    "Role",
    "User",
    "UserManager",
    "Workspace",
]
