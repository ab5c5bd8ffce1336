"""The operators' site: what they see of everything that all tenants share. Django looks for it here."""

from finetuning.admin import prices, providers, records, tenants

__all__ = ["prices", "providers", "records", "tenants"]
