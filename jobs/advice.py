"""What to do about a job that failed, in plain words."""

GENERAL = "Read the event log below for what came before. Start the job again when the cause is gone."

NO_CREDIT = "The provider account's credit is used up. Top it up at the provider, then start again."
BAD_FILE = "Mend the examples that the message names, upload the file as a new dataset, then start again."

ADVICE = {
    "invalid_training_file": BAD_FILE,
    "invalid_file_format": BAD_FILE,
    "invalid_n_examples": "Add examples until there are at least ten, then start again.",
    "provider_key_refused": "The provider does not take the account's API key. Ask an admin to enter a "
    "valid one, then start again.",
    "provider_key_missing": "The provider account has no API key. Ask an admin to enter it, then start "
    "again.",
    "provider_key_unreadable": "Ask an admin to enter the provider account's API key again.",
    "provider_address_missing": "Ask an admin to enter the provider account's address.",
    "provider_account_invalid": "Ask an admin to check the provider account's address and key.",
    "sandbox_not_configured": "Ask an operator to start the sandbox and to set its address.",
    "model_not_found": "The provider does not offer this base model to your account. Choose another one.",
    "insufficient_quota": NO_CREDIT,
    "exceeded_quota": NO_CREDIT,
    "poison": "This is a fault of the installation, not of your data. Tell an operator; the server's log has "
    "the details.",
}


def advice(error_code: str) -> str:
    """What to do about `error_code`, the provider's or ours; general words for a code that is not known."""
    return ADVICE.get(error_code, GENERAL)
