"""The price book, which operators keep."""

from typing import Any

from django.contrib import admin
from django.db import models

from finetuning.models import BasePrice, BaseRetirement
from finetuning.operators import OperatorAdmin

HTTPS_ASSUMED: dict[Any, Any] = {models.URLField: {"assume_scheme": "https"}}


@admin.register(BasePrice)
class BasePriceAdmin(OperatorAdmin):
    """The price book. A new price is a new row with its first day: the old one stays, for older jobs."""

    list_display = (
        *("base_model", "provider_kind", "valid_from", "training_usd", "input_usd", "cached_input_usd"),
        *("output_usd", "source_url"),
    )
    list_filter = ("provider_kind", "base_model")
    search_fields = ("base_model", "source_url")
    date_hierarchy = "valid_from"
    ordering = ("provider_kind", "base_model", "-valid_from")
    formfield_overrides = HTTPS_ASSUMED
    save_as = True


@admin.register(BaseRetirement)
class BaseRetirementAdmin(OperatorAdmin):
    list_display = ("base_model", "provider_kind", "retires_on", "source_url")
    list_filter = ("provider_kind",)
    search_fields = ("base_model", "source_url")
    date_hierarchy = "retires_on"
    ordering = ("provider_kind", "base_model")
    formfield_overrides = HTTPS_ASSUMED
