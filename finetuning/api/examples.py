"""Examples in the description of the API, one for each shape, wherever the shape is used."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

Shape = TypeVar("Shape", bound=type[Any])

ORGANIZATION_ID = "0199f3a2-5c1e-7d40-8a6b-2f9d1c7e4b03"
WORKSPACE_ID = "0199f3a2-5c1f-7a11-b0d2-4e6c8f1a3b57"
DATASET_ID = "0199f3a7-91b4-7c08-8e35-d1f0a9c2b746"
JOB_ID = "0199f3ab-2d60-7e93-9c17-5b8e4f6a0d21"
MODEL_ID = "0199f3b4-7f02-7b5d-a4e8-0c3d9b1f6e72"
PERSON = {"id": "0199f3a2-5c1b-7c22-9e01-6a3f5d2b8c90", "email": "owner@example.com", "name": "First Owner"}
CREATED_AT = "2026-11-24T09:30:00Z"
UPDATED_AT = "2026-11-24T09:30:04Z"
BASE_MODEL = "gpt-4.1-mini-2025-04-14"
MESSAGES = [
    {"role": "user", "content": "How do I reset my password?"},
    {"role": "assistant", "content": "Choose “Forgot password” on the sign-in page."},
]


def example(value: dict[str, Any]) -> Callable[[Shape], Shape]:
    """Shows `value`, in the names of the API, as the example of a serializer."""
    return extend_schema_serializer(
        examples=[OpenApiExample("Example", value=value, status_codes=["200", "201", "202"])]
    )
