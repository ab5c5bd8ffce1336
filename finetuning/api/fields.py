"""Fields that our input needs beside those of REST framework."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_date
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError


class RelatedListField(serializers.ManyRelatedField):
    """Ids in a list; REST framework's own does not say which of them is wrong."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        rows, errors = [], {}
        for index, item in enumerate(data):
            try:
                rows.append(self.child_relation.to_internal_value(item))
            except ValidationError as error:
                errors[index] = error.detail
        if errors:
            raise ValidationError(errors)
        return rows


class OwnedRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of a row of my organization. A foreign id is answered like one that does not exist."""

    default_error_messages = {
        "does_not_exist": "There is no such row in this organization, or it was deleted.",
        "incorrect_type": "Give the id as text.",
    }

    def __init__(self, *, relation: str, **kwargs: Any) -> None:
        self.relation = relation
        super().__init__(pk_field=serializers.UUIDField(), **kwargs)

    @classmethod
    def many_init(cls, **kwargs: Any) -> RelatedListField:
        child = cls(relation=kwargs.pop("relation"))
        kwargs.pop("many", None)
        return RelatedListField(child_relation=child, **kwargs)

    def get_queryset(self) -> QuerySet[Model]:
        queryset: QuerySet[Model] = getattr(self.context["request"].organization, self.relation).all()
        return queryset


class NumberField(serializers.FloatField):
    """A JSON number; REST framework would also take the text "nan"."""

    default_error_messages = {"invalid": "Give a number."}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class TimeField(serializers.DateTimeField):
    """A moment; Python would also read the digits of other scripts."""

    def to_internal_value(self, value: Any) -> datetime:
        if isinstance(value, str) and not value.isascii():
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return super().to_internal_value(value)


class StoredTimeField(serializers.DateTimeField):
    """A moment of a row. REST framework's own looks for the current time zone at each value."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


class DayField(serializers.DateField):
    """A day; Python would also read the digits of other scripts."""

    def to_internal_value(self, value: Any) -> date:
        if isinstance(value, str) and not value.isascii():
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


@extend_schema_field(
    {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
)
class DayOrTimeField(TimeField):
    """A moment, or a day as `2026-01-31`: then `time_of_day` says which moment of it, in UTC, is meant."""

    def __init__(self, *, time_of_day: time, **kwargs: Any) -> None:
        self.time_of_day = time_of_day
        super().__init__(**kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        if isinstance(value, str) and value.isascii() and len(value) == len("2026-01-31"):
            try:
                day = parse_date(value)
            except ValueError:
                day = None
            if day:
                return datetime.combine(day, self.time_of_day, UTC)
        return super().to_internal_value(value)
