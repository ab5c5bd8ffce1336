"""Words that whoever guesses tries first: docs/security.md lists where they come from."""

import re

from django.conf import settings
from django.core.exceptions import ValidationError

from finetuning.models import User

PRODUCT = ("attune", "finetune", "finetuning", "fine-tuning")
# Shorter ones are in too many honest passwords.
MIN_WORD_LENGTH = 4
MIN_REST_LENGTH = 8


class ContextWordsValidator:
    """Refuses a password that is little more than a name of the product, its host or an organization."""

    def validate(self, password: str, user: User | None = None) -> None:
        refuse_words(password, *(user.organizations.values_list("name", flat=True) if user else ()))

    def get_help_text(self) -> str:
        return "Your password can't be little more than the name of Attune, its host or your organization."


def refuse_words(password: str, *names: str) -> None:
    """Raises ValidationError when `names` and what else is known here leave too little of the password."""
    whole = rest = password.casefold()
    for word in sorted(_words(*names), key=len, reverse=True):
        rest = rest.replace(word, "")
    if rest != whole and sum(map(str.isalnum, rest)) < MIN_REST_LENGTH:
        raise ValidationError(
            "The password is too easily guessed: it is little more than a name that is known here.",
            code="password_of_known_words",
        )


def _words(*names: str) -> set[str]:
    """Whole names and each word of them."""
    known = (*PRODUCT, *settings.ALLOWED_HOSTS, settings.INSTALLATION_NAME, *names)
    whole = {name.casefold() for name in known}
    parts = {part for name in whole for part in re.split(r"[\W_]+", name)}
    return {word for word in whole | parts if len(word) >= MIN_WORD_LENGTH}
