"""The page between the password and everything else."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.errors import Refused
from finetuning.models import SecondFactor, User
from finetuning.second_factor import services
from finetuning.second_factor.forms import BeginForm, CodeForm


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def show_second_factor(request: HttpRequest) -> HttpResponse:
    """Asks for a code; where none is set up yet, offers that."""
    user = cast(User, request.user)
    factor = services.find_factor(user)
    form = CodeForm(request.POST if factor and request.method == "POST" else None)
    if factor is not None and form.is_valid():
        is_new = factor.confirmed_at is None
        try:
            services.show_factor(request, factor, code=form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal.message)
        else:
            if is_new:
                messages.success(request, "Your second factor is set up. You are signed out everywhere else.")
            return redirect(_following(request))
    return _show(request, factor, form=form)


def _show(request: HttpRequest, factor: SecondFactor | None, *, form: CodeForm | BeginForm) -> HttpResponse:
    context = {
        "form": form if factor or form.errors else BeginForm(),
        "factor": factor,
        "is_new": factor is None or factor.confirmed_at is None,
        "is_needed": not services.lets_in(request),
        "next": _following(request),
    }
    status = 422 if form.errors else 200
    return render(request, "finetuning/second_factor.html", context, status=status)


def _following(request: HttpRequest) -> str:
    """Where it goes on afterwards: what was asked for at first, if that is a page of this host."""
    asked = request.POST.get("next", request.GET.get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)


@sensitive_post_parameters("password")
@require_POST
@login_required
def begin_second_factor(request: HttpRequest) -> HttpResponse:
    """Draw a secret, which the page then shows until a code has confirmed it."""
    user, form = cast(User, request.user), BeginForm(request.POST)
    if services.find_factor(user) is not None:
        return redirect(services.page_of(_following(request)))
    if form.is_valid():
        try:
            services.ask_for_factor(user, password=form.cleaned_data["password"])
        except Refused as refusal:
            form.add_error("password", refusal.message)
        else:
            messages.success(request, "Enter the key in your app, then the code that it shows.")
            return redirect(services.page_of(_following(request)))
    return _show(request, None, form=form)
