"""Types of JSON: REST framework takes a number for text, and text for a number or a truth."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...], str], ...] = (
    (serializers.CharField, (str,), "Give text."),
    (serializers.ChoiceField, (str,), "Give text."),
    (serializers.UUIDField, (str,), "Give the id as text."),
    (serializers.DateTimeField, (str,), "Give the time as text."),
    (serializers.BooleanField, (bool,), "Give true or false."),
    # 3.0 is a whole number in JSON Schema.
    (serializers.IntegerField, (int, float), "Give a whole number."),
    (serializers.DecimalField, (int, float), "Give a number."),
)


def mistyped(
    fields: Mapping[str, serializers.Field[Any, Any, Any, Any]], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The errors of those values of a JSON object that are of another type than their field, by name."""
    found = {name: _wrong(field, data[name]) for name, field in fields.items() if name in data}
    return {name: wrong for name, wrong in found.items() if wrong}


def _wrong(field: serializers.Field[Any, Any, Any, Any], value: Any) -> list[ErrorDetail] | dict[Any, Any]:
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        items = {index: _wrong(field.child, item) for index, item in enumerate(value)}
        return {index: wrong for index, wrong in items.items() if wrong}
    if isinstance(field, serializers.DictField) and isinstance(value, dict):
        members = {name: _wrong(field.child, item) for name, item in value.items()}
        return {name: wrong for name, wrong in members.items() if wrong}
    if value is None:
        return []
    for kind, types, expected in TYPES:
        if isinstance(field, kind) and not isinstance(value, types):
            return [ErrorDetail(expected, code="invalid")]
    return []
