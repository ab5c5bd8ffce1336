"""The description of the API and the pages that show it."""

from functools import cache
from typing import Any

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.encoding import force_bytes
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


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


class SchemaView(SpectacularAPIView):
    """The description. For each media type a process makes it once: it takes a third of a second, and is the
    same for everybody and all parameters.
    """

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        file_name = f"{spectacular_settings.TITLE}.{renderer.format}"
        headers = {"Content-Disposition": f'inline; filename="{file_name}"'}
        content_type = f"{renderer.media_type}{charset}"
        return HttpResponse(_described(type(renderer)), content_type=content_type, headers=headers)


@cache
def _described(renderer: type[BaseRenderer]) -> bytes:
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return force_bytes(renderer().render(schema))


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
