"""Choosing among rows of which there can be very many: all of them would make a page of megabytes."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet
from django.forms import BaseForm, ModelChoiceField

LISTED = 100
NEWEST_ARE_LISTED = f"Of more than {LISTED}, the newest are listed; the API takes any."


def offer_newest(form: BaseForm, name: str, rows: QuerySet[Any]) -> None:
    """Let the field `name` take any of `rows`, and list the 100 newest and what is chosen already."""
    field: Any = form.fields[name]
    field.queryset = rows
    field.choices = partial(_listed, form, name)
    field.help_text = f"{field.help_text} {NEWEST_ARE_LISTED}".strip()


def _listed(form: BaseForm, name: str) -> list[tuple[Any, str]]:
    field: Any = form.fields[name]
    found = list(field.queryset.order_by("-created_at", "-id")[:LISTED])
    found += field.queryset.filter(pk__in=_chosen(form[name].value())).exclude(
        pk__in=[row.pk for row in found]
    )
    return [*_nothing(field), *((row.pk, field.label_from_instance(row)) for row in found)]


def _nothing(field: "ModelChoiceField[Model]") -> list[tuple[str, str]]:
    return [("", str(field.empty_label))] if field.empty_label is not None else []


def _chosen(value: Any) -> Iterable[UUID]:
    for one in value if isinstance(value, list | tuple) else [value]:
        with suppress(ValueError):
            yield UUID(str(getattr(one, "pk", one)))
