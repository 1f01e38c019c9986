"""Webhooks are sent to hosts of the internet, and to networks inside that the deployment allows."""

from ipaddress import ip_address

import pytest

from resolvers.webhook_addresses import AddressPolicy, Target, is_public, parse_url
from storage.errors import Invalid

OUTSIDE = AddressPolicy()
INSIDE = AddressPolicy.of(["10.1.0.0/16", "fd12::/16"])

PUBLIC = ["8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "223.255.255.1", "2606:4700::1111", "2a00:1450::1"]
NOT_PUBLIC = [
    # this host, loopback, private networks, shared addresses
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.1"),
    *("192.168.0.1", "192.168.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    # link-local, with the metadata of clouds; services inside machines of Azure and Oracle
    *("169.254.0.1", "169.254.169.254", "168.63.129.16", "192.0.0.192"),
    # protocols, documentation, benchmarks, relays, multicast, reserved, broadcast
    *("192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    # unspecified, loopback, IPv4-compatible, discarded, local addresses, old site-local, link-local, multicast
    *("::", "::1", "::7f00:1", "::10.0.0.1", "100::1", "fc00::1", "fd00:ec2::254", "fec0::1", "fe80::1", "fe80::1%1"),
    *("ff02::1", "ff0e::1"),
    # tunnels with IPv4 addresses in them, local translation, identifiers, documentation, segments
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2002:7f00:1::", "2002:808:808::", "64:ff9b:1::a00:1"),
    *("2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1", "5f00::1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_hosts_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses_are_refused(address: str) -> None:
    target = Target("https", "example.org", 443, "/")
    shown = str(ip_address(address))

    assert not is_public(ip_address(address))
    assert OUTSIDE.refusal(target, ip_address(address)) == f"{shown} is not an address of the internet"


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::808:808", None),
        ("::ffff:127.0.0.1", "127.0.0.1 is not an address of the internet"),
        ("::ffff:a9fe:a9fe", "169.254.169.254 is not an address of the internet"),
        ("64:ff9b::7f00:1", "127.0.0.1 is not an address of the internet"),
        ("64:ff9b::c0a8:1", "192.168.0.1 is not an address of the internet"),
    ],
)
def test_an_ipv4_address_in_an_ipv6_address_counts(address: str, refusal: str | None) -> None:
    assert OUTSIDE.refusal(Target("https", "example.org", 443, "/"), ip_address(address)) == refusal


def test_networks_inside_are_allowed_with_any_port_and_without_tls() -> None:
    target = Target("http", "crm.internal", 25, "/")

    assert INSIDE.refusal(target, ip_address("10.1.2.3")) is None
    assert INSIDE.refusal(target, ip_address("::ffff:10.1.2.3")) is None
    assert INSIDE.refusal(target, ip_address("fd12::7")) is None
    assert INSIDE.refusal(target, ip_address("10.2.0.1")) == "10.2.0.1 is not an address of the internet"
    assert INSIDE.refusal(target, ip_address("127.0.0.1")) == "127.0.0.1 is not an address of the internet"


def test_outside_only_https_and_ports_of_web_servers_are_allowed() -> None:
    address = ip_address("8.8.8.8")

    def refusal(scheme: str, port: int) -> str | None:
        return INSIDE.refusal(Target(scheme, "example.org", port, "/"), address)

    assert refusal("http", 80) == "8.8.8.8 is outside, where only https is allowed"
    assert refusal("https", 25) == "the port 25 is not allowed outside"
    assert refusal("https", 0) == "the port 0 is not allowed outside"
    assert [refusal("https", port) for port in (443, 1024, 8443, 65_535)] == [None] * 4


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org", Target("https", "example.org", 443, "/")),
        ("https://Example.org.:8443/a%20b?c=d&e", Target("https", "example.org", 8443, "/a%20b?c=d&e")),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://[2606:4700::1111]:8443/", Target("https", "2606:4700::1111", 8443, "/")),
        ("HTTPS://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
    ],
)
def test_a_url_is_taken_apart_once(url: str, target: Target) -> None:
    assert parse_url(url, OUTSIDE) == target


def test_the_header_host_has_the_port_unless_it_is_the_usual_one() -> None:
    urls = ["https://example.org/", "https://example.org:8443/", "https://[2606:4700::1111]:8443/"]

    hosts = [parse_url(url, OUTSIDE).authority for url in urls]

    assert hosts == ["example.org", "example.org:8443", "[2606:4700::1111]:8443"]


NO_URL = "url is not a URL such as https://example.org/events."
NO_USER = "url must not contain a username or a password; requests are signed."
NO_ADDRESS = (
    "url leads to an address that is not allowed: {} is not an address of the internet; "
    "the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside."
)
NO_HTTPS = (
    "url must begin with https://; the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside, also by http://."
)

NO_NUMBER = "url has a host that ends in a number; write an address as 192.0.2.1 or [2001:db8::1]."
NO_PORT = (
    "url cannot be reached: the port {} is not allowed outside; "
    "the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside."
)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "url must have 1 to 2,048 characters; this one has 0."),
        ("https://example.org/" + "x" * 2_029, "url must have 1 to 2,048 characters; this one has 2,049."),
        ("http://example.org/", NO_HTTPS),
        ("ftp://example.org/", NO_URL),
        ("file:///etc/passwd", NO_URL),
        ("gopher://example.org/", NO_URL),
        ("example.org", NO_URL),
        ("//example.org", NO_URL),
        ("https://", NO_URL),
        ("https:///x", NO_URL),
        ("https://:443/", NO_URL),
        ("https://example.org:99999/", NO_URL),
        ("https://example.org:x/", NO_URL),
        ("https://[::1/", NO_URL),
        ("https://exa$mple.org/", NO_URL),
        ("https://127.0.0.1\\@example.org/", NO_USER),
        ("https://example.org\\.evil.example/", NO_URL),
        ("https://user@example.org/", NO_USER),
        ("https://:pass@example.org/", NO_USER),
        ("https://example.org/#x", "url must not have a fragment."),
        ("https://example.org/#", "url must not have a fragment."),
        ("https://127.0.0.1/", NO_ADDRESS.format("127.0.0.1")),
        ("https://169.254.169.254/latest/meta-data", NO_ADDRESS.format("169.254.169.254")),
        ("https://[::1]/", NO_ADDRESS.format("::1")),
        ("https://[::ffff:10.0.0.1]/", NO_ADDRESS.format("10.0.0.1")),
        ("https://2130706433/", NO_NUMBER),
        ("https://0x7f000001/", NO_NUMBER),
        ("https://0X7F000001./", NO_NUMBER),
        ("https://127.1/", NO_NUMBER),
        ("https://example.0x1/", NO_NUMBER),
        ("https://example.org:80/", NO_PORT.format(80)),
        ("https://example.org:1023/", NO_PORT.format(1023)),
        ("https://8.8.8.8:25/", "url leads to an address that is not allowed: the port 25 is not allowed outside."),
    ],
)
def test_a_url_to_which_nothing_may_be_sent_is_refused(url: str, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_url(url, OUTSIDE)

    assert (refusal.value.message, refusal.value.data) == (message, {"key": "url"})


@pytest.mark.parametrize("url", ["https://exa mple.org/", "https://example.org/\r\nx: y", "https://bücher.example/"])
def test_a_url_has_printable_ascii_characters(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_url(url, OUTSIDE)

    assert refusal.value.message == (
        "url must be of printable ASCII characters without spaces; write a host as xn--... and others as %..."
    )


def test_http_is_accepted_if_a_network_inside_is_allowed() -> None:
    assert parse_url("http://crm.internal:8080/x", INSIDE) == Target("http", "crm.internal", 8080, "/x")


def test_a_name_may_have_any_port_if_a_network_inside_is_allowed() -> None:
    assert parse_url("https://crm.internal:25/", INSIDE) == Target("https", "crm.internal", 25, "/")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://10.2.0.1/", NO_ADDRESS.format("10.2.0.1")),
        (
            "http://8.8.8.8/",
            "url leads to an address that is not allowed: 8.8.8.8 is outside, where only https is allowed.",
        ),
    ],
)
def test_addresses_beside_the_networks_inside_are_refused(url: str, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_url(url, INSIDE)

    assert refusal.value.message == message
