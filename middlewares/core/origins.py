"""Web origins in the form in which browsers send them: ``scheme://host`` or ``scheme://host:port``.

Standard: RFC 6454, 6.2 and the Fetch standard, 3.1: lower-case scheme and host, no default port, no path, no user.
Addresses are spelt as the URL standard, 3.5 does it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

__all__ = ("Origin", "origin_problem", "parse_origin", "same_host", "suggest_origin")

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_LONGEST = 300  # a host has at most 253 characters
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::(?P<port>[0-9]{1,5}))?"
)
# URL standard, 3.5 (ends in a number checker): such a host is an IPv4 address or nothing.
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?\Z")
_ZEROS = re.compile(r"\b0(?::0)+\b")
_CLEARTEXT = frozenset({"http", "ws", "ftp"})
# Characters that IDNA 2003, which is Python's, spells otherwise than browsers do (UTS 46, 7).
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Origin:
    """An origin: scheme, host and port."""

    scheme: str
    host: str
    """Lower case; IPv6 in brackets."""
    port: int | None = None
    """``None`` where it is the default of the scheme."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and no name."""
        return self.host.startswith("[") or _ENDS_IN_NUMBER.search(self.host) is not None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is the machine of the browser itself (Secure Contexts, 3.1)."""
        if self.host in ("localhost", "[::1]") or self.host.endswith(".localhost"):
            return True
        return self.host.startswith("127.") and self.is_address

    @property
    def is_secure(self) -> bool:
        """Whether nobody on the network can put pages into this origin: no plain HTTP, but for loopback."""
        return self.scheme not in _CLEARTEXT or self.is_loopback


def parse_origin(value: str) -> Origin | None:
    """Return the origin that ``value`` spells, or ``None`` if it is not spelt exactly as a browser would."""
    # What is too long must not reach the cache, which would keep it.
    return _parse(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _parse(value: str) -> Origin | None:
    found = _ORIGIN.fullmatch(value)
    if found is None:
        return None
    port = None if found["port"] is None else int(found["port"])
    if port is not None and (str(port) != found["port"] or not 0 < port < 65536):
        return None
    if port is not None and port == _DEFAULT_PORTS.get(found["scheme"]):
        return None
    if _canonical_host(found["host"]) != found["host"]:
        return None
    return Origin(found["scheme"], found["host"], port)


def origin_problem(value: str) -> tuple[str, str | None] | None:
    """Return what is wrong with the spelling of an origin and a hint, or ``None`` if it is right."""
    if parse_origin(value) is not None:
        return None
    rule = "must hold origins as browsers send them, such as 'https://app.example.com' or 'http://localhost:3000'"
    if value == "null":
        return rule, "any sandboxed page can send 'null'"
    better = suggest_origin(value)
    return rule, None if better is None else f"did you mean {better!r}?"


def suggest_origin(value: str) -> str | None:
    """Return the origin that somebody who wrote ``value`` must have meant, or ``None`` if that is not clear."""
    written = value.strip().lower()
    scheme, separator, rest = written.partition("://")
    if not separator and "." in written.partition("/")[0]:
        scheme, rest = "https", written  # a bare host name
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    authority = authority.removesuffix(f":{_DEFAULT_PORTS.get(scheme)}")
    host, bracket, port = authority.partition("]")
    if bracket:
        authority = f"{_canonical_host(host + bracket)}{port}"
    elif not authority.isascii():
        authority = _to_ascii(authority)
    better = f"{scheme}://{authority}"
    return better if parse_origin(better) else None


def same_host(origin: str, host: str) -> bool:
    """Return whether the host and port of a web origin are those of a ``Host`` field, whatever the scheme.

    TLS may end at a proxy, so an application cannot know the scheme by which a browser reached it.
    """
    parsed = parse_origin(origin)
    if parsed is None or parsed.scheme not in ("http", "https"):
        return False
    # RFC 9110, 4.2.3: an empty port is the default one, and host names compare without case.
    authority = host.lower().removesuffix(":").removesuffix(f":{_DEFAULT_PORTS[parsed.scheme]}")
    return f"{parsed.scheme}://{authority}" == origin


def _to_ascii(authority: str) -> str:
    """Return a host with characters beyond ASCII as browsers spell it, in Punycode; as it is where that is unclear."""
    host, colon, port = authority.partition(":")
    try:
        return authority if _DEVIATIONS & {*host} else host.encode("idna").decode() + colon + port
    except UnicodeError:
        return authority


def _canonical_host(host: str) -> str | None:
    """Return a name as it is and an address as browsers spell it; ``None`` if it is no address."""
    try:
        if host.startswith("["):
            return f"[{_spelt(IPv6Address(host[1:-1]))}]"
        if _ENDS_IN_NUMBER.search(host):
            return str(IPv4Address(host))
    except ValueError:
        return None
    return host


def _spelt(address: IPv6Address) -> str:
    """Return an address in hexadecimal groups, the first of the longest runs of zeros left out.

    Python itself writes the last groups of some addresses as IPv4 from 3.13 on.
    """
    digits = f"{int(address):032x}"
    groups = ":".join(f"{int(digits[start : start + 4], 16):x}" for start in range(0, 32, 4))
    longest = max(_ZEROS.finditer(groups), key=lambda run: len(run[0]), default=None)
    if longest is None:
        return groups
    return f"{groups[: longest.start()].rstrip(':')}::{groups[longest.end() :].lstrip(':')}"
