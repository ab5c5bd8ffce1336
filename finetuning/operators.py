"""What all pages of the operators' site have in common: audit, links between rows, and tables as CSV."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.auth import get_permission_codename
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst

from finetuning import audit
from finetuning.inert import csv_row

EXPORTED_AT_ONCE = 500


def linked(name: str, *, description: str = "") -> Callable[[Any], str]:
    """A column of a list that leads to the row to which the foreign key `name` refers.

    The list must select that row too (`list_select_related`), or each line asks for its own.
    """

    @admin.display(description=description or name.replace("_", " "), ordering=name)
    def column(row: Any) -> str:
        target = cast("Model | None", getattr(row, name))
        return "-" if target is None else format_html('<a href="{}">{}</a>', page_of(target), target)

    column.__name__ = name
    return column


def page_of(row: Model) -> str:
    """The address of the row's page in the admin; empty when it has none."""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def lists_of(row: Model, field: str) -> str:
    """Links to the admin's lists of all rows that refer to `row` by a foreign key named `field`."""
    found = [
        relation.related_model
        for relation in row._meta.related_objects
        if relation.field.name == field and admin.site.is_registered(relation.related_model)
    ]
    return format_html_join(
        " · ",
        '<a href="{}?{}__id__exact={}">{}</a>',
        (
            (
                reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
                field,
                row.pk,
                capfirst(model._meta.verbose_name_plural),
            )
            for model in found
        ),
    )


class OperatorAdmin(admin.ModelAdmin[Any]):
    """A page whose changes stand in the audit, and whose table can be exported."""

    actions: Any = ("export_csv",)
    show_full_result_count = False
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The links of `lists_of` beside what the list can be filtered by anyway."""
        return lookup.endswith("__id__exact") or super().lookup_allowed(lookup, value, request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may use the actions that call services, also where no form changes a row."""
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        """The columns of the list, of the chosen rows. Cells cannot be run as formulas."""
        columns = [name for name in self.get_list_display(request) if name != "action_checkbox"]
        rows = queryset.select_related(*self._joined()).iterator(EXPORTED_AT_ONCE)
        name = f"{self.opts.model_name}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(self._lines(columns, rows), content_type="text/csv", headers=headers)

    def _joined(self) -> Sequence[str]:
        return self.list_select_related if isinstance(self.list_select_related, list | tuple) else ()

    def _lines(self, columns: Sequence[Any], rows: Iterator[Any]) -> Iterator[bytes]:
        yield csv_row(capfirst(str(label_for_field(name, self.model, self))) for name in columns)
        for row in rows:
            yield csv_row(self._cell(name, row) for name in columns)

    def _cell(self, column: Any, row: Any) -> str:
        # Of a link only the text: what it shows is the row.
        name = getattr(column, "__name__", column)
        value = getattr(row, name) if hasattr(row, name) else lookup_field(column, row, self)[2]
        return "" if value is None else str(value)

    @property
    def _noun(self) -> str:
        """What an action of the audit calls such a row: `provider_account`."""
        return str(self.opts.verbose_name).replace(" ", "_")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        before = audit.snapshot(self.model._base_manager.get(pk=obj.pk)) if change else {}
        super().save_model(request, obj, form, change)
        action = "changed" if change else "created"
        audit.record(f"{self._noun}.{action}", obj, before=before)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit.record(f"{self._noun}.deleted", obj)
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            audit.record(f"{self._noun}.deleted", row)
        super().delete_queryset(request, queryset)


class ReadOnlyAdmin(OperatorAdmin):
    """Rows that services own: operators look, and use the actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
