"""Tenants, their members and their parts."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from finetuning.ids import uuid7


class Organization(models.Model):
    """A tenant. Everything that belongs to it is reached from here: `organization.jobs`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="finetuning.Membership", related_name="organizations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "organizations"

    def __str__(self) -> str:
        return self.name

    def lock(self) -> None:
        """Let nobody else pass here for this organization until the transaction ends.

        Whoever takes other locks too takes this one first. It stops nobody from making rows elsewhere.
        """
        Organization.objects.select_for_update(no_key=True).get(pk=self.pk)


class Role(models.TextChoices):
    """What a member may do: a viewer reads, a member works, an admin manages, an owner deletes."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    @property
    def refusal(self) -> str:
        """What to tell a member whose role is lower than this one."""
        if self is Role.MEMBER:
            return "Viewers can look but not change. Ask an administrator for another role."
        return f"This takes the role {self.value}. Ask one of your organization's {self.value}s."


class Membership(models.Model):
    """One user's role in one organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "memberships"
        constraints = [
            models.UniqueConstraint(fields=["user", "organization"], name="memberships_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} ({self.role})"

    def has_at_least(self, role: Role) -> bool:
        return Role(self.role).rank >= role.rank


class Workspace(models.Model):
    """A part of an organization, to keep one team's rows apart in lists."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="workspaces")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "workspaces"
        constraints = [
            models.UniqueConstraint(
                "organization", Lower("name"), name="workspaces_name_unique_in_organization"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OrganizationOwned(models.Model):
    """What every row of an organization has. The relation itself is named by each model."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, null=True, blank=True, related_name="+", help_text="Optional."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
