"""Keys with which applications call the gateway."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from finetuning.models import Organization, OrganizationOwned, Workspace
from models_registry.models.agents import Agent
from models_registry.models.fine_tuned_models import FineTunedModel

KEY_MARK = "at-"
# "at-" and the part of the key that is stored in clear, to find it and to tell keys apart in a list.
PREFIX_LENGTH = len(KEY_MARK) + 8
SECRET_BYTES = 32


def digest_of(key: str) -> str:
    """What is stored of a key. It has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> Self:
        return self.filter(revoked_at=None)

    def with_scopes(self) -> Self:
        """With everything that a list shows of a key."""
        return self.select_related("created_by").prefetch_related("agents", "workspaces")


class ApiKeyManager(models.Manager.from_queryset(ApiKeyQuerySet)):  # type: ignore[misc]
    """On the manager, not on the QuerySet: only there `create` fills in the organization."""

    def issue(self, **columns: Any) -> tuple["ApiKey", str]:
        """A new key, as the row and in clear. The clear text is kept nowhere."""
        clear = KEY_MARK + secrets.token_hex(4) + secrets.token_urlsafe(SECRET_BYTES)
        return self.create(prefix=clear[:PREFIX_LENGTH], digest=digest_of(clear), **columns), clear

    def find_live(self, clear: str) -> "ApiKey | None":
        """The key that `clear` is, with its organization; None when there is none or it counts no more."""
        live = self.live().filter(organization__deleted_at=None).select_related("organization")
        key: ApiKey | None = live.with_scopes().filter(prefix=clear[:PREFIX_LENGTH]).first()
        return key if key is not None and key.matches(clear) else None

    def note_use(self, used_at: Mapping[UUID, datetime]) -> None:
        """Keep when each key was used last, to the minute: of two uses in one minute the first is noted."""
        for pk, moment in sorted(used_at.items()):
            older = Q(last_used_at=None) | Q(last_used_at__lt=moment - timedelta(minutes=1))
            self.filter(older, pk=pk).update(last_used_at=moment)


class ApiKey(OrganizationOwned):
    """What an application sends as its bearer token. Without agents and workspaces it may call everything."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=PREFIX_LENGTH, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    agents = models.ManyToManyField(Agent, blank=True, related_name="api_keys")
    workspaces = models.ManyToManyField(Workspace, blank=True, related_name="+")
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyManager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "prefix",
        "requests_per_minute",
        "tokens_per_minute",
        "revoked_at",
    )

    class Meta:
        db_table = "api_keys"
        indexes = [models.Index(fields=["organization", "-created_at", "-id"], name="api_keys_newest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None

    def matches(self, clear: str) -> bool:
        """True when `clear` is this key."""
        return secrets.compare_digest(self.digest, digest_of(clear))

    def allows(self, *, agent: Agent | None, model: FineTunedModel) -> bool:
        """Whether a call of `model`, by way of `agent` or by the model's own id, is within the scopes."""
        workspace_id = agent.workspace_id if agent else model.workspace_id
        workspaces, agents = list(self.workspaces.all()), list(self.agents.all())
        in_workspace = not workspaces or workspace_id in [workspace.pk for workspace in workspaces]
        return in_workspace and (not agents or agent in agents)

    def revoke(self, *, now: datetime) -> None:
        """Stop it for good. Revoking again keeps the first time."""
        ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now, updated_at=now)
        self.refresh_from_db()
