"""Between the password and everything else."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from finetuning.api.errors import plain_problem
from finetuning.second_factor import services

# What takes no more than the password: showing the factor, setting one up, and leaving.
OPEN = {"second-factor", "begin-second-factor", "logout"}
SAFE_METHODS = {"GET", "HEAD"}


class SecondFactorMiddleware:
    """Keeps a session that has a second factor to show, or to set up, from every other page.

    Asked anew for each request, of the user that the session has anyway: no way to sign in gets round it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        route = request.resolver_match.view_name if request.resolver_match else ""
        if route in OPEN or not request.user.is_authenticated or services.lets_in(request):
            return None
        if request.path_info.startswith("/api/"):
            return _problem(request)
        following = request.get_full_path() if request.method in SAFE_METHODS else ""
        return redirect(services.page_of(following))


def _problem(request: HttpRequest) -> HttpResponse:
    return plain_problem(
        403,
        code="second_factor_required",
        detail=f"Show your second factor at {request.build_absolute_uri(services.page_of(''))} first.",
        request_id=getattr(request, "request_id", None),
    )
