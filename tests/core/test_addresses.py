"""Addresses and networks mean the same in whatever notation they come."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.addresses import is_in, is_ipv4, parse_address, parse_networks
from middlewares.errors import OptionErrors

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.core.addresses import Network


def networks(*given: str) -> tuple[Network, ...]:
    problems = OptionErrors("it")
    found = parse_networks(problems, "option", given)
    problems.raise_if_any()
    return found


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1%eth0", "192.0.2.1"),
        # Not mapped, whatever the notation looks like.
        ("2001:db8::192.0.2.1", "2001:db8::c000:201"),
        ("::192.0.2.1", "::c000:201"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
    ],
)
def test_an_address_is_what_its_bits_say(host: str, address: str) -> None:
    assert parse_address(host) == ip_address(address)


@pytest.mark.parametrize(
    "host", ["", "localhost", "192.0.2.1:80", "[::1]", "1.2.3", "01.2.3.4", "\udcff", b"/run/x", None]
)
def test_what_is_no_address_is_none(host: object) -> None:
    assert parse_address(host) is None


@given(st.text("0123456789.x\0 ", max_size=16) | st.ip_addresses(v=4).map(str))
def test_the_quick_look_and_the_parser_agree(host: str) -> None:
    assert is_ipv4(host) == (str(parse_address(host)) == host)


@pytest.mark.parametrize("host", [None, b"192.0.2.1", 5, "\udcff", "1.2.3.4\0", "1.2.3.4%eth0"])
def test_odd_hosts_are_no_ipv4_addresses(host: object) -> None:
    assert not is_ipv4(host)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_in_both_notations(address: IPv4Address) -> None:
    assert parse_address(str(address)) == parse_address(f"::ffff:{address}") == address


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_stays_one_unless_it_is_mapped(address: IPv6Address) -> None:
    assert parse_address(str(address)) == (address.ipv4_mapped or address)


@given(st.text())
def test_nothing_that_a_server_says_is_an_error(host: str) -> None:
    parse_address(host)


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        (["10.0.0.0/8"], ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::a01:203", "2001:db8::1"]),
        (["::ffff:10.0.0.0/104"], ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::a01:203"]),
        (["192.0.2.1", "2001:db8::/32"], ["192.0.2.1", "2001:db8::7"], ["192.0.2.2", "2001:db9::7"]),
        (["::/0"], ["2001:db8::1"], ["10.0.0.1"]),
        (["0.0.0.0/0"], ["10.0.0.1", "::ffff:10.0.0.1"], ["2001:db8::1"]),
        ([], [], ["10.0.0.1", "::1"]),
    ],
)
def test_an_address_is_in_a_network_in_whatever_notation(
    given: Collection[str], inside: Collection[str], outside: Collection[str]
) -> None:
    found = networks(*given)
    for hosts, expected in ((inside, True), (outside, False)):
        for host in hosts:
            address = parse_address(host)
            assert address is not None
            assert is_in(address, found) is expected, host


def test_a_mapped_network_is_that_of_ipv4() -> None:
    assert networks("::ffff:10.0.0.0/104") == (ip_network("10.0.0.0/8"),)
    assert networks("::ffff:0:0/96") == (ip_network("0.0.0.0/0"),)


def test_every_problem_is_recorded_with_a_hint() -> None:
    problems = OptionErrors("it")
    assert parse_networks(problems, "allow", ["here", "10.0.0.1/8", "192.0.2.1"]) == (ip_network("192.0.2.1/32"),)
    first, second = map(str, problems.found)
    assert first == "allow must hold addresses or networks such as '10.0.0.0/8'; got 'here'"
    assert second.endswith("got '10.0.0.1/8' (did you mean its network address?)")
