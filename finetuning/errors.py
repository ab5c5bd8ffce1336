"""What a service refuses, in words that hold for a page, the API and a command alike.

Refused
├── Invalid        the input itself is wrong
├── NotFound       no such thing in this organization
├── Forbidden      right input, but not with this role
├── Conflict       right input, but not in this state
├── TooLarge       more bytes than are allowed
├── Unsupported    a kind of file that is not read
├── TooMany        right input, but too often
└── ProviderFailed the provider did not do what was asked

Each refusal is defined beside the function that raises it and derives from one of these kinds.
"""


class Refused(Exception):
    """A request that is answered with a reason. `code` is stable; `pointer` names the input field."""

    code = "refused"

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer


class Invalid(Refused):
    code = "invalid"


class NotFound(Refused):
    code = "not_found"


class Forbidden(Refused):
    code = "role_too_low"


class Conflict(Refused):
    code = "conflict"


class TooLarge(Refused):
    code = "too_large"


class Unsupported(Refused):
    code = "unsupported"


class TooMany(Refused):
    """More than a limit allows. `retry_after` is in seconds."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderFailed(Refused):
    code = "provider_failed"
