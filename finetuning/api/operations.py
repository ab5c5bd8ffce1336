"""The headers of each operation in the description of the API."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from finetuning.api.statuses import refusals
from finetuning.models.idempotency import MAX_KEY_LENGTH


def _sent(name: str, description: str, schema: Any = str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, description=description)


def _answered(name: str, description: str, kind: type = str, *statuses: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.HEADER, description=description, response=statuses or True
    )


REQUEST_ID = _answered("X-Request-Id", "Names the request in our logs; yours, if you sent one.")
ALLOWANCE = [
    _answered("X-RateLimit-Limit", "How many such requests are allowed in a period.", int),
    _answered("X-RateLimit-Remaining", "How many of them are left.", int),
    _answered("X-RateLimit-Reset", "Seconds until there are more.", int),
]
IDEMPOTENCY_KEY = _sent(
    "Idempotency-Key",
    "A name for this request, new for each, such as a UUID. Sent again with the same body within 24 hours, "
    "it gets the first answer again and makes nothing; with another body it is 422.",
    {"type": "string", "pattern": rf"^[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}$"},
)
REPLAYED = _answered("Idempotent-Replayed", "`true`: this is the answer to an earlier request.")
IF_MATCH = _sent("If-Match", "The ETag that you read. 412 when the row was changed since.")
IF_NONE_MATCH = _sent("If-None-Match", "The ETag that you have. 304 and empty when the row is still so.")
ETAG = _answered("ETag", "Names this state of the row.", str, "200")


class ApiSchema(AutoSchema):
    """drf-spectacular's own, with what the views of this API have in common."""

    def get_operation(self, *args: Any) -> Any:
        operation = super().get_operation(*args)
        if operation is not None:
            action = getattr(self.view, "action", None) or self.method.lower()
            operation["responses"] |= refusals(operation, view=self.view, path=self.path, action=action)
        return operation

    def get_override_parameters(self) -> list[Any]:
        action = getattr(self.view, "action", None)
        headers = [REQUEST_ID]
        if self.view.get_authenticators():
            headers += ALLOWANCE
        if action in getattr(self.view, "creating_actions", ()):
            headers += [IDEMPOTENCY_KEY, REPLAYED]
        # Only rows that can be read have an ETag.
        if hasattr(self.view, "retrieve"):
            headers += {
                "retrieve": [IF_NONE_MATCH, ETAG],
                "update": [IF_MATCH, ETAG],
                "partial_update": [IF_MATCH, ETAG],
                "destroy": [IF_MATCH],
            }.get(action or "", [])
        return [*super().get_override_parameters(), *headers]
