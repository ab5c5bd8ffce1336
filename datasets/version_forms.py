"""What is asked to make a version, or another dataset, of a dataset that there is."""

from typing import Any

from django import forms

from datasets.models import Dataset
from datasets.service_forms import ServiceForm
from datasets.versions import MAX_SEED
from finetuning.choices import LISTED, offer_newest

SEED_HELP = "The same number draws the same examples."


class DerivingForm(ServiceForm):
    """Several such forms stand on one page."""

    kind = ""

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        self.dataset = dataset
        super().__init__(data, auto_id=f"{self.kind}_%s")


class FilterForm(DerivingForm):
    kind = "filter"

    keep = forms.ChoiceField(
        label="Lines that meet all of the following",
        choices=[("others", "are taken out"), ("matching", "are all that stays")],
        initial="others",
        widget=forms.RadioSelect,
    )
    search = forms.CharField(label="Text", max_length=200, required=False, help_text="Anywhere in the row.")
    problem = forms.ChoiceField(label="Problem", required=False)
    min_tokens = forms.IntegerField(label="At least so many tokens", min_value=1, required=False)
    max_tokens = forms.IntegerField(label="At most so many tokens", min_value=1, required=False)

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data, dataset=dataset)
        found = [(code, f"{code} ({count:,})") for code, count in dataset.line_problem_counts.items()]
        self.fields["problem"].choices = [("", "Any or none"), *found]  # type: ignore[attr-defined]


class SampleForm(DerivingForm):
    kind = "sample"

    name = forms.CharField(label="Name of the new dataset", max_length=200)
    count = forms.IntegerField(label="How many examples", min_value=1)
    seed = forms.IntegerField(min_value=0, max_value=MAX_SEED, initial=42, help_text=SEED_HELP)


class SplitForm(DerivingForm):
    kind = "split"

    share = forms.FloatField(
        label="Share for validation, in percent",
        min_value=1,
        max_value=99,
        initial=10,
        help_text="Examples of one conversation, and those that say the same, stay together.",
        widget=forms.NumberInput({"step": "any"}),
    )
    seed = forms.IntegerField(min_value=0, max_value=MAX_SEED, initial=42, help_text=SEED_HELP)

    def columns(self) -> dict[str, Any]:
        return {"ratio": self.cleaned_data["share"] / 100, "seed": self.cleaned_data["seed"]}


class MergeForm(DerivingForm):
    kind = "merge"

    name = forms.CharField(label="Name of the new dataset", max_length=200)
    others = forms.ModelMultipleChoiceField(
        label="Datasets to put behind this one", queryset=Dataset.with_deleted.none()
    )

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data, dataset=dataset)
        offer_newest(self, "others", dataset.organization.datasets.newest().exclude(pk=dataset.pk))


class ExampleForm(ServiceForm):
    # What is a valid example, says the service, to the API too.
    example = forms.CharField(
        label="The example, as one JSON object",
        strip=False,
        widget=forms.Textarea({"rows": 24, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
        help_text="As a line of the file would hold it; it may take several lines here.",
    )


class CompareForm(forms.Form):
    """Any two versions of one dataset; at first `dataset` and the one before it.

    The newest are listed. Another one can stand in the address.
    """

    old = forms.UUIDField(label="Compare", widget=forms.Select)
    new = forms.UUIDField(label="with", widget=forms.Select)

    def __init__(self, data: Any = None, *, dataset: Dataset) -> None:
        self._versions = dataset.organization.datasets.versions_of(dataset)
        self._listed = list(self._versions[:LISTED])
        before = next((one for one in self._listed if one.version < dataset.version), dataset)
        super().__init__(data, initial={"old": before.pk, "new": dataset.pk})
        self._offer(self._listed)

    def clean(self) -> dict[str, Any]:
        """Both versions in the place of their ids."""
        found = self._versions.in_bulk([*self.cleaned_data.values()])
        if len(found) < len({*self.cleaned_data.values()}):
            raise forms.ValidationError("There is no such version of this dataset.")
        self._offer([*self._listed, *found.values()])
        return {name: found[pk] for name, pk in self.cleaned_data.items()}

    def _offer(self, versions: list[Dataset]) -> None:
        choices = {one.pk: f"Version {one.version}: {one.total_examples:,} examples" for one in versions}
        for field in self.fields.values():
            field.widget.choices = [*choices.items()]
