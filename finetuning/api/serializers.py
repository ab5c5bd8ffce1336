"""camelCase outside, snake_case inside: the border is one mixin, and it never touches the keys of values."""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import Field
from rest_framework.utils.html import is_html_input

from finetuning.api.examples import example
from finetuning.api.fields import StoredTimeField
from finetuning.api.json_types import mistyped
from finetuning.models import User


def camel_case(name: str) -> str:
    """`total_size_bytes` as `totalSizeBytes`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


class CamelCaseMixin(serializers.Serializer[Any]):
    """Gives each declared field its name in camelCase. A SerializerMethodField must say its method's name."""

    def get_fields(self) -> dict[str, Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for name, field in fields.items():
            if field.source is None and camel_case(name) != name:
                field.source = name
        return {camel_case(name): field for name, field in fields.items()}


class StrictSerializer(serializers.Serializer[Any]):
    """Input in which a field that is not known is refused, as a misspelt one must not be ignored, and in JSON
    a value of another type.
    """

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        values = None
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            errors = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            expected = f"Known are: {', '.join(known)}." if known else "None is expected."
            for name in [name for name in data if name not in (*known, "csrfmiddlewaretoken")]:
                errors[name] = [ErrorDetail(f"Unknown field. {expected}", code="unknown_field")]
            errors |= self.mistyped(data)
        if errors:
            raise ValidationError(errors)
        return values

    def mistyped(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Errors by field; a form has only text."""
        return {} if is_html_input(data) else mistyped(self.fields, data)


class Serializer(CamelCaseMixin, StrictSerializer):
    """The body of a request, or an answer that is no row."""


class QuerySerializer(CamelCaseMixin, StrictSerializer):
    """Filters in the query of a list. Names and values are those of the queryset's `filter`."""

    def mistyped(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """None: a query has only text."""
        return {}


class ModelSerializer(CamelCaseMixin, serializers.ModelSerializer[Any]):
    """A row in an answer. It is never used to write: input has plain serializers."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: StoredTimeField,
    }

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Each value in the shortest way, by its path: a page of 20 jobs has 800. None stays None."""
        return {
            name: None if (value := read(instance)) is None else write(value)
            for name, read, write in self._readers
        }

    @cached_property
    def _readers(self) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
        readable = [(name, field) for name, field in self.fields.items() if not field.write_only]
        return [(name, _reader_of(field), field.to_representation) for name, field in readable]


def _reader_of(field: Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    """A function that gets the field's value of a row; `*` is the row itself."""
    if type(field).get_attribute is not Field.get_attribute:
        return field.get_attribute
    path = ".".join(field.source_attrs)
    return attrgetter(path) if path else _itself


def _itself(row: Any) -> Any:
    return row


@cache
def _writer(serializer_class: type[ModelSerializer]) -> ModelSerializer:
    return serializer_class()


def represent(serializer_class: type[ModelSerializer], row: Any) -> dict[str, Any]:
    """The row as it stands in an answer, by a serializer that needs no context.

    REST framework makes all fields anew for each serializer, which takes longer than a row.
    """
    return _writer(serializer_class).to_representation(row)


class PersonSerializer(ModelSerializer):
    name = serializers.CharField(source="display_name")

    class Meta:
        model = User
        fields = ("id", "email", "name")
        read_only_fields = fields


@example({"name": "Support answers, cleaned", "description": "Without the doubles"})
class NameAndDescriptionSerializer(Serializer):
    """What a user may change of a row."""

    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
