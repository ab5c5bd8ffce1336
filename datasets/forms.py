"""What is asked for a dataset: to upload one, to import one, to rename one."""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.http import QueryDict

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


class TagsField(forms.CharField):
    """Tags as one writes them: with commas between."""

    def clean(self, value: Any) -> list[str]:
        return [tag for part in super().clean(value).split(",") if (tag := part.strip())]


class ImportForm(DatasetForm):
    agent_id = forms.CharField(
        label="Agent",
        max_length=200,
        required=False,
        help_text="Only conversations of this agent. Empty: of all.",
    )
    model = forms.CharField(max_length=200, required=False, help_text="Only answers of this model.")
    tags = TagsField(
        required=False, help_text="Separated by commas. Only conversations that have each of them."
    )
    search = forms.CharField(
        label="Text", max_length=200, required=False, help_text="Only where this was said."
    )
    start_date = forms.DateField(
        label="From",
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text="The first day, in UTC.",
    )
    end_date = forms.DateField(
        label="To",
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text="The last day, in UTC.",
    )
    min_quality_score = forms.FloatField(
        label="Minimum quality score",
        min_value=0,
        max_value=1,
        required=False,
        widget=forms.NumberInput({"step": "any"}),
        help_text="0 to 1. Conversations without a score or a corrected answer are then left out.",
    )
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

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start_date"), self.cleaned_data.get("end_date")
        if start and end and start > end:
            self.add_error("end_date", "The last day is before the first.")
        return self.cleaned_data

    def columns(self) -> dict[str, Any]:
        start, end = self.cleaned_data["start_date"], self.cleaned_data["end_date"]
        return {
            **self.cleaned_data,
            "start_date": _at(start, time.min) if start else None,
            "end_date": _at(end, time.max) if end else None,
        }


def _at(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, tzinfo=UTC)
