"""What the pages ask for a new password."""

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import PermissionDenied

from finetuning.models import User
from finetuning.passwords import services


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "email", "autofocus": True})
    )


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """Django's, which saves by the service."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature
        user: User = self.user
        try:
            services.reset_password(user, password=self.cleaned_data["new_password1"])
        except services.LinkUsed as refusal:
            raise PermissionDenied(refusal.message) from refusal
        return user
