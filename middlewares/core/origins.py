"""Web origins in the form in which browsers send them: ``scheme://host`` or ``scheme://host:port``.

Standard: RFC 6454, 6.2 and the Fetch standard, 3.1: lower-case scheme and host, no default port, no path, no user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address

__all__ = ("Origin", "origin_problem", "parse_origin")

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_LONGEST = 300  # a host has at most 253 characters
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
)


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


@lru_cache(maxsize=1024)
def parse_origin(value: str) -> Origin | None:
    """Return the origin that ``value`` spells, or ``None`` if it is not spelt exactly as a browser would."""
    found = _ORIGIN.fullmatch(value) if len(value) <= _LONGEST else None
    if found is None:
        return None
    port = None if found["port"] is None else int(found["port"])
    if port is not None and (str(port) != found["port"] or not 0 < port < 65536):
        return None
    if port is not None and port == _DEFAULT_PORTS.get(found["scheme"]):
        return None
    if found["host"].startswith("[") and not _is_canonical_ipv6(found["host"][1:-1]):
        return None
    return Origin(found["scheme"], found["host"], port)


def origin_problem(value: str) -> tuple[str, str | None] | None:
    """Return what is wrong with the spelling of an origin and a hint, or ``None`` if it is right."""
    if parse_origin(value) is not None:
        return None
    rule = "must hold origins as browsers send them, such as 'https://app.example.com' or 'http://localhost:3000'"
    if value == "null":
        return rule, "any sandboxed page can send 'null'"
    return rule, _suggestion(value)


def _suggestion(value: str) -> str | None:
    scheme, _, rest = value.strip().lower().partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    default = _DEFAULT_PORTS.get(scheme)
    better = f"{scheme}://{authority.removesuffix(f':{default}')}"
    return f"did you mean {better!r}?" if parse_origin(better) else None


def _is_canonical_ipv6(host: str) -> bool:
    try:
        return IPv6Address(host).compressed == host
    except ValueError:
        return False
