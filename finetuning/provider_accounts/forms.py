"""What the pages ask about a provider account."""

from typing import Any

from django import forms

from finetuning.errors import Refused
from finetuning.models import ProviderAccount

FIELD_OF_POINTER = {"/name": "name", "/baseUrl": "base_url", "/apiKey": "api_key"}
MAX_BASE_MODELS = 100


class AccountForm(forms.Form):
    name = forms.SlugField(
        max_length=50, help_text="What jobs call it: small letters, digits and dashes, such as openai."
    )
    base_url = forms.CharField(
        label="Address",
        max_length=200,
        required=False,
        widget=forms.TextInput({"inputmode": "url", "placeholder": "https://api.example.com/v1"}),
        help_text="Of its API. Leave it empty for OpenAI, Nebius and the sandbox: theirs are known.",
    )
    api_key = forms.CharField(
        label="API key",
        max_length=1000,
        required=False,
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Stored encrypted and never shown again. A saved key stays when you leave this empty; "
        "another address takes the key again.",
    )
    base_models = forms.CharField(
        label="Further base models",
        required=False,
        widget=forms.Textarea({"rows": 3, "placeholder": "Qwen/Qwen3-32B"}),
        help_text="One a line: what it fine-tunes besides the models that are known anyway.",
    )
    is_default = forms.BooleanField(
        label="Default", required=False, help_text="Used for jobs that name no provider."
    )
    is_enabled = forms.BooleanField(
        label="Switched on", required=False, initial=True, help_text="Off: it takes no new jobs."
    )

    def clean_base_models(self) -> list[str]:
        lines = self.cleaned_data["base_models"].splitlines()
        names = list(dict.fromkeys(name for line in lines if (name := line.strip())))
        if len(names) > MAX_BASE_MODELS or any(len(name) > 200 for name in names):
            raise forms.ValidationError(f"At most {MAX_BASE_MODELS} names of 200 characters.")
        return names

    def add_refusal(self, refusal: Refused) -> None:
        self.add_error(FIELD_OF_POINTER.get(refusal.pointer), refusal.message)

    def columns(self) -> dict[str, Any]:
        """The valid input, by the names of the services."""
        return self.cleaned_data


class NewAccountForm(AccountForm):
    field_order = ("name", "kind")
    kind = forms.ChoiceField(choices=ProviderAccount.Kind.choices, initial=ProviderAccount.Kind.OPENAI)


def saved_values(account: ProviderAccount) -> dict[str, Any]:
    """What the form shows of a saved account: everything but the key."""
    return {
        "name": account.name,
        "base_url": account.base_url,
        "base_models": "\n".join(account.base_models),
        "is_default": account.is_default,
        "is_enabled": account.is_enabled,
    }
