"""Where a request comes from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest | None) -> Address | None:
    """The caller's address; None when there is no request, or it says none.

    `X-Forwarded-For` counts as far from its end as there are TRUSTED_PROXIES; what stands before that, or
    comes without a proxy, was written by the caller.
    """
    if request is None:
        return None
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(address: str, forwarded_for: str) -> Address | None:
    """The same of a request that is none of Django's: who connected, and the header."""
    forwarded = [part for part in forwarded_for.split(",") if part.strip()]
    if 0 < settings.TRUSTED_PROXIES <= len(forwarded):
        address = forwarded[-settings.TRUSTED_PROXIES].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.ipv4_mapped or parsed
    return parsed
