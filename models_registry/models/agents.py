"""Agents: stable names under which applications call whatever model is the best at the time."""

import re
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from finetuning.ids import uuid7
from finetuning.models import Organization, OrganizationOwned
from models_registry.models.fine_tuned_models import FineTunedModel

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "An agent's name has letters, digits, dots, underscores and hyphens, 100 at most: support-bot."
check_name = RegexValidator(rf"^{NAME_PATTERN.pattern}\Z", NAME_RULE, code="agent_name_invalid")


class AgentQuerySet(models.QuerySet["Agent"]):
    def with_related(self) -> Self:
        """With the models that it points at."""
        return self.select_related("model", "second_model", "fallback_model", "workspace", "created_by")

    def with_accounts(self) -> Self:
        """With the models that it points at and the provider account of each."""
        models = ("model", "second_model", "fallback_model")
        return self.select_related(*(f"{name}__provider_account" for name in models))

    def pointing_at(self, model: FineTunedModel) -> Self:
        """Agents whose calls go to `model`, all or a share of them."""
        return self.filter(Q(model=model) | Q(second_model=model))


class Agent(OrganizationOwned):
    """A name that applications call. It points at one model, or splits its calls between two."""

    class Recording(models.TextChoices):
        OFF = "off", "Nothing"
        CONSENTED = "consented", "Calls that say the user consents"
        ALL = "all", "Every call"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100, validators=[check_name])
    description = models.TextField(blank=True)
    model = models.ForeignKey(FineTunedModel, models.PROTECT, null=True, blank=True, related_name="agents")
    second_model = models.ForeignKey(FineTunedModel, models.PROTECT, null=True, blank=True, related_name="+")
    second_share = models.PositiveSmallIntegerField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="How many of 100 calls go to the second model.",
    )
    fallback_model = models.ForeignKey(
        FineTunedModel, models.PROTECT, null=True, blank=True, related_name="+"
    )
    falls_back_to_base = models.BooleanField(
        default=False, help_text="When the model fails, its base model answers."
    )
    recording = models.CharField(max_length=20, choices=Recording.choices, default=Recording.OFF)
    recorded_percent = models.PositiveSmallIntegerField(
        default=100, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Recorded conversations are deleted after so many days."
    )

    objects = AgentQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "workspace_id",
        "model_id",
        "second_model_id",
        "second_share",
        "fallback_model_id",
        "falls_back_to_base",
        "recording",
        "recorded_percent",
        "retention_days",
    )

    class Meta:
        db_table = "agents"
        indexes = [models.Index(fields=["organization", "-created_at", "-id"], name="agents_newest")]
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="agents_name_unique"),
            models.CheckConstraint(
                condition=Q(second_model=None, second_share=0)
                | Q(model__isnull=False, second_model__isnull=False, second_share__range=(1, 100)),
                name="agents_share_needs_a_second_model",
            ),
            models.CheckConstraint(
                condition=Q(fallback_model=None) | Q(falls_back_to_base=False), name="agents_one_fallback"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def expired_conversations(self, now: datetime) -> models.QuerySet[Any]:
        """What was said with it so long ago that it is not to be kept; nothing without `retention_days`."""
        conversations = self.organization.conversations.filter(agent_id=self.name)
        if self.retention_days is None:
            return conversations.none()
        return conversations.filter(occurred_at__lt=now - timedelta(days=self.retention_days))

    def point_at(self, **target: Any) -> bool:
        """Set `model`, `second_model` and `second_share`; False when they are so already."""
        if all(getattr(self, name) == value for name, value in target.items()):
            return False
        for name, value in target.items():
            setattr(self, name, value)
        self.save(update_fields=[*target, "updated_at"])
        return True


class AgentSwitch(models.Model):
    """One change of what an agent points at: the state after it, who made it, and when."""

    class Action(models.TextChoices):
        DEPLOYED = "deployed"
        UNDEPLOYED = "undeployed"
        SPLIT = "split"
        ROLLED_BACK = "rolled_back", "Rolled back"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="switches")
    action = models.CharField(max_length=20, choices=Action.choices)
    model = models.ForeignKey(FineTunedModel, models.PROTECT, null=True, related_name="+")
    second_model = models.ForeignKey(FineTunedModel, models.PROTECT, null=True, related_name="+")
    second_share = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "agent_switches"
        verbose_name_plural = "agent switches"
        indexes = [models.Index(fields=["agent", "-created_at", "-id"], name="agent_switches_newest")]

    def __str__(self) -> str:
        return f"{self.agent} {self.action} {self.created_at:%Y-%m-%d %H:%M}"
