"""What the forms about datasets have in common."""

from typing import Any

from django import forms

from finetuning.errors import Refused


class ServiceForm(forms.Form):
    """Asks for what one function of the services takes."""

    def columns(self) -> dict[str, Any]:
        """The valid input as arguments of the service."""
        return self.cleaned_data

    def add_refusal(self, refusal: Refused) -> None:
        """Show what a service refused beside the field that it concerns."""
        field = refusal.pointer.removeprefix("/")
        self.add_error(field if field in self.fields else None, refusal.message)
