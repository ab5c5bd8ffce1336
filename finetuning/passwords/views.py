"""The way back in: asking for a link, and choosing a password where it leads."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from finetuning.errors import TooMany
from finetuning.passwords import services
from finetuning.passwords.forms import ForgottenForm, NewPasswordForm

SENT = (
    "If there is an account with this e-mail, a link to choose a new password is on its way. "
    "It is good for an hour."
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forget_password(request: HttpRequest) -> HttpResponse:
    """Ask for a link; the answer is the same whether there is an account or not."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if settings.EMAIL_IS_SENT and form.is_valid():
        page = request.build_absolute_uri(reverse("forgotten-password"))
        try:
            services.ask_for_link(form.cleaned_data["email"], request=request, page=page)
        except TooMany as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, SENT)
            return redirect("login")
    context = {"form": form, "email_is_sent": settings.EMAIL_IS_SENT}
    status = 422 if form.errors else 200
    return render(request, "registration/forgotten_password.html", context, status=status)


class NewPassword(SuccessMessageMixin, PasswordResetConfirmView):  # type: ignore[type-arg]
    """Django's page behind the link, which keeps the token out of the address while somebody types."""

    form_class = NewPasswordForm
    template_name = "registration/new_password.html"
    success_url = reverse_lazy("login")
    success_message = "Your password is changed. You are signed out everywhere: sign in with the new one."

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        # It may be one of those that have just ended, which cannot be written to any more.
        self.request.session.flush()
        return answer


# Where the link is not valid Django's view answers any method.
choose_password = require_http_methods(["GET", "HEAD", "POST"])(NewPassword.as_view())
