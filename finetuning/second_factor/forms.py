"""What the pages ask for: a password to begin with, then codes."""

from typing import Any

from django import forms

from finetuning.sign_in import MAX_PASSWORD_LENGTH


class BeginForm(forms.Form):
    password = forms.CharField(
        label="Your password",
        max_length=MAX_PASSWORD_LENGTH,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password", "autofocus": True}),
    )


class CodeForm(forms.Form):
    code = forms.RegexField(
        r"^\s*[0-9]{3}\s?[0-9]{3}\s*$",
        strip=True,
        label="Code of the app",
        error_messages={"invalid": "Enter the six digits that the app shows."},
        widget=forms.TextInput(
            {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 7, "autofocus": True}
        ),
    )

    def clean_code(self) -> str:
        return "".join(self.cleaned_data["code"].split())


class RemoveForm(CodeForm):
    """The same on a page that has other forms before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["code"].widget.attrs["autofocus"]
