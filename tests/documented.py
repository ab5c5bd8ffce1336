"""Every answer of the API in the whole suite has a status that its operation documents."""

import functools
import threading

from drf_spectacular.generators import SchemaGenerator

UNDESCRIBED_ROUTES = {"api-schema", "api-docs", "api-redoc", "api-unknown-path"}
# The generator finds out about optional packages at its first run, which no two threads may do at once.
_first_run = threading.Lock()


def documented_statuses():
    """`{path: {method: statuses}}` of the description."""
    with _first_run:
        return _documented_statuses()


@functools.cache
def _documented_statuses():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        path: {
            method: {int(status) for status in operation["responses"]}
            for method, operation in methods.items()
        }
        for path, methods in paths.items()
    }


def path_template(match):
    # The description names the row's id `id`, the route `pk`.
    route = "/" + match.route
    for converter in ("uuid", "str"):
        route = route.replace(f"<{converter}:pk>", "{id}").replace(f"<{converter}:", "{").replace(">", "}")
    return route


class DocumentedStatusMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        match = request.resolver_match
        # A page of the API says 200 where the answer that it shows is 204.
        if is_page(response) or not match or not request.path.startswith("/api/"):
            return response
        if match.url_name not in UNDESCRIBED_ROUTES:
            check_status(request.method.lower(), path_template(match), response.status_code)
        return response


def is_page(response):
    return response.get("Content-Type", "").startswith("text/html")


def check_status(method, path, status):
    if method in ("head", "options"):
        return
    # A method that the path does not take is 405; who may not come in at all is told that first.
    documented = documented_statuses()[path].get(method, {401, 403, 405, 406})
    if status not in documented:
        raise AssertionError(f"{method} {path} answered {status}, which is not documented")
