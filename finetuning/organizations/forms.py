"""What the pages ask about an organization, its workspaces and the person."""

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)


class SpendingForm(forms.Form):
    monthly_cap_usd = forms.DecimalField(
        label="Cap for a month in US dollars",
        min_value=0,
        max_digits=12,
        decimal_places=2,
        required=False,
        help_text="What calls through the gateway may cost. Empty: no cap. At 80 % webhooks are told.",
    )


class DeleteForm(forms.Form):
    name = forms.CharField(
        label="Name of the organization",
        max_length=200,
        strip=False,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class ProfileForm(forms.Form):
    name = forms.CharField(
        label="Your name", max_length=150, required=False, widget=forms.TextInput({"autocomplete": "name"})
    )


class PasswordForm(PasswordChangeForm):
    """Django's, on a page that has another form before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["old_password"].widget.attrs["autofocus"]
