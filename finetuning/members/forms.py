"""What the pages ask about members."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts

from finetuning.models import Role

MEANINGS = {
    Role.VIEWER: "Viewer: looks at everything, changes nothing",
    Role.MEMBER: "Member: uploads, trains, deploys",
    Role.ADMIN: "Admin: also manages members, providers, keys and webhooks",
    Role.OWNER: "Owner: also deletes",
}


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail", max_length=254)
    role = forms.ChoiceField(widget=forms.RadioSelect, initial=Role.MEMBER)

    def __init__(self, data: Any = None, *, roles: list[Role]) -> None:
        super().__init__(data)
        self.fields["role"].choices = [(role, MEANINGS[role]) for role in roles]  # type: ignore[attr-defined]


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class NewAccountForm(forms.Form):
    """Who comes with an invitation and has no account yet."""

    name = forms.CharField(
        label="Your name", max_length=150, widget=forms.TextInput({"autocomplete": "name"})
    )
    password = forms.CharField(
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()),
    )
