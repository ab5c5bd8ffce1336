"""Operators' view of training data, across all tenants, deleted rows included."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from datasets import services
from datasets.models import Conversation, Dataset, DatasetProblem, TrainingExample
from finetuning.operators import OperatorAdmin, ReadOnlyAdmin, linked, lists_of


@admin.register(Dataset)
class DatasetAdmin(OperatorAdmin):
    list_display = (
        "name",
        linked("organization"),
        "status",
        "format",
        "total_examples",
        "total_tokens",
        "created_at",
    )
    list_filter = ("status", "format", "source", "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "id", "sha256", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)
    actions = ("validate_again", "restore", "export_csv")
    fields = (
        *(
            "id",
            "related",
            "organization",
            "workspace",
            "name",
            "description",
            "status",
            "method",
            "format",
            "layout",
        ),
        *("column_mapping", "parts", "source"),
        *("version", "parent", "change", "superseded_at"),
        *("source_filters", "file_name", "file_size_bytes", "sha256", "total_examples", "total_tokens"),
        *("total_lines", "rejected_lines", "blank_lines", "problem_counts", "attempts", "next_check_at"),
        *("validated_at", "created_by", "created_at", "updated_at", "deleted_at"),
    )

    @admin.display(description="Rows")
    def related(self, dataset: Dataset) -> str:
        """Links to the lists of what belongs to it."""
        return lists_of(dataset, "dataset")

    def get_readonly_fields(self, request: HttpRequest, obj: Dataset | None = None) -> tuple[str, ...]:
        return tuple(name for name in self.fields if name not in ("name", "description"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        return Dataset.with_deleted.all()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        return False

    @admin.action(description="Validate again", permissions=["act"])
    def validate_again(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        for dataset in queryset:
            services.revalidate_dataset(dataset)
        self.message_user(request, f"{len(queryset)} datasets are being read again.")

    @admin.action(description="Restore deleted datasets", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        for dataset in queryset:
            services.restore_dataset(dataset)
        self.message_user(request, f"{len(queryset)} datasets restored.")


@admin.register(TrainingExample)
class TrainingExampleAdmin(ReadOnlyAdmin):
    list_display = ("id", linked("dataset"), "position", "line", "token_count")
    list_select_related = ("dataset",)
    list_filter = ("dataset__status",)
    search_fields = ("=dataset__id",)
    search_help_text = "The id of a dataset."
    ordering = ("-id",)


@admin.register(DatasetProblem)
class DatasetProblemAdmin(ReadOnlyAdmin):
    list_display = ("code", "severity", linked("dataset"), "line", "message")
    list_select_related = ("dataset",)
    list_filter = ("severity",)
    search_fields = ("=dataset__id", "=code")
    search_help_text = "The id of a dataset, or a code."
    ordering = ("-id",)


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_filter = ("occurred_at", "quality_score")
    list_display = ("id", linked("organization"), "agent_id", "model", "quality_score", "occurred_at")
    search_fields = ("=id", "=external_id", "=agent_id", "organization__name")
    date_hierarchy = "occurred_at"
    list_select_related = ("organization",)
    ordering = ("-occurred_at", "-id")
