"""The page between the password and the operators' site."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.errors import Refused
from finetuning.models import User
from finetuning.second_factor import services
from finetuning.second_factor.forms import CodeForm


def _operator(request: HttpRequest) -> User:
    user = cast(User, request.user)
    if not user.is_staff:
        raise Http404
    return user


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def show_second_factor(request: HttpRequest) -> HttpResponse:
    """Asks an operator for a code; where none is set up yet, offers that."""
    factor = services.find_factor(_operator(request))
    form = CodeForm(request.POST if request.method == "POST" else None)
    if factor is not None and form.is_valid():
        try:
            services.show_factor(request, factor, code=form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal.message)
        else:
            return redirect("admin:index")
    context = {"form": form, "factor": factor, "is_new": factor is None or factor.confirmed_at is None}
    status = 422 if form.errors else 200
    return render(request, "finetuning/second_factor.html", context, status=status)


@require_POST
@login_required
def begin_second_factor(request: HttpRequest) -> HttpResponse:
    """Draw a secret, which the page then shows until a code has confirmed it."""
    services.begin_factor(_operator(request))
    messages.success(request, "Enter the key in your app, then the code that it shows.")
    return redirect("second-factor")
