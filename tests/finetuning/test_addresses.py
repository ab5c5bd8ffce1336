import socket
from ipaddress import ip_address

import pytest

from finetuning.addresses import AddressRefused, find_destination, is_public, parse_url

LOOPBACK = "127.0.0.0/8"
# Every one of these leads, or could lead, to the worker's own machine or network.
FORMS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "localhost", "①②⑦.⓪.⓪.①"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[fd00::1]"),
    *("[2002:7f00:1::]", "[2001::1]", "[ff02::1]", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("192.0.0.8", "[fe80::1%25eth0]", "[2001:db8::1]", "203.0.113.1"),
]


def name_server(monkeypatch, *answers):
    """Let names resolve to one list of addresses after the other; returns the names that were asked for."""
    asked = []
    remaining = list(answers)
    real = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        if not str(host).endswith(".test"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        addresses = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("host", FORMS)
def test_refuses_what_is_not_on_the_internet(host):
    with pytest.raises(AddressRefused):
        find_destination(f"https://{host}/hook")


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]
)
def test_knows_public_addresses(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example.com", "ftp://example.com/", "javascript:alert(1)", "https://", "https:///path"),
        *("https://user:password@example.com/", "https://example.com/#here", "https://exa mple.com/"),
        *(
            "https://example.com\\@127.0.0.1/",
            "https://example.com/\r\nHost: x",
            "https://example.com:99999/",
        ),
        *("https://[::1/", "https://bücher.example/", "https://example.com/" + "a" * 2000, "https://a\0b/"),
    ],
)
def test_refuses_what_is_no_plain_url(url):
    with pytest.raises(AddressRefused):
        parse_url(url)


def test_refuses_a_name_that_does_not_resolve():
    with pytest.raises(AddressRefused, match="not found"):
        find_destination("https://no-such-host.invalid/")


def test_refuses_a_name_of_which_one_address_is_private(monkeypatch):
    name_server(monkeypatch, ["93.184.216.34", "10.0.0.1"])

    with pytest.raises(AddressRefused):
        find_destination("https://hooks.test/")


def test_asks_the_name_server_once(monkeypatch):
    asked = name_server(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])

    destination = find_destination("https://hooks.test/")

    assert (destination.address, asked) == ("93.184.216.34", ["hooks.test"])


def test_sends_by_plain_http_only_into_networks_that_the_operator_opened(monkeypatch):
    name_server(monkeypatch, ["93.184.216.34"])

    with pytest.raises(AddressRefused, match="https"):
        find_destination("http://hooks.test/", allowed=[LOOPBACK])
    assert find_destination("http://127.0.0.1:8000/", allowed=[LOOPBACK]).address == "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
def test_opens_what_the_operator_says(host):
    assert find_destination(f"http://{host}/", allowed=[LOOPBACK, "::1/128"])


def test_opens_nothing_else():
    with pytest.raises(AddressRefused):
        find_destination("http://10.0.0.1/", allowed=[LOOPBACK])
