"""Fine-tuned models: what jobs yield, what applications call."""

from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from finetuning.models import Organization, OrganizationOwned, ProviderAccount, Workspace
from finetuning.webhooks.events import announce

ALIVE = Q(deleted_at__isnull=True)


class FineTunedModelQuerySet(models.QuerySet["FineTunedModel"]):
    def deployed(self) -> Self:
        return self.filter(deployed=True)

    def called(self, text: str) -> Self:
        """Usable models by id, by name, or by the provider's id of theirs or of a checkpoint that their job
        kept; the newest first."""
        if "\0" in text:
            return self.none()
        named = Q(provider_model_id=text) | Q(name=text) | Q(job__checkpoints__contains=[{"model_id": text}])
        with suppress(ValueError):
            named |= Q(pk=UUID(text))
        return self.filter(named).exclude(status="archived").order_by("-created_at", "-id")

    def count_usage(
        self, *, requests: int, prompt_tokens: int, completion_tokens: int, latency_ms: int, now: datetime
    ) -> None:
        """Add to the counters in the database, so that no parallel update is lost."""
        self.update(
            total_requests=F("total_requests") + requests,
            total_prompt_tokens=F("total_prompt_tokens") + prompt_tokens,
            total_completion_tokens=F("total_completion_tokens") + completion_tokens,
            total_latency_ms=F("total_latency_ms") + latency_ms,
            updated_at=now,
        )

    def with_related(self) -> Self:
        """With everything that a list card or the API shows of a model."""
        return self.select_related("job__dataset", "provider_account", "created_by")


class FineTunedModelManager(models.Manager.from_queryset(FineTunedModelQuerySet)):  # type: ignore[misc]
    """Deleted models are reached by nobody through `organization.fine_tuned_models`."""

    def get_queryset(self) -> FineTunedModelQuerySet:
        alive: FineTunedModelQuerySet = super().get_queryset().filter(deleted_at=None)
        return alive

    def totals(self, *, workspace: Workspace | None = None) -> dict[str, Any]:
        """Numbers of `organization.fine_tuned_models`, or of those in one workspace.

        `by_provider` goes by the accounts' names, and `average_latency_ms` is None without any request.
        """
        sums = self.instance.stat_changes.sums("models", workspace=workspace)
        by_status, requests = sums["status"], sums["requests"][""]
        names = {str(pk): name for pk, name in self.instance.provider_accounts.values_list("pk", "name")}
        return {
            "total_models": by_status.total(),
            "deployed_models": sums["deployed"][""],
            "active_models": by_status[FineTunedModel.Status.ACTIVE],
            "archived_models": by_status[FineTunedModel.Status.ARCHIVED],
            "total_requests": requests,
            "total_tokens_used": sums["tokens_used"][""],
            "average_latency_ms": round(sums["latency_ms"][""] / requests, 1) if requests else None,
            "by_provider": {names[key]: count for key, count in sums["provider"].items()},
            "by_base_model": dict(sums["base_model"]),
        }


class FineTunedModel(OrganizationOwned):
    """The result of one job that succeeded."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        ARCHIVED = "archived"
        DEPRECATED = "deprecated"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="fine_tuned_models")
    job = models.OneToOneField("jobs.Job", models.PROTECT, related_name="fine_tuned_model")
    provider_account = models.ForeignKey(ProviderAccount, models.PROTECT, related_name="fine_tuned_models")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    base_model = models.CharField(max_length=200)
    provider_model_id = models.CharField(max_length=300)
    version = models.IntegerField(default=1)
    parent_model = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")

    training_accuracy = models.FloatField(null=True, blank=True)
    validation_accuracy = models.FloatField(null=True, blank=True)
    final_loss = models.FloatField(null=True, blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ACTIVE)
    retires_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    deployed = models.BooleanField(default=False)
    deployed_at = models.DateTimeField(null=True, blank=True)
    deployment_count = models.IntegerField(default=0)

    total_requests = models.BigIntegerField(default=0)
    total_prompt_tokens = models.BigIntegerField(default=0)
    total_completion_tokens = models.BigIntegerField(default=0)
    total_latency_ms = models.BigIntegerField(default=0)

    objects = FineTunedModelManager()
    with_deleted = FineTunedModelQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "status",
        "deployed",
        "provider_model_id",
        "deleted_at",
    )

    class Meta:
        db_table = "fine_tuned_models"
        indexes = [
            models.Index(
                fields=["organization", "-created_at", "-id"],
                name="models_newest",
                condition=ALIVE,
            ),
            models.Index(
                fields=["organization", "status", "-created_at", "-id"],
                name="models_by_status",
                condition=ALIVE,
            ),
            models.Index(
                fields=["organization", "deployed", "-created_at", "-id"],
                name="models_by_deployed",
                condition=ALIVE,
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                name="models_of_workspace",
                condition=ALIVE,
            ),
            models.Index(
                fields=["organization", "-deployed_at", "-id"],
                name="models_latest_deployed",
                condition=ALIVE & Q(deployed_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="models_organization_and_id"),
            models.UniqueConstraint(
                fields=["provider_account", "provider_model_id"], name="models_provider_model_unique"
            ),
            models.CheckConstraint(
                condition=Q(deployed=False) | Q(status="active", deleted_at__isnull=True),
                name="models_only_active_ones_deployed",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def total_tokens_used(self) -> int:
        return self.total_prompt_tokens + self.total_completion_tokens

    @property
    def average_latency_ms(self) -> float | None:
        return round(self.total_latency_ms / self.total_requests, 1) if self.total_requests else None

    @property
    def is_callable(self) -> bool:
        return self.status == self.Status.ACTIVE and self.deleted_at is None

    def mark_deployed(self, *, now: datetime) -> bool:
        """Count a deployment and tell of it. False when the model is not active."""
        with transaction.atomic():
            deployed = self.change(
                only_if=Q(status=self.Status.ACTIVE),
                now=now,
                deployed=True,
                deployed_at=Coalesce("deployed_at", Value(now)),
                deployment_count=F("deployment_count") + 1,
            )
            if deployed:
                announce(self.organization, "model.deployed", self.as_event())
        return deployed

    def answer_by(self, provider_model_id: str, *, now: datetime) -> bool:
        """Let it answer by another checkpoint of its job. False when it is archived."""
        usable = ~Q(status=self.Status.ARCHIVED)
        return self.change(only_if=usable, now=now, provider_model_id=provider_model_id)

    def mark_undeployed(self, *, now: datetime) -> bool:
        """False when it was not deployed."""
        return self.change(only_if=Q(deployed=True), now=now, deployed=False, deployed_at=None)

    def as_event(self) -> dict[str, Any]:
        """What webhooks tell of a model, in the API's names."""
        return {
            "id": str(self.pk),
            "name": self.name,
            "jobId": str(self.job_id),
            "baseModel": self.base_model,
            "providerModelId": self.provider_model_id,
            "deploymentCount": self.deployment_count,
        }

    def change(self, *, only_if: Q, now: datetime, **columns: Any) -> bool:
        """Update the columns if the row is (still) as `only_if` says; False when it is not."""
        alive = FineTunedModel.objects.filter(only_if, pk=self.pk)
        changed = alive.update(updated_at=now, **columns)
        if changed:
            self.refresh_from_db()
        return bool(changed)
