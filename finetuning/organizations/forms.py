"""What the pages ask about an organization, its workspaces and the person."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm

from finetuning.models import AuditEntryQuerySet


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


AUDITED_KINDS = {
    "organization": "Organization",
    "membership": "Members and tokens",
    "user": "People and sign-ins",
    "invitation": "Invitations",
    "workspace": "Workspaces",
    "provideraccount": "Provider accounts",
    "apikey": "API keys",
    "webhookendpoint": "Webhooks",
    "dataset": "Datasets",
    "job": "Jobs",
    "finetunedmodel": "Models",
    "agent": "Agents",
}


class AuditForm(forms.Form):
    """What the audit is filtered by. Days are those of UTC."""

    who = forms.UUIDField(required=False)
    what = forms.ChoiceField(choices=[("", "Everything"), *AUDITED_KINDS.items()], required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput({"type": "date"}))
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, people: list[tuple[str, str]]) -> None:
        super().__init__(data)
        given = data.get("who", "")
        former = [(given, "A former member")] if given not in ("", *dict(people)) else []
        self.fields["who"].widget = forms.Select(choices=[("", "Everybody"), *people, *former])

    def found(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        """The entries that the valid input asks for, newest first."""
        asked = self.cleaned_data
        if asked["who"]:
            entries = entries.filter(actor=asked["who"])
        if asked["what"]:
            entries = entries.filter(target_type=asked["what"])
        if asked["before"]:
            entries = entries.filter(pk__lt=asked["before"])
        day_after = asked["until"] + timedelta(days=1) if asked["until"] else None
        return entries.between(_start(asked["since"]), _start(day_after)).newest_first()


def _start(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


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


class EndSignInForm(forms.Form):
    sign_in = forms.UUIDField()


class EndSessionForm(forms.Form):
    session = forms.UUIDField()


class PasswordForm(PasswordChangeForm):
    """Django's, on a page that has another form before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["old_password"].widget.attrs["autofocus"]
