"""What the pages ask about a model."""

from typing import Any

from django import forms

from finetuning.choices import offer_newest
from models_registry.models import Agent, ApiKey
from models_registry.models.agents import check_name


class DeployForm(forms.Form):
    agent_id = forms.CharField(
        label="For the agent",
        max_length=100,
        required=False,
        validators=[check_name],
        help_text="The name that applications call, such as support-bot. A new name makes a new agent.",
    )


class AgentForm(forms.ModelForm[Agent]):
    """A new agent. Which model it points at is a deployment, not a field."""

    class Meta:
        model = Agent
        fields = ("name", "description")
        help_texts = {"name": "What applications send as the model, such as support-bot. It never changes."}
        widgets = {"description": forms.Textarea({"rows": 2})}


class SplitForm(forms.Form):
    """How an agent's calls are divided."""

    second_model: Any = forms.ModelChoiceField(
        None, required=False, empty_label="No second model", label="Second model"
    )
    second_share = forms.IntegerField(
        min_value=0, max_value=100, initial=0, label="Its share", help_text="How many of 100 calls it gets."
    )

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = agent.organization.fine_tuned_models.filter(status="active").exclude(agents=agent)
        offer_newest(self, "second_model", models)


class AgentSettingsForm(forms.ModelForm[Agent]):
    """What happens when the model fails, and what is kept of the calls."""

    class Meta:
        model = Agent
        fields = (
            *("description", "falls_back_to_base", "fallback_model"),
            *("recording", "recorded_percent", "retention_days"),
        )
        labels = {
            "falls_back_to_base": "Fall back to the base model",
            "fallback_model": "Or fall back to",
            "recording": "Recorded as conversations",
            "recorded_percent": "Percent of them",
            "retention_days": "Kept for days",
        }
        help_texts = {
            "recording": "Consent is told by the header X-Attune-Consent: yes of a call.",
            "retention_days": "Empty: until somebody deletes them.",
        }
        widgets = {"description": forms.Textarea({"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = self.instance.organization.fine_tuned_models.filter(status="active")
        offer_newest(self, "fallback_model", models)
        self.fields["fallback_model"].empty_label = "No other model"  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("falls_back_to_base") and values.get("fallback_model"):
            self.add_error("fallback_model", "Choose this or the base model, not both.")
        return values


class ApiKeyForm(forms.ModelForm[ApiKey]):
    """A new key. What is left empty is not limited."""

    class Meta:
        model = ApiKey
        fields = ("name", "agents", "workspaces", "requests_per_minute", "tokens_per_minute")
        help_texts = {
            "name": "Where the key will be used, such as Help desk, production.",
            "agents": "None chosen: every agent, and models by their id.",
            "workspaces": "None chosen: every workspace.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        organization = self.instance.organization
        offer_newest(self, "agents", organization.agents.all())
        self.fields["workspaces"].queryset = organization.workspaces.order_by("name")  # type: ignore[attr-defined]
