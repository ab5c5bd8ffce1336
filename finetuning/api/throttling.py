"""The limit of requests a minute."""

from typing import TYPE_CHECKING

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from finetuning.limits import count_request

if TYPE_CHECKING:
    # rest_framework.views loads this module by its setting, before it is whole itself.
    from rest_framework.views import APIView


class TooManyRequests(Throttled):
    default_code = "too_many_requests"
    default_detail = "There were too many requests in the last minute."
    extra_detail_singular = "Try again in {wait} second."
    extra_detail_plural = "Try again in {wait} seconds."


class OrganizationThrottle(BaseThrottle):
    """Counts what an organization asks, except for operations that have a limit of their own."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        organization = getattr(request._request, "organization", None)
        if organization is None or getattr(view, "own_allowance", None) is not None:
            return True
        allowance = count_request(organization.pk)
        if allowance is None:
            return True
        request._request.allowance = allowance  # type: ignore[attr-defined]
        if allowance.is_exceeded:
            raise TooManyRequests(wait=allowance.reset_seconds)
        return True
