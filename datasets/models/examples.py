"""What was read from a dataset's file: its examples, and what is wrong with its lines."""

import json
from typing import Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Cast, Coalesce

from datasets.models.datasets import Dataset

# No limit of a base model is lower, so only what is longer can ever be cut off.
LONG_EXAMPLE_TOKENS = 16_384


class TrainingExampleQuerySet(models.QuerySet["TrainingExample"]):
    def tokens_over(self, max_example_tokens: int) -> int:
        """How many tokens are cut off from the examples that are longer than that."""
        cut = self.filter(token_count__gt=max_example_tokens)
        return cut.aggregate(total=Sum(F("token_count") - max_example_tokens))["total"] or 0

    def at(self, positions: range) -> Self:
        """The examples at these positions, in their order."""
        found = self.filter(position__gte=positions.start, position__lt=positions.stop)
        return found.order_by("position")

    def matching(self, *, search: str = "", problem: str = "") -> Self:
        """Examples whose messages contain the text `search` and whose row has a problem with that code."""
        found = self
        if search:
            # The column is JSON: what is looked for is written as it stands there.
            written = json.dumps(search, ensure_ascii=False)[1:-1]
            found = found.alias(text=Cast("messages", models.TextField())).filter(text__icontains=written)
        if problem:
            on_line = DatasetProblem.objects.filter(dataset=OuterRef("dataset"), line=OuterRef("line"))
            # Most have no element, and nothing equals null.
            of_row = on_line.alias(own=Coalesce("element", -1)).filter(own=Coalesce(OuterRef("element"), -1))
            found = found.filter(Exists(of_row.filter(code=problem)))
        return found


class TrainingExample(models.Model):
    """One row of training data, in file order. `attributes` holds the row's keys besides `messages`."""

    id = models.BigAutoField(primary_key=True)
    # The unique constraint has an index that begins with it.
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="examples", db_index=False)
    position = models.IntegerField(help_text="Counts from 0 within the dataset.")
    line = models.IntegerField(help_text="The line of the file on which it starts, from 1.")
    element = models.IntegerField(null=True, help_text="Its number in a JSON array, from 0.")
    messages = models.JSONField()
    attributes = models.JSONField(default=dict)
    token_count = models.IntegerField()
    conversation = models.ForeignKey(
        "datasets.Conversation",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="examples",
        db_index=False,
    )

    objects = TrainingExampleQuerySet.as_manager()

    class Meta:
        db_table = "training_examples"
        indexes = [
            models.Index(
                fields=["conversation"],
                name="training_examples_of_talk",
                condition=Q(conversation__isnull=False),
            ),
            models.Index(
                fields=["dataset", "token_count"],
                name="training_examples_long",
                condition=Q(token_count__gt=LONG_EXAMPLE_TOKENS),
            ),
        ]
        constraints = [
            # Checked when a statement ends, so that one can close up the positions behind rejected rows.
            models.UniqueConstraint(
                fields=["dataset", "position"],
                name="training_examples_position",
                deferrable=models.Deferrable.IMMEDIATE,
            ),
        ]

    def __str__(self) -> str:
        return f"example {self.position} of {self.dataset_id}"

    @property
    def place(self) -> str:
        """The line in words, and of which file where there are several."""
        return self.dataset.plan.place_in_words(self.line, self.element)


class DatasetProblem(models.Model):
    """Something wrong, or worth a look, on one line of a dataset's file."""

    class Severity(models.TextChoices):
        ERROR = "error"
        WARNING = "warning"

    id = models.BigAutoField(primary_key=True)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="problems")
    code = models.CharField(max_length=40)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    line = models.IntegerField(null=True, help_text="Null: it concerns the file as a whole.")
    element = models.IntegerField(null=True, help_text="The number in a JSON array, from 0.")
    pointer = models.CharField(max_length=500, blank=True)
    message = models.TextField()
    found = models.TextField(blank=True)
    expected = models.TextField(blank=True)
    fix = models.TextField(blank=True)

    class Meta:
        db_table = "dataset_problems"
        indexes = [
            models.Index(fields=["dataset", "line", "id"], name="dataset_problems_by_line"),
            models.Index(fields=["dataset", "code", "line"], name="dataset_problems_by_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} on line {self.line}"

    @property
    def file(self) -> str:
        """Which of several files it is in; empty where there is only one."""
        return self.dataset.plan.place(self.line)[0] if self.line is not None else ""

    @property
    def file_line(self) -> int | None:
        """The line in that file."""
        return self.dataset.plan.place(self.line)[1] if self.line is not None else None

    @property
    def place(self) -> str:
        """The line in words, and of which file where there are several."""
        return "whole file" if self.line is None else self.dataset.plan.place_in_words(self.line)
