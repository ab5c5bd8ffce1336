"""What the pages ask about a model."""

from typing import Any

from django import forms


class DeployForm(forms.Form):
    agent_id = forms.CharField(
        label="For the agent",
        max_length=200,
        required=False,
        help_text="The id of the agent that will call it, if it is for one only.",
    )


class TryForm(forms.Form):
    """A question to a model."""

    system = forms.CharField(
        label="System prompt",
        max_length=20_000,
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="Leave empty if the training examples had none.",
    )
    message = forms.CharField(max_length=100_000, widget=forms.Textarea({"rows": 4}))

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """The valid input as chat messages."""
        system, message = self.cleaned_data["system"], self.cleaned_data["message"]
        before = [{"role": "system", "content": system}] if system else []
        return [*before, {"role": "user", "content": message}]
