"""What the wizard asks before a job is made."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from django import forms

from datasets.models import Dataset
from finetuning import strict_json
from finetuning.errors import Refused
from finetuning.models import Organization, ProviderAccount
from finetuning.offers import Offer, list_offers
from jobs import planning, wizard_texts
from jobs.models import Job
from models_registry.models import FineTunedModel

# The services' names for what is wrong -> our fields; what is not here concerns the form as a whole.
FIELDS = {
    "/baseModel": "base_model",
    "/provider": "provider",
    "/method": "method",
    "/validationSplit": "validation_percentage",
    "/grader": "grader",
    "/metadata": "metadata",
}
AUTO = {"placeholder": "auto"}
METHODS = {
    "supervised": "Supervised: learn the answers",
    "dpo": "Preferences (DPO): learn which of two answers is better",
    "reinforcement": "Reinforcement: a grader scores the model's own answers",
}
OPEN_FIELDS = ("method", "grader", "metadata")
NUMBERS = ("n_epochs", "batch_size", "learning_rate_multiplier")
# What was chosen stands in the address of the review. Servers and proxies take 8 KB of it, or more.
MAX_ADDRESS = 6_000
LISTED_MODELS = 50


class DatasetForm(forms.Form):
    """Step 1: a dataset that can be trained on; and the earlier job whose choices are taken over, if any."""

    dataset: "forms.ModelChoiceField[Dataset]" = forms.ModelChoiceField(
        queryset=None,
        widget=forms.HiddenInput,
        error_messages={
            "invalid_choice": "That dataset cannot be trained on: it was deleted, has errors, or is still "
            "being read. Choose another one."
        },
    )

    like: "forms.ModelChoiceField[Job]" = forms.ModelChoiceField(
        queryset=None,
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "The job whose choices were to be taken over is not there."},
    )

    def __init__(self, data: Any, *, organization: Organization) -> None:
        super().__init__(data)
        self.fields["dataset"].queryset = organization.datasets.trainable()  # type: ignore[attr-defined]
        self.fields["like"].queryset = organization.jobs.with_related()  # type: ignore[attr-defined]


class JobForm(forms.Form):
    """Step 2: everything about the job but its dataset. An empty number is left to the provider."""

    name = forms.CharField(max_length=200, help_text="Also the name of the model that comes out.")
    base_model = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={
            "invalid_choice": "%(value)s cannot be trained on this dataset, or no longer. Choose another one."
        },
    )
    start_model = forms.ChoiceField(
        label="Model to go on from",
        required=False,
        error_messages={
            "invalid_choice": "There is no usable model %(value)s here. It may have been archived or deleted."
        },
        help_text="Trained further, instead of the base model, at the provider account where it was made.",
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
        min_value=0.000001,
        max_value=1_000,
        required=False,
        widget=forms.NumberInput(AUTO | {"step": "any"}),
        help_text="Above 0. Larger learns faster and forgets more.",
    )
    validation_percentage = forms.DecimalField(
        label="Held back for validation (%)",
        min_value=0,
        max_value=50,
        decimal_places=4,
        required=False,
        widget=forms.NumberInput({"step": "any"}),
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
        max_length=10_000, required=False, widget=forms.Textarea({"rows": 2}), help_text="For your team."
    )
    method = forms.ChoiceField(
        choices=(), help_text="Reinforcement takes a grader and a part for validation."
    )
    grader = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 7, "spellcheck": "false"}),
        help_text="For reinforcement: what scores the answers, as a JSON object in OpenAI's words. It finds "
        "an example's own answer as {{item.reference_answer}}.",
    )
    metadata = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 3, "placeholder": "team=support"}),
        help_text=f"Short texts that go to the provider with the run: name=value, one a line, at most "
        f"{planning.MAX_METADATA}.",
    )

    def __init__(
        self,
        sent: Mapping[str, Any],
        *,
        organization: Organization,
        dataset: Dataset,
        like: Job | None,
        today: date,
    ) -> None:
        """Take what was sent, then what was chosen for the job `like`, and defaults for the rest."""
        self.like = like
        self.accounts = list(organization.provider_accounts.enabled())
        methods = planning.fitting_methods(dataset)
        chosen = self._chosen(sent, dataset=dataset, methods=methods)
        models = _models(organization, chosen.get("start_model", ""))
        model = models.get(chosen.get("start_model", ""))
        if model:
            # It goes on where it was made, of the base model it was made of.
            chosen = {name: value for name, value in chosen.items() if name not in ("provider", "base_model")}
        account = self._account(model.provider_account.name if model else chosen.get("provider"))
        self.offers = _trainable_offers(account, methods=methods, today=today)
        defaults = {
            "name": dataset.name,
            "base_model": _first_name(self.offers, method=chosen["method"], model=model),
            "provider": account.name if account else "",
            "validation_percentage": 0,
        }
        super().__init__({**defaults, **chosen})
        self._set_choices(methods, models)

    def _chosen(
        self, sent: Mapping[str, Any], *, dataset: Dataset, methods: Collection[str]
    ) -> dict[str, Any]:
        """What was sent, and of the earlier job what was not sent. Notes what goes into the address."""
        taken_over = _taken_over(self.like, methods=methods)
        # Browsers write the ends of lines as CRLF.
        typed = {name: sent[name].replace("\r\n", "\n") for name in self.base_fields if name in sent}
        self.anew = {name: text for name, text in typed.items() if text != taken_over.get(name)}
        self.address = _address(dataset, self.like, self.anew)
        chosen = {**taken_over, **typed}
        return chosen if chosen.get("method") in methods else chosen | {"method": dataset.method}

    def _account(self, name: str | None) -> ProviderAccount | None:
        """The account whose offers are shown: the one of that name, or else the first."""
        asked = [account for account in self.accounts if account.name == name]
        return next(iter(asked or self.accounts), None)

    def _set_choices(self, methods: Collection[str], models: Mapping[str, FineTunedModel]) -> None:
        choices: dict[str, list[tuple[str, Any]]] = {
            "start_model": [("", "None: the base model"), *_labels(models)],
            "method": [(method, METHODS[method]) for method in methods],
            # The label is the offer itself, so that the page can show its price.
            "base_model": [(offer.base_model.name, offer) for offer in self.offers],
            "provider": [(account.name, account.name) for account in self.accounts],
        }
        for field, offered in choices.items():
            self.fields[field].choices = offered  # type: ignore[attr-defined]

    @property
    def fits_address(self) -> bool:
        return len(self.address) <= MAX_ADDRESS

    @property
    def opens_model(self) -> bool:
        """Whether a model to go on from is chosen, or is wrong."""
        return bool(self["start_model"].value() or self["start_model"].errors)

    @property
    def opens_more(self) -> bool:
        """Whether one of the further options is chosen, or is wrong."""
        is_given = (
            self["method"].value() == "reinforcement" or self["grader"].value() or self["metadata"].value()
        )
        return bool(is_given or self.errors.keys() & set(OPEN_FIELDS))

    @property
    def grader_example(self) -> str:
        return wizard_texts.GRADER_EXAMPLE

    @property
    def starts_from(self) -> str:
        """The tuned model or the base model that was chosen."""
        chosen: str = self.cleaned_data["start_model"] or self.cleaned_data["base_model"]
        return chosen

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The ones that were given, by the API's names, and those of the earlier job that no field shows."""
        given = {name: self.cleaned_data.get(name) for name in NUMBERS}
        return self.kept_hyperparameters | {name: value for name, value in given.items() if value is not None}

    @property
    def kept_hyperparameters(self) -> dict[str, Any]:
        """Of the earlier job: what only its method knows, and no field shows."""
        if self.like is None or self.cleaned_data.get("method") != self.like.method:
            return {}
        return {name: value for name, value in self.like.hyperparameters.items() if name not in NUMBERS}

    @property
    def kept_metadata(self) -> dict[str, str]:
        """Of the earlier job: what cannot be written as a line."""
        return wizard_texts.beyond_lines(self.like.metadata) if self.like else {}

    @property
    def metadata_sent(self) -> dict[str, str]:
        given: dict[str, str] = self.cleaned_data["metadata"]
        return self.kept_metadata | given

    @property
    def validation_split(self) -> float:
        return float((self.cleaned_data.get("validation_percentage") or 0) / 100)

    def clean_grader(self) -> dict[str, Any]:
        text = self.cleaned_data["grader"]
        if not text:
            return {}
        try:
            value = strict_json.loads(text.encode())
        except strict_json.StrictJSONError as error:
            raise forms.ValidationError(error.message) from error
        if not isinstance(value, dict):
            raise forms.ValidationError('Write one JSON object: {"type": ...}.')
        return value

    def clean_metadata(self) -> dict[str, str]:
        try:
            return wizard_texts.read_lines(self.cleaned_data["metadata"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        if not self.fits_address:
            self.add_error(
                max(self.anew, key=lambda name: len(quote(self.anew[name]))),
                "All that was chosen is too long to be reviewed here. Shorten this text, or create the job "
                "by the API: POST /api/fine-tuning/jobs.",
            )
        try:
            if "metadata" in self.cleaned_data:
                planning.check_metadata(self.metadata_sent)
            if {"grader", "method", "validation_percentage"} <= self.cleaned_data.keys():
                method, split = self.cleaned_data["method"], self.validation_split
                planning.check_grader(method, grader=self.cleaned_data["grader"], validation_split=split)
        except Refused as refusal:
            self.add_refusal(refusal)
        return self.cleaned_data

    def add_refusal(self, refusal: Refused) -> None:
        """Show what a service refused beside the field that it concerns."""
        field = FIELDS.get(refusal.pointer)
        if field == "base_model" and self.cleaned_data.get("start_model"):
            field = "start_model"
        self.add_error(field, refusal.message)

    def job_columns(self) -> dict[str, Any]:
        """The valid input as arguments of `create_job`."""
        columns = ("name", "provider", "method", "suffix", "seed", "description")
        return {
            **{column: self.cleaned_data[column] for column in columns},
            "base_model": self.starts_from,
            "hyperparameters": self.hyperparameters,
            "validation_split": self.validation_split,
            "metadata": self.metadata_sent,
            "grader": self.cleaned_data["grader"],
            "workspace": self.like.workspace if self.like else None,
        }


def _address(dataset: Dataset, like: Job | None, anew: Mapping[str, str]) -> str:
    """The review's query: what was chosen otherwise than for the earlier job, which the address names."""
    earlier = {"like": like.pk} if like else {}
    return urlencode({"dataset": dataset.pk, **earlier, **anew, "step": "review"})


def _taken_over(like: Job | None, *, methods: Collection[str]) -> dict[str, Any]:
    """The choices of the earlier job, without those that go with a method that is none of `methods`."""
    if like is None:
        return {}
    chosen = wizard_texts.choices_of(like)
    bound = () if like.method in methods else ("base_model", "grader")
    return {name: value for name, value in chosen.items() if name not in bound}


def _models(organization: Organization, chosen: str) -> dict[str, FineTunedModel]:
    """The newest models that can be trained further, by the provider's id, and the chosen one as chosen."""
    usable = organization.fine_tuned_models.select_related("provider_account").exclude(status="archived")
    newest = usable.filter(provider_account__is_enabled=True).order_by("-created_at", "-id")
    found = {model.provider_model_id: model for model in newest[:LISTED_MODELS]}
    if chosen and chosen not in found:
        called = organization.fine_tuned_models.called(chosen).select_related("provider_account").first()
        found |= {chosen: called} if called else {}
    return found


def _labels(models: Mapping[str, FineTunedModel]) -> list[tuple[str, str]]:
    return [
        (value, f"{model.name}, version {model.version}, at {model.provider_account.name}: {value}")
        for value, model in models.items()
    ]


def _trainable_offers(
    account: ProviderAccount | None, *, methods: Collection[str], today: date
) -> list[Offer]:
    """What the account can train by one of the methods today. Retired ones are left out."""
    if account is None:
        return []
    offered = {*methods} & {*account.capabilities.methods}
    offers = list_offers(account, day=today) if offered else []
    return [offer for offer in offers if offered & {*offer.base_model.methods} and not offer.is_retired]


def _first_name(offers: list[Offer], *, method: str, model: FineTunedModel | None) -> str:
    """The base model that is chosen at first: that of `model`, or one that is trained by `method`, if any."""
    names = [offer.base_model.name for offer in offers]
    if model and model.base_model in names:
        return model.base_model
    fitting = [offer.base_model.name for offer in offers if method in offer.base_model.methods]
    return next(iter(fitting or names), "")
