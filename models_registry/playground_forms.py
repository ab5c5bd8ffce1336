"""What the playground asks: up to three models, and the conversation so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory

from models_registry.playground import Choice, text_of

COLUMNS = ("first", "second", "third")
MAX_TURNS = 100
SYSTEM = ("system", "developer")
# What an example may offer the model besides the messages.
TOOLS = frozenset({"tools", "functions"})


class PlaygroundForm(forms.Form):
    """Who is asked, and how. `choices` are those of `playground.list_choices`."""

    first = forms.ChoiceField(label="Ask")
    second = forms.ChoiceField(label="Beside", required=False)
    third = forms.ChoiceField(label="And beside", required=False)
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        required=False,
        widget=forms.NumberInput({"step": "0.1"}),
        help_text="0 to 2. Empty: the model's own.",
    )
    system = forms.CharField(
        label="System prompt",
        max_length=100_000,
        required=False,
        strip=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="Leave empty if the training examples had none.",
    )
    # What the example says that was taken over, to compare with.
    expected = forms.CharField(required=False, strip=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, choices: list[Choice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choices = choices
        self._by_value = {choice.value: choice for choice in choices}
        for name in COLUMNS:
            nobody = [] if name == "first" else [("", "Nobody")]
            self.fields[name].choices = [*nobody, *_in_groups(choices)]  # type: ignore[attr-defined]

    @property
    def chosen(self) -> list[Choice]:
        """Who is asked, in the order of the columns."""
        return [self._by_value[value] for name in COLUMNS if (value := self.cleaned_data[name])]

    def request(self, turns: "BaseTurns") -> dict[str, Any]:
        """The body of the request, but for the model."""
        system, temperature = self.cleaned_data["system"], self.cleaned_data["temperature"]
        before = [{"role": "system", "content": system}] if system.strip() else []
        options = {} if temperature is None else {"temperature": temperature}
        return {"messages": [*before, *turns.messages], **options}


def _in_groups(choices: list[Choice]) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for choice in choices:
        groups.setdefault(choice.group, []).append((choice.value, choice.label))
    return list(groups.items())


class TurnForm(forms.Form):
    """One message; an empty one is left out."""

    role = forms.ChoiceField(choices=[("user", "User"), ("assistant", "Assistant")], initial="user")
    content = forms.CharField(
        label="Message",
        max_length=100_000,
        required=False,
        strip=False,
        widget=forms.Textarea({"rows": 3}),
    )


class BaseTurns(BaseFormSet[TurnForm]):
    def clean(self) -> None:
        if not any(self.errors) and not self.messages:
            raise forms.ValidationError("Write a message.")

    @property
    def messages(self) -> list[dict[str, str]]:
        """The valid input as chat messages."""
        turns = [form.cleaned_data for form in self.forms if form.is_valid()]
        return [
            {"role": turn["role"], "content": turn["content"]}
            for turn in turns
            if turn.get("content", "").strip()
        ]


TurnFormSet = formset_factory(
    TurnForm, formset=BaseTurns, extra=0, min_num=1, max_num=MAX_TURNS, absolute_max=MAX_TURNS + 1
)


@dataclass(frozen=True, kw_only=True)
class Start:
    """What the page begins with. `expected` is what an example answers, and `omits` whether it says more."""

    system: str = ""
    turns: list[dict[str, str]] = field(default_factory=lambda: [{}])
    expected: str = ""
    omits: bool = False

    @property
    def initial(self) -> dict[str, str]:
        return {"system": self.system, "expected": self.expected}


def start_from(messages: Sequence[Mapping[str, Any]], attributes: Mapping[str, Any]) -> Start:
    """The question of a training example: what stands before its last answer, or before the preferred one."""
    asked, answer = _parted(messages, attributes)
    texts = [message for message in asked if _is_text(message)]
    system = [message["content"] for message in texts if message["role"] in SYSTEM]
    turns = [{"role": one["role"], "content": one["content"]} for one in texts if one["role"] not in SYSTEM]
    return Start(
        system="\n\n".join(system),
        turns=turns[:MAX_TURNS] or [{}],
        expected=text_of(dict(answer)) if answer else "",
        omits=len(turns) > MAX_TURNS or len(texts) < len(asked) or not TOOLS.isdisjoint(attributes),
    )


def _parted(
    messages: Sequence[Mapping[str, Any]], attributes: Mapping[str, Any]
) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]:
    """What is asked, and what is answered."""
    preferred = attributes.get("preferred_output")
    if preferred:
        return messages, preferred[-1]
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    return (messages[: answers[-1]], messages[answers[-1]]) if answers else (messages, None)


def _is_text(message: Mapping[str, Any]) -> bool:
    is_plain = isinstance(message.get("content"), str) and not message.get("tool_calls")
    return is_plain and message["role"] in {*SYSTEM, "user", "assistant"}
