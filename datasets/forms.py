"""What is asked for a dataset: to upload one, to import one, to rename one."""

from typing import Any

from django import forms
from django.http import QueryDict

from datasets.conversation_forms import FilterForm
from datasets.layouts import LAYOUTS
from datasets.service_forms import ServiceForm
from finetuning.errors import Refused


class DatasetForm(ServiceForm):
    """What every dataset has, and all that can be changed of one."""

    name = forms.CharField(
        max_length=200, widget=forms.TextInput({"data-name-from-file": True, "autocomplete": "off"})
    )
    description = forms.CharField(
        max_length=2_000,
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="For your team: where the examples come from, what they teach.",
    )


class UploadForm(DatasetForm):
    # Whether it is there, and not too large, is checked where the API checks it too.
    file = forms.FileField(required=False)
    layout = forms.ChoiceField(
        choices=[("", "Found out from the first rows"), *LAYOUTS.items()],
        required=False,
        help_text="How the rows say what is trained.",
    )

    def columns(self) -> dict[str, Any]:
        given = {"name": self.cleaned_data["name"], "description": self.cleaned_data["description"]}
        return given | self.reading()

    def reading(self) -> dict[str, Any]:
        """How the file is to be read, also of a form that is not filled in yet."""
        layout = self.data.get("layout", "")
        layout = layout if layout in LAYOUTS else ""
        return {"layout": layout, "column_mapping": self._mapping() if layout in ("", "columns") else {}}

    def _mapping(self) -> dict[str, str]:
        """What was chosen for each column in the preview, which has a pair of fields for each."""
        if not isinstance(self.data, QueryDict):
            return {}
        pairs = zip(self.data.getlist("column"), self.data.getlist("target"), strict=False)
        return {name: target for name, target in pairs if target}

    def add_refusal(self, refusal: Refused) -> None:
        """The files and the columns have no fields of their own in this form."""
        if refusal.pointer.startswith("/files"):
            refusal.pointer = "/file"
        super().add_refusal(refusal)


class ImportForm(DatasetForm, FilterForm):
    """A dataset of the conversations that the filters find."""

    deduplicate = forms.BooleanField(
        label="The same messages only once",
        required=False,
        help_text="Of conversations that say the same, the newest is taken.",
    )
    max_examples = forms.IntegerField(
        label="At most so many",
        min_value=1,
        max_value=50_000,
        required=False,
        help_text="Of more, the newest are taken.",
    )
