"""What is asked about conversations: which ones, how good they are, and a file of them."""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms

from datasets.conversation_files import KINDS
from datasets.service_forms import ServiceForm

# Characters, as in the API.
MAX_ANSWER = 100_000


class TagsField(forms.CharField):
    """Tags as one writes them: with commas between."""

    def clean(self, value: Any) -> list[str]:
        return [tag for part in super().clean(value).split(",") if (tag := part.strip())]


class FilterForm(ServiceForm):
    """Which conversations; `columns` are what `organization.conversations.matching` takes."""

    agent_id = forms.CharField(label="Agent", max_length=200, required=False)
    model = forms.CharField(max_length=200, required=False)
    tags = TagsField(max_length=1_000, required=False, help_text="With commas between; each must be there.")
    search = forms.CharField(label="Text", max_length=200, required=False, help_text="That somebody said.")
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


class FeedbackForm(ServiceForm):
    quality_score = forms.FloatField(
        label="Score",
        min_value=0,
        max_value=1,
        required=False,
        widget=forms.NumberInput({"step": "any"}),
        help_text="How good the last answer is, from 0 to 1.",
    )
    corrected_answer = forms.CharField(
        max_length=MAX_ANSWER,
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text="What should have been answered. It takes the last answer's place in training examples.",
    )
    # A click, which stands for a score. It saves what is typed beside it, too.
    thumb = forms.ChoiceField(choices=[("up", "Good"), ("down", "Bad")], required=False)

    def columns(self) -> dict[str, Any]:
        given = self.cleaned_data
        columns = {name: given[name] for name in ("quality_score", "corrected_answer")}
        if given["thumb"]:
            columns["quality_score"] = float(given["thumb"] == "up")
            if "corrected_answer" not in self.data:
                del columns["corrected_answer"]
        return columns


class ConversationFileForm(ServiceForm):
    # Whether it is there, and not too large, is checked where the API checks it too.
    file = forms.FileField(required=False)
    kind = forms.ChoiceField(
        label="Export of", choices=[("", "Found out from the file"), *KINDS.items()], required=False
    )
    agent_id = forms.CharField(
        label="Agent",
        max_length=200,
        required=False,
        help_text="For conversations whose file names no agent.",
    )

    def columns(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("kind", "agent_id")}
