"""Tenants, their members and their parts."""

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from finetuning.errors import NotFound
from finetuning.ids import uuid7


class OrganizationManager(models.Manager["Organization"]):
    """Deleted organizations are reached by nobody: not by id, not as `user.organizations`."""

    def get_queryset(self) -> models.QuerySet["Organization"]:
        return super().get_queryset().filter(deleted_at=None)


class Organization(models.Model):
    """A tenant. Everything that belongs to it is reached from here: `organization.jobs`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    monthly_cap_usd = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What calls of the gateway may cost in a month (UTC). Empty: no limit.",
    )
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(
        max_length=300,
        blank=True,
        db_default="",
        help_text="What its members are told while it is suspended.",
    )
    cap_warned_on = models.DateField(null=True, editable=False)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="finetuning.Membership", related_name="organizations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OrganizationManager()
    with_deleted = models.Manager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "monthly_cap_usd",
        "suspended_at",
        "suspension_reason",
        "deleted_at",
    )

    class Meta:
        db_table = "organizations"

    def __str__(self) -> str:
        return self.name

    def lock(self) -> None:
        """Let nobody else pass here for this organization until the transaction ends.

        Whoever takes other locks too takes this one first. Raises NotFound when it was deleted meanwhile.
        """
        # Rows that only refer to the organization can still be added beside it.
        if Organization.objects.select_for_update(no_key=True).filter(pk=self.pk).first() is None:
            raise NotFound("There is no such organization any more.")

    def rename(self, name: str, *, now: datetime) -> None:
        Organization.objects.filter(pk=self.pk).update(name=name, updated_at=now)
        self.refresh_from_db()

    def cap_spending(self, usd: Decimal | None, *, now: datetime) -> None:
        """Limit what a month's calls may cost, in US dollars; None lifts the limit.

        Another cap than before warns anew at 80 %.
        """
        others = Organization.objects.filter(pk=self.pk).exclude(monthly_cap_usd=usd)
        others.update(monthly_cap_usd=usd, cap_warned_on=None, updated_at=now)
        self.refresh_from_db()

    def mark_cap_warned(self, month: date) -> bool:
        """False when somebody was warned in this month already. `month` is its first day."""
        not_yet = Q(cap_warned_on=None) | Q(cap_warned_on__lt=month)
        return bool(Organization.objects.filter(not_yet, pk=self.pk).update(cap_warned_on=month))

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None

    @property
    def suspension(self) -> str:
        """What whoever works in it, or calls with one of its keys, is told while it is suspended."""
        reason = f": {self.suspension_reason.rstrip('.')}" if self.suspension_reason else ""
        return f"The organization is suspended{reason}. Ask the operator of this installation."

    def mark_suspended(self, *, now: datetime) -> None:
        """Refuse its people and keys from now on. Doing it again keeps the first time."""
        Organization.objects.filter(pk=self.pk, suspended_at=None).update(suspended_at=now, updated_at=now)
        self.refresh_from_db(fields=["suspended_at"])

    def mark_resumed(self, *, now: datetime) -> None:
        Organization.objects.filter(pk=self.pk).update(suspended_at=None, updated_at=now)
        self.refresh_from_db(fields=["suspended_at"])

    def mark_deleted(self, *, now: datetime) -> bool:
        """Hide it from its members. False: it was deleted already."""
        self.deleted_at = now
        return bool(Organization.objects.filter(pk=self.pk).update(deleted_at=now, updated_at=now))


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


class MembershipManager(models.Manager["Membership"]):
    """Nobody is a member of a deleted organization."""

    def get_queryset(self) -> models.QuerySet["Membership"]:
        return super().get_queryset().filter(organization__deleted_at=None)


class Membership(models.Model):
    """One user's role in one organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipManager()

    audited: ClassVar[tuple[str, ...]] = ("user_id", "role")

    class Meta:
        db_table = "memberships"
        constraints = [
            models.UniqueConstraint(fields=["user", "organization"], name="memberships_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} ({self.role})"

    def has_at_least(self, role: Role) -> bool:
        return Role(self.role).rank >= role.rank

    @transaction.atomic
    def change_role(self, role: Role) -> None:
        """Give the member another role, and end the sign-ins to the API that were made with the old one."""
        self.role = role
        Membership.objects.filter(pk=self.pk).update(role=role)
        self.token_families.revoke(timezone.now())

    @property
    def may_manage(self) -> bool:
        return self.has_at_least(Role.ADMIN)

    @property
    def may_delete(self) -> bool:
        return self.has_at_least(Role.OWNER)


class Workspace(models.Model):
    """A part of an organization, to keep one team's rows apart in lists."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="workspaces")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    audited: ClassVar[tuple[str, ...]] = ("name",)

    class Meta:
        db_table = "workspaces"
        constraints = [
            models.UniqueConstraint(
                "organization", Lower("name"), name="workspaces_name_unique_in_organization"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="workspaces_organization_and_id"),
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
