"""What an operation of the API takes, by its description."""

import re
from functools import cache

from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from tests.isolation.policy import OPERATIONS

IN_PATH = re.compile(r"{\w+}")
NOBODY = "00000000-0000-0000-0000-000000000000"


@cache
def described():
    return SchemaGenerator().get_schema(request=None, public=True)


def _resolved(shape):
    reference = shape.get("$ref") or next(
        (part["$ref"] for part in shape.get("allOf", ()) if "$ref" in part), ""
    )
    return described()["components"]["schemas"][reference.rpartition("/")[2]] if reference else shape


@cache
def inputs():
    """By operation: `{"query": {name: shape}, "send": {name: shape} or None for one without a body}`."""
    return {
        f"{method.upper()} {resolve(IN_PATH.sub(NOBODY, path)).view_name}": {
            "query": {
                parameter["name"]: parameter["schema"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "query"
            },
            "send": _body(operation),
        }
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    }


def _body(operation):
    contents = operation.get("requestBody", {}).get("content", {})
    return next((dict(_resolved(content["schema"])["properties"]) for content in contents.values()), None)


def references():
    """Every input that names a row or may: `(operation, "send" or "query", name)`."""
    return [
        (name, place, field)
        for name, places in inputs().items()
        if name in OPERATIONS
        for place, fields in places.items()
        for field, shape in (fields or {}).items()
        if re.search(r"Ids?$", field) or "uuid" in str(shape)
    ]
