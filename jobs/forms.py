"""What the wizard asks before a job is made."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms

from datasets.models import Dataset
from finetuning.errors import Refused
from finetuning.models import Organization, ProviderAccount
from finetuning.offers import Offer, list_offers

# The services' names for what is wrong -> our fields; what is not here concerns the form as a whole.
FIELDS = {"/baseModel": "base_model", "/provider": "provider", "/validationSplit": "validation_percentage"}
AUTO = {"placeholder": "auto"}


class DatasetForm(forms.Form):
    """Step 1: a dataset that can be trained on."""

    dataset: "forms.ModelChoiceField[Dataset]" = forms.ModelChoiceField(
        queryset=None,
        widget=forms.HiddenInput,
        error_messages={
            "invalid_choice": "That dataset cannot be trained on: it was deleted, has errors, or is still "
            "being read. Choose another one."
        },
    )

    def __init__(self, data: Any, *, organization: Organization) -> None:
        super().__init__(data)
        self.fields["dataset"].queryset = organization.datasets.trainable()  # type: ignore[attr-defined]


class JobForm(forms.Form):
    """Step 2: everything about the job but its dataset. An empty number is left to the provider."""

    name = forms.CharField(max_length=200, help_text="Also the name of the model that comes out.")
    base_model = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={
            "invalid_choice": "%(value)s cannot be trained on this dataset, or no longer. Choose another one."
        },
    )
    provider = forms.ChoiceField(
        label="Provider account",
        error_messages={"invalid_choice": "There is no provider account %(value)s. Choose another one."},
    )
    n_epochs = forms.IntegerField(
        label="Epochs",
        min_value=1,
        max_value=50,
        required=False,
        widget=forms.NumberInput(AUTO),
        help_text="How often the model sees each example, 1 to 50.",
    )
    batch_size = forms.IntegerField(
        min_value=1,
        max_value=256,
        required=False,
        widget=forms.NumberInput(AUTO),
        help_text="Examples per step, 1 to 256.",
    )
    learning_rate_multiplier = forms.FloatField(
        min_value=0.0001,
        max_value=100,
        required=False,
        widget=forms.NumberInput(AUTO | {"step": "any"}),
        help_text="Above 0. Larger learns faster and forgets more.",
    )
    validation_percentage = forms.IntegerField(
        label="Held back for validation (%)",
        min_value=0,
        max_value=50,
        required=False,
        help_text="Examples that are not trained on but measured, 0 to 50 percent.",
    )
    suffix = forms.CharField(
        max_length=64, required=False, help_text="Becomes part of the model's id at the provider."
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        widget=forms.NumberInput({"placeholder": "random"}),
        help_text="The same seed splits the examples the same way.",
    )
    description = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea({"rows": 2}), help_text="For your team."
    )

    def __init__(
        self, sent: Mapping[str, Any], *, organization: Organization, dataset: Dataset, today: date
    ) -> None:
        """Take what was sent, and for what was not: the dataset's name, the first account and base model."""
        self.accounts = list(organization.provider_accounts.enabled())
        self.offers = _trainable_offers(self._asked_account(sent), method=dataset.method, today=today)
        defaults = {
            "name": dataset.name,
            "base_model": self.offers[0].base_model.name if self.offers else "",
            "provider": self.accounts[0].name if self.accounts else "",
            "validation_percentage": 0,
        }
        super().__init__({**defaults, **sent})
        # The label is the offer itself, so that the page can show its price.
        self.fields["base_model"].choices = [(offer.base_model.name, offer) for offer in self.offers]  # type: ignore[attr-defined]
        self.fields["provider"].choices = [(account.name, account.name) for account in self.accounts]  # type: ignore[attr-defined]

    def _asked_account(self, sent: Mapping[str, Any]) -> ProviderAccount | None:
        """The account whose offers are shown: the chosen one, or else the first."""
        chosen = [account for account in self.accounts if account.name == sent.get("provider")]
        return next(iter(chosen or self.accounts), None)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The ones that were given, by the API's names."""
        names = ("n_epochs", "batch_size", "learning_rate_multiplier")
        given = {name: self.cleaned_data.get(name) for name in names}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def validation_split(self) -> float:
        return (self.cleaned_data.get("validation_percentage") or 0) / 100

    @property
    def account(self) -> ProviderAccount:
        """The chosen account. Raises StopIteration when none was validly chosen."""
        return next(account for account in self.accounts if account.name == self.cleaned_data["provider"])

    @property
    def chosen_offer(self) -> Offer:
        """The chosen base model. Raises StopIteration when none was validly chosen."""
        chosen = self.cleaned_data["base_model"]
        return next(offer for offer in self.offers if offer.base_model.name == chosen)

    def add_refusal(self, refusal: Refused) -> None:
        """Show what a service refused beside the field that it concerns."""
        self.add_error(FIELDS.get(refusal.pointer), refusal.message)

    def job_columns(self) -> dict[str, Any]:
        """The valid input as arguments of `create_job`."""
        columns = ("name", "base_model", "provider", "suffix", "seed", "description")
        return {
            **{column: self.cleaned_data[column] for column in columns},
            "hyperparameters": self.hyperparameters,
            "validation_split": self.validation_split,
        }


def _trainable_offers(account: ProviderAccount | None, *, method: str, today: date) -> list[Offer]:
    """What the account can train by `method` today. Retired ones are left out."""
    if account is None or method not in account.capabilities.methods:
        return []
    offers = list_offers(account, day=today)
    return [offer for offer in offers if method in offer.base_model.methods and not offer.is_retired]
