"""Request bodies are read by the same strict reader as training files."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import JSONParser

from finetuning import strict_json
from finetuning.errors import Invalid, TooLarge


class MalformedJSON(Invalid):
    code = "malformed_json"


class StrictJSONParser(JSONParser):
    """JSON in UTF-8, at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes. Raises TooLarge or MalformedJSON."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(f"The request body is larger than {limit // (1024 * 1024)} MB.")
        try:
            return strict_json.loads(data)
        except strict_json.StrictJSONError as error:
            refusal = MalformedJSON(error.message, pointer=error.pointer)
            refusal.code = error.code
            raise refusal from error
