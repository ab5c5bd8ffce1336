"""The description of the API and the pages that show it."""

from typing import Any

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

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
PROBLEM_EXAMPLE = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "code": "invalid",
    "detail": "name: This field is required.",
    "requestId": "0199f3a2-5c1e-7d40-8a6b-2f9d1c7e4b03",
    "errors": [{"pointer": "/name", "code": "required", "detail": "This field is required."}],
}


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "finetuning.api.authentication.OrganizationJWTAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`access` of POST /api/auth/token.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "finetuning.api.authentication.OrganizationSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "The web sign-in."}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation its error answers; drf-spectacular knows only of the good ones."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    content = {
        "application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": PROBLEM_EXAMPLE,
        }
    }
    named = {"X-Request-Id": {"schema": {"type": "string"}}}
    retry = {
        "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait; with 429 always."}
    }
    components["responses"] = {
        "ClientProblem": {
            "description": "Refused; says why and what to change.",
            "headers": named | retry,
            "content": content,
        },
        "ServerProblem": {
            "description": "The provider or this server failed.",
            "headers": named,
            "content": content,
        },
        "NotModified": {"description": "You have it already.", "headers": named},
    }
    for path in result["paths"].values():
        for operation in path.values():
            _add_problems_of(operation)
    return result


# What the header of a request may lead to.
ANSWERS_TO_HEADERS = {
    "If-None-Match": ("304", "NotModified"),
    "If-Match": ("412", "ClientProblem"),
    "Idempotency-Key": ("422", "ClientProblem"),
}


def _add_problems_of(operation: dict[str, Any]) -> None:
    answers = {"4XX": "ClientProblem", "5XX": "ServerProblem"}
    if "X-RateLimit-Limit" in str(operation["responses"]):
        answers["429"] = "ClientProblem"
    for parameter in operation.get("parameters", []):
        if parameter["name"] in ANSWERS_TO_HEADERS:
            status, name = ANSWERS_TO_HEADERS[parameter["name"]]
            answers[status] = name
    for status, name in answers.items():
        operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


# Both pages set styles from their scripts; nothing else is loosened, and on these pages only.
@method_decorator(csp_update({"style-src": [UNSAFE_INLINE]}), name="dispatch")
class SwaggerView(SpectacularSwaggerSplitView):
    """Swagger UI, from local files only."""

    url_name = "api-schema"


@method_decorator(
    csp_update({"style-src": [UNSAFE_INLINE], "worker-src": ["blob:"]}),
    name="dispatch",
)
class RedocView(SpectacularRedocView):
    """ReDoc, from local files only: its stock template loads fonts from elsewhere."""

    url_name = "api-schema"
    template_name = "finetuning/redoc.html"
