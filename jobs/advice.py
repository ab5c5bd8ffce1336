"""Why a job failed and what to do about it, in plain words, by the code of the provider or of ours."""

from dataclasses import dataclass
from datetime import date

from django.utils.dateformat import format as date_format

from finetuning.capabilities import CAPABILITIES
from finetuning.models import ProviderAccount

RETRY = "then retry the job."
MEND = "Mend the examples that the message names, upload the file as a new dataset, and start a job on it."


@dataclass(frozen=True)
class Advice:
    """What brought the job down, and what its owner can do next."""

    cause: str
    next_step: str


GENERAL = Advice(
    "The provider ended the job for a reason that is not known here, in the words of its message.",
    "Read the job's event log for what came before, remove the cause, " + RETRY,
)
NO_FUNDS = Advice(
    "The provider account's credit or quota is used up.",
    "Top it up, or raise its limit, at the provider, " + RETRY,
)
BAD_FILE = Advice("The provider does not take some of the training data.", MEND)
MODERATED = Advice(
    "The provider's moderation has found content in the training data that its policies forbid.",
    "Remove the examples of the categories that the provider names, upload the file as a new dataset, and "
    "start a job on it.",
)
NO_BASE = Advice(
    "The provider does not train this base model for your account, or no longer.",
    "Choose another base model: New job like this.",
)
PROVIDER_FAULT = Advice(
    "Something went wrong inside the provider, not with your data.", "Wait a while, " + RETRY
)
BAD_KEY = Advice(
    "The provider does not take the API key of the provider account.",
    "Ask an admin to enter a valid key under Settings, Provider accounts, " + RETRY,
)
CLOSED = Advice(
    "The provider starts no new training for your account.",
    "Waiting does not help. Choose another provider account for this dataset: New job like this. Models that "
    "you have trained go on answering until their base model retires.",
)
NOT_SET_UP = Advice(
    "The provider account lacks what a request needs.",
    "Ask an admin to complete it under Settings, Provider accounts, " + RETRY,
)

ADVICE = {
    "invalid_training_file": BAD_FILE,
    "invalid_file_format": BAD_FILE,
    "invalid_validation_file": BAD_FILE,
    "invalid_validation_file_format": BAD_FILE,
    "invalid_file": BAD_FILE,
    "unsafe_file": MODERATED,
    "invalid_n_examples": Advice(
        "There are too few examples to train on.",
        "Add examples until at least ten are left for training, upload the file as a new dataset, and start "
        "a job on it.",
    ),
    "dataset_not_trainable": Advice(
        "Errors were found in the dataset when it was checked again after the job was accepted.",
        "Open the dataset to see on which lines, upload a mended file as a new dataset, and start a job on "
        "it.",
    ),
    "hash_mismatch": Advice(
        "The stored file is not the one that was checked.",
        "Upload the data again as a new dataset, and start a job on it.",
    ),
    "insufficient_quota": NO_FUNDS,
    "exceeded_quota": NO_FUNDS,
    "billing_hard_limit_reached": NO_FUNDS,
    "rate_limit_exceeded": Advice(
        "The provider account has too many jobs or requests at once.",
        "Wait until others have ended, or raise the limit at the provider, " + RETRY,
    ),
    "model_not_found": NO_BASE,
    "model_not_available": NO_BASE,
    "server_error": PROVIDER_FAULT,
    "internal_error": PROVIDER_FAULT,
    "timeout": PROVIDER_FAULT,
    "invalid_api_key": BAD_KEY,
    "provider_key_refused": BAD_KEY,
    "provider_key_missing": NOT_SET_UP,
    "provider_key_unreadable": Advice(
        "The stored API key cannot be read with the keys of this installation.",
        "Ask an admin to enter the key again under Settings, Provider accounts, " + RETRY,
    ),
    "provider_address_missing": NOT_SET_UP,
    "provider_account_invalid": NOT_SET_UP,
    "sandbox_not_configured": Advice(
        "No sandbox is set up in this installation.",
        "Ask an operator to start the sandbox and to set its address, " + RETRY,
    ),
    "fine_tuning_not_available": CLOSED,
    "fine_tune_not_found": Advice(
        "The provider no longer knows the run: it was deleted there, or the key is of another project.",
        "Ask an admin to compare the account's key with the project of the job, " + RETRY,
    ),
    "invalid_hyperparameters": Advice(
        "The provider does not take one of the hyperparameters.",
        "Leave it to the provider (auto), or choose another value: New job like this.",
    ),
    "provider_refused": Advice(
        "The provider understood the request and refused it, for the reason in its message.",
        "Do what the message asks for, " + RETRY,
    ),
    "copied_database": Advice(
        "This database is a copy; the job goes on in the installation that it was copied from.",
        "Look for its result there.",
    ),
    "poison": Advice(
        "The worker died each time that it took up this job. That is a fault of the installation.",
        "Tell an operator; the server's log has the details. Then retry the job.",
    ),
}


def advice(error_code: str, *, message: str = "", kind: str = "") -> Advice:
    """What is behind `error_code`, the provider's or ours, at a provider of `kind`; general words for others.

    Moderation goes by the provider's `message`: its code is that of any other bad file.
    """
    found = ADVICE.get(error_code, GENERAL)
    if found is BAD_FILE and "moderation" in message.lower():
        return MODERATED
    day = CAPABILITIES[kind].takes_jobs_until if found is CLOSED and kind else None
    return _closing(kind, day) if day else found


def _closing(kind: str, day: date) -> Advice:
    """Why providers of `kind`, which take no new jobs from `day` on, may take none already."""
    cause = (
        f"{ProviderAccount.Kind(kind).label} takes new jobs of fewer and fewer organizations, and from "
        f"{date_format(day, 'j F Y')} on none at all."
    )
    return Advice(cause, CLOSED.next_step)
