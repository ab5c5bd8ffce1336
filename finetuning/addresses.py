"""Where requests may go. A URL of a webhook or a provider is a member's input; we stand inside our network.

A name is resolved once and the connection goes to the address that was checked, so a second answer of the
name server (DNS rebinding) is never asked for.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_LENGTH = 2000
PORTS = {"https": 443, "http": 80}
# Only these IPv6 addresses are handed out to hosts (IANA IPv6 Address Space registry).
GLOBAL_UNICAST = IPv6Network("2000::/3")
# Inside them, or called global by Python's `ipaddress`, but leading to an IPv4 address or to nowhere (IANA's
# special-purpose registries).
NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)


class AddressRefused(Exception):
    """Nothing is sent there; the message says why, in words for the member who entered the URL."""


@dataclass(frozen=True, kw_only=True)
class Url:
    """The parts of a URL that is well formed. `host` is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A URL and the one address to connect to."""

    url: Url
    address: str


def parse_url(text: str) -> Url:
    """The parts of `text`. Raises AddressRefused for anything but a plain http or https URL."""
    if (
        len(text) > MAX_URL_LENGTH
        or not text.isascii()
        or not text.isprintable()
        or set(text) & set(' \\"<>')
    ):
        raise AddressRefused(
            "Write the URL in plain ASCII, without spaces; a host of other letters in xn-- form."
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressRefused("This is no URL.") from error
    if parts.scheme not in PORTS or not host:
        raise AddressRefused("Give a full URL that starts with https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("Leave user name and password out of the URL.")
    if parts.fragment or "%" in host:
        raise AddressRefused("Leave out what stands after # in the path or % in the host.")
    return Url(scheme=parts.scheme, host=host, port=PORTS[parts.scheme] if port is None else port)


def find_destination(text: str, *, allowed: Sequence[str] = ()) -> Destination:
    """Resolve the URL's host, once. Raises AddressRefused.

    `allowed` are networks (CIDR) that the operator opens although they are not public; plain http goes only
    there. A name with several addresses is refused if one of them is.
    """
    url = parse_url(text)
    networks = [ip_network(network) for network in allowed]
    addresses = _resolve(url)
    for address in addresses:
        _check(address, url, networks)
    return Destination(url=url, address=str(addresses[0]))


def _resolve(url: Url) -> list[Address]:
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The host {url.host} was not found.") from error
    return [ip_address(str(address[4][0])) for address in found]


def _check(address: Address, url: Url, allowed: Sequence[Network]) -> None:
    address = (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
    if any(address in network for network in allowed):
        return
    if not is_public(address):
        raise AddressRefused(f"The host {url.host} is not on the public internet, so nothing is sent there.")
    if url.scheme != "https":
        raise AddressRefused("Use https, so that nobody on the way can read along.")


def is_public(address: Address) -> bool:
    """Whether the address belongs to a host on the internet: not private, local, reserved or multicast."""
    if isinstance(address, IPv6Address) and (address not in GLOBAL_UNICAST or address.scope_id):
        return False
    special = any(address in network for network in NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not special
