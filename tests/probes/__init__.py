"""What a probe is, and what several of them name."""

from dataclasses import dataclass, field

FT = "/api/fine-tuning"
IMPORT = f"{FT}/datasets/import-from-conversations"
EXAMPLES = f"{FT}/datasets/{{dataset}}/examples"
TOKEN = "/api/auth/token"
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Probe:
    name: str
    ask: str
    status: int
    code: str
    body: bytes | str = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self):
        return self.name
