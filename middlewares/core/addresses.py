"""Addresses of clients as servers give them, and networks as options list them.

An IPv4 address in IPv6 notation, which is what a dual-stack socket makes of one, is that IPv4 address, and so it is
with networks.

Standard: RFC 4291, 2.5.5.2 (IPv4-mapped addresses); RFC 4007, 11 (zones).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, inet_pton
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.errors import OptionErrors

__all__ = ("Address", "Network", "is_in", "is_ipv4", "parse_address", "parse_networks")

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def parse_address(host: object) -> Address | None:
    """Return the address of a client; ``None`` if that is none, such as what a server says of a Unix socket."""
    try:
        address = ip_address(str(host).partition("%")[0])  # the zone says nothing about the client
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address in _MAPPED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_ipv4(host: object) -> bool:
    """Return whether this is an IPv4 address in its only notation: told in a small part of the time of parsing."""
    try:
        inet_pton(AF_INET, host)  # type: ignore[arg-type]  # what is no text is none
    except (OSError, TypeError, ValueError):
        return False
    return True


def parse_networks(problems: OptionErrors, option: str, given: Collection[str]) -> tuple[Network, ...]:
    """Return the networks, or single addresses, that an option lists; record a problem for each that is none."""
    found: list[Network] = []
    for text in given:
        try:
            found.append(_unmapped(ip_network(text)))
        except ValueError as error:
            hint = "did you mean its network address?" if "host bits" in str(error) else None
            problems.add(option, "must hold addresses or networks such as '10.0.0.0/8'", text, hint)
    return tuple(found)


def is_in(address: Address, networks: Collection[Network]) -> bool:
    """Return whether an address belongs to one of some networks."""
    return any(address.version == network.version and address in network for network in networks)


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
