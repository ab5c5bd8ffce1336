"""What the pages ask about a webhook endpoint."""

from typing import Any

from django import forms

from finetuning.addresses import MAX_URL_LENGTH
from finetuning.webhooks.events import EVENT_TYPES


class EndpointForm(forms.Form):
    url = forms.CharField(
        label="URL",
        max_length=MAX_URL_LENGTH,
        widget=forms.TextInput({"inputmode": "url", "placeholder": "https://"}),
        help_text="Of a server on the public internet. It gets a POST for each event.",
    )
    description = forms.CharField(max_length=200, required=False)
    event_types = forms.MultipleChoiceField(
        label="Events",
        choices=[(name, f"{words} ({name})") for name, words in EVENT_TYPES.items()],
        widget=forms.CheckboxSelectMultiple,
    )
    is_enabled = forms.BooleanField(
        label="Switched on", required=False, initial=True, help_text="Off: nothing is sent to it."
    )

    def columns(self) -> dict[str, Any]:
        """The valid input, by the names of the services."""
        return self.cleaned_data
