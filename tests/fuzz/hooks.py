"""What the fuzzer does besides making up requests: it signs in, and asks for rows that there are."""

import atexit
import json
import os
import urllib.request
from collections import Counter
from pathlib import Path
from uuid import UUID

import schemathesis

SESSION = os.environ["FUZZ_SESSION"]
COUNTED = Path(os.environ["FUZZ_COUNTED"])
BASE_MODEL = "gpt-4.1-mini"
# Of five ids made up four become one of a row that there is.
MADE_UP = 5

# What services refuse, and what concerns rows that there are.
NOT_IN_A_SCHEMA = {
    "agent_name_invalid",
    "blank",
    "column_mapping_not_possible",
    "does_not_exist",
    "example_not_valid",
    "feedback_missing",
    "file_infected",
    "file_missing",
    "file_not_accepted",
    "grader_invalid",
    "grader_missing",
    "grader_not_taken",
    "invalid_cursor",
    "max_decimal_places",
    "max_digits",
    "metadata_invalid",
    "method_not_offered",
    "model_of_another_provider",
    "needed_for_this_kind",
    "not_an_object",
    "not_confirmed",
    "not_derivable",
    "not_expected",
    "not_exportable",
    "nothing_to_import",
    "nul",
    "null_characters_not_allowed",
    "password_too_weak",
    "provider_address_refused",
    "provider_key_malformed",
    "provider_key_missing",
    "same_model_twice",
    "score_and_thumb",
    "surrogate",
    "too_few_examples",
    "too_many_files",
    "unknown_base_model",
    "unknown_checkpoint",
    "unknown_provider",
    "validation_missing",
    "webhook_address_refused",
}

rows: dict[str, list[str]] = {}
counted: Counter[str] = Counter()


@schemathesis.auth(refresh_interval=None)
class Session:
    def get(self, case, context):
        with urllib.request.urlopen(SESSION) as answer:
            session = json.load(answer)
        rows.update(session["rows"])
        return session["access"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    word = context.operation.path.split("/{id}")[0].rsplit("/", 1)[-1]
    if not path_parameters or "id" not in path_parameters:
        return path_parameters
    return {**path_parameters, "id": existing(path_parameters["id"], word)}


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    words = {"datasetId": "datasets", "workspaceId": "workspaces", "secondModelId": "models"}
    found = {name: existing(body[name], word) for name, word in words.items() if name in body}
    if isinstance(body.get("baseModel"), str) and "datasetId" in found:
        found["baseModel"] = BASE_MODEL
    return {**body, **found}


def existing(value, word):
    """An id of the kind in place of a made-up one; what is no id at all stays."""
    try:
        number = int(UUID(value))
    except (AttributeError, TypeError, ValueError):
        return value
    known = rows.get(word, [])
    return known[number % len(known)] if known and number % MADE_UP else value


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keep what is no refusal of something that a schema cannot say: which rows there are, what a host is."""
    if response.status_code != 400 or failure.title != "Schema-valid request rejected":
        return True
    refusal = response.json()
    return not {refusal["code"], *(error["code"] for error in refusal["errors"])} & NOT_IN_A_SCHEMA


@schemathesis.hook
def after_call(context, case, response):
    counted[str(response.status_code)] += 1


atexit.register(lambda: COUNTED.write_text(json.dumps(counted)))
