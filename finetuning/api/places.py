"""What is wrong elsewhere than in the body, where a JSON pointer would say nothing."""

from rest_framework.exceptions import ErrorDetail, ValidationError


class QueryInvalid(ValidationError):
    """400: parameters of the query, as `{parameter: [detail]}`."""


class HeaderInvalid(ValidationError):
    """400: a header."""

    def __init__(self, name: str, detail: str, *, code: str) -> None:
        super().__init__({name: [ErrorDetail(detail, code=code)]})
