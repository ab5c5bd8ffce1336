"""Errors in the vendor's JSON shape: ``{"error": {message, type, param, code}}``."""

from typing import Any


class ApiError(Exception):
    """An answer that is an error; ``str(error)`` is the message that the client reads."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.type = type

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {
            "error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code},
        }


def no_such_file(file_id: str) -> ApiError:
    """Return the vendor's 404 for an unknown file."""
    return ApiError(404, f"No such File object: {file_id}", param="id")


def no_such_model(model: str) -> ApiError:
    """Return the vendor's 404 for an unknown model."""
    return ApiError(404, f"The model '{model}' does not exist", param="model", code="model_not_found")


def no_such_object(kind: str, object_id: str) -> ApiError:
    """Return a 404 for the object kinds whose wording was never observed."""
    return ApiError(404, f"No such {kind} object: {object_id}", param="id")


def missing_parameter(param: str) -> ApiError:
    """Return the vendor's 400 for a required parameter that was not sent."""
    return ApiError(
        400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )
