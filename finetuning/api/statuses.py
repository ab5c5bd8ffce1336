"""Which errors each operation answers, in the description of the API.

Most follow from what an operation takes: a row's id, a body, a header. What does not is declared on its view
as `refusals`, by action (or by method, where the view has no actions).
"""

from collections.abc import Iterator
from typing import Any

from finetuning.api.errors import problem

PROBLEM = {
    "type": "object",
    "description": "An error, by RFC 9457. `code` is stable, `detail` is for people.",
    "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "description": "Says where by one of `pointer`, `parameter` and `header`.",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer (RFC 6901) into the body; empty: all of it.",
                    },
                    "parameter": {"type": "string", "description": "Name of the query parameter."},
                    "header": {"type": "string", "description": "Name of the header."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
# Status: the response's name, when it comes, an example's `code` and `detail`.
PROBLEMS = {
    400: (
        "BadRequest",
        "The input is wrong; `errors` say where.",
        "invalid",
        "name: This field is required.",
    ),
    401: ("Unauthorized", "No token, or one that counts no more.", "token_not_valid", "Sign in again."),
    403: (
        "Forbidden",
        "Takes a higher role, or the organization is suspended (`organization_suspended`).",
        "role_too_low",
        "This takes the role admin or higher.",
    ),
    404: ("NotFound", "Nothing there, or nothing that you may see.", "not_found", "There is nothing here."),
    406: (
        "NotAcceptable",
        "`Accept` names no type that we give.",
        "not_acceptable",
        "Accept application/json.",
    ),
    409: ("Conflict", "Not in this state.", "conflict", "The job has ended already."),
    412: ("PreconditionFailed", "Changed since you read it.", "precondition_failed", "Read it again."),
    413: ("ContentTooLarge", "More bytes than are allowed.", "too_large", "The request body is too large."),
    415: ("UnsupportedMediaType", "A type that is not read.", "unsupported_media_type", "Send JSON."),
    422: (
        "KeyReused",
        "An `Idempotency-Key` of another request.",
        "idempotency_key_reused",
        "Take a new key.",
    ),
    429: (
        "TooManyRequests",
        "Wait for `Retry-After` seconds.",
        "too_many_requests",
        "Try again in 12 seconds.",
    ),
    500: ("ServerError", "A fault of ours. Report the `requestId`.", "server_error", "Something went wrong."),
    502: ("BadGateway", "The provider did not do it.", "provider_failed", "The provider did not answer."),
}
HEADERS = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "Names the request in our logs."},
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
EXAMPLE_REQUEST_ID = "0199f3a2-5c1e-7d40-8a6b-2f9d1c7e4b03"
WHERE = {400: [{"pointer": "/name", "code": "required", "detail": "This field is required."}]}
# What the header of a request may lead to.
LED_TO_BY_HEADER = {"If-None-Match": (304,), "If-Match": (412,), "Idempotency-Key": (409, 422)}


def add_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: the answers that operations refer to."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {name: _response(status) for status, (name, *_) in PROBLEMS.items()}
    components["responses"]["NotModified"] = {"description": "You have it already.", "headers": HEADERS}
    return result


def close_bodies(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: bodies have no other fields; StrictSerializer refuses them."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request") and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return result


def _response(status: int) -> dict[str, Any]:
    _, description, code, detail = PROBLEMS[status]
    example = problem(
        status, code=code, detail=detail, errors=WHERE.get(status, []), request_id=EXAMPLE_REQUEST_ID
    )
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "headers": HEADERS | (RETRY_AFTER if status in (409, 429) else {}),
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }


def refusals(operation: dict[str, Any], *, view: Any, path: str, action: str) -> dict[str, dict[str, str]]:
    """The error answers of an operation, as references by status."""
    statuses = {*_implied(operation, view, path), *getattr(view, "refusals", {}).get(action, ())}
    names = {304: "NotModified"} | {status: name for status, (name, *_) in PROBLEMS.items()}
    return {str(status): {"$ref": f"#/components/responses/{names[status]}"} for status in sorted(statuses)}


def _implied(operation: dict[str, Any], view: Any, path: str) -> Iterator[int]:
    yield from (400, 406, 500)
    if view.get_authenticators():
        yield from (401, 403, 429)
    if "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from (413, 415)
    for parameter in operation.get("parameters", []):
        yield from LED_TO_BY_HEADER.get(parameter["name"], ())
