"""Who works here: users, organizations, workspaces, and the providers that train for them."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower

from finetuning import sealing
from finetuning.ids import uuid7


class UserManager(DjangoUserManager["User"]):
    """Users are created and found by e-mail, whatever its case."""

    def create_user(  # type: ignore[override]
        self, email: str, password: str | None = None, **columns: Any
    ) -> "User":
        user = self.model(email=self.normalize_email(email), **columns)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(  # type: ignore[override]
        self, email: str, password: str | None = None, **columns: Any
    ) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **columns)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username or "")


class User(AbstractUser):
    """A person; the e-mail is the user name. Works in an organization through a membership."""

    username = None  # type: ignore[assignment]
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Django asks for `unique`; the constraint below also holds for other cases of the letters.
    email = models.EmailField("e-mail", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="users_email_unique", violation_error_message="This e-mail is taken."
            ),
        ]

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.email


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


class Role(models.TextChoices):
    """What a member may do: a viewer reads, a member works, an admin manages, an owner deletes."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


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


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def enabled(self) -> Self:
        """Accounts that take new jobs, the default one first."""
        return self.filter(is_enabled=True).order_by("-is_default", "created_at", "id")


class ProviderAccount(models.Model):
    """An organization's access to one OpenAI-compatible provider. Operators manage it in the admin."""

    class Kind(models.TextChoices):
        SANDBOX = "sandbox", "Sandbox (trains nothing)"
        OPENAI = "openai", "OpenAI"
        COMPATIBLE = "compatible", "OpenAI-compatible"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="provider_accounts")
    name = models.SlugField(
        max_length=50, help_text="What the API calls `provider`, for example `openai` or `sandbox`."
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    base_url = models.URLField(
        blank=True, help_text="For example https://api.example.com/v1. Empty: the vendor's own address."
    )
    sealed_api_key = models.BinaryField(default=bytes, blank=True, editable=False)
    api_key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    base_models = models.JSONField(
        default=list,
        blank=True,
        help_text='Base models that it offers besides the known ones, as a list: ["Qwen/Qwen3-32B"].',
    )
    is_default = models.BooleanField(default=False, help_text="Used when a job names no provider.")
    is_enabled = models.BooleanField(default=True, help_text="Off: takes no new jobs.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        db_table = "provider_accounts"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="provider_accounts_name_unique"),
            models.UniqueConstraint(
                fields=["organization"],
                condition=models.Q(is_default=True),
                name="provider_accounts_one_default",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @property
    def is_sandbox(self) -> bool:
        return self.kind == self.Kind.SANDBOX

    @property
    def _place(self) -> str:
        return f"{self.organization_id}|provider_accounts.api_key|{self.pk}"

    @property
    def api_key(self) -> str:
        """The key in clear; empty when none was set. Never shown or logged."""
        return sealing.unseal(bytes(self.sealed_api_key), place=self._place) if self.sealed_api_key else ""

    def set_api_key(self, api_key: str) -> None:
        """Seal `api_key` into the columns; the caller saves."""
        self.sealed_api_key = sealing.seal(api_key, place=self._place)
        self.api_key_last_four = api_key[-4:]
