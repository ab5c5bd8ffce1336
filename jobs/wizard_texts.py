"""How the wizard writes what was chosen for an earlier job, so that its fields can show it."""

import json
from decimal import Decimal
from typing import Any

from jobs.models import Job

GRADER_EXAMPLE = """{
  "type": "string_check",
  "name": "same answer",
  "input": "{{sample.output_text}}",
  "reference": "{{item.reference_answer}}",
  "operation": "eq"
}"""


def choices_of(job: Job) -> dict[str, Any]:
    """What was chosen for `job`, by the names of the wizard's fields, as far as these can show it."""
    chosen = {
        "name": job.name,
        "description": job.description,
        "base_model": job.base_model,
        "start_model": job.start_model,
        "provider": job.provider_account.name,
        "method": job.method,
        "grader": json.dumps(job.grader, indent=2, ensure_ascii=False) if job.grader else "",
        "metadata": "\n".join(_line(*pair) for pair in job.metadata.items() if _fits_line(*pair)),
        "validation_percentage": _percentage(job.validation_split),
        "suffix": job.suffix,
        "seed": job.seed,
        **job.hyperparameters,
    }
    return {name: value for name, value in chosen.items() if value != ""}


def beyond_lines(metadata: dict[str, str]) -> dict[str, str]:
    """The pairs that would not come back from a line as they were."""
    return {name: value for name, value in metadata.items() if not _fits_line(name, value)}


def read_lines(text: str) -> dict[str, str]:
    """The pairs in lines of `name=value`; empty lines count for nothing.

    Raises ValueError, in words for whoever wrote them, for a line without `=` and a name that comes again.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals and not name:
            continue
        if not equals:
            raise ValueError(f"Line {number} has no =. Write name=value.")
        if name in found:
            raise ValueError(f"Line {number} gives {name} again.")
        found[name] = value
    return found


def _line(name: str, value: str) -> str:
    return f"{name}={value}"


def _fits_line(name: str, value: str) -> bool:
    try:
        return read_lines(_line(name, value)) == {name: value}
    except ValueError:
        return False


def _percentage(share: float) -> str:
    """A share as a percentage without needless digits: 0.125 is 12.5."""
    return format((Decimal(str(share)) * 100).normalize(), "f")
