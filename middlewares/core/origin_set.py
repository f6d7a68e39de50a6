"""Tell whether an origin is one of many: listed, below a domain, on any port, or matched by a regular expression.

============================  =============================================================================
``https://app.example.com``   this origin exactly
``https://*.example.com``     every host below ``example.com``, at any depth, and not ``example.com`` itself
``http://localhost:*``        any port of this host, also the default one
============================  =============================================================================

An origin is parsed before it is compared, and names are compared label by label: nothing that only looks like a
listed origin is taken for one. How many are listed does not matter: each question is a few looks into a dict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .memo import Memo
from .origins import Origin, origin_problem, parse_origin, suggest_origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("OriginPattern", "OriginSet", "parse_pattern", "pattern_problem")

_STARS: Final = "a star stands for whole labels in front or for the port, as in 'https://*.example.com'"


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """One origin, or all of a kind."""

    base: Origin
    """The origin without its stars."""
    is_below: bool = False
    """Whether it stands for the hosts below that of ``base``."""
    is_any_port: bool = False
    """Whether any port will do."""

    @property
    def is_exact(self) -> bool:
        """Whether it is one origin."""
        return not (self.is_below or self.is_any_port)

    def __str__(self) -> str:
        below = "*." if self.is_below else ""
        port = ":*" if self.is_any_port else "" if self.base.port is None else f":{self.base.port}"
        return f"{self.base.scheme}://{below}{self.base.host}{port}"


def parse_pattern(value: str) -> OriginPattern | None:
    """Return the origin or pattern that ``value`` spells, or ``None`` if it is not spelt as one."""
    bare, is_below, is_any_port = _without_stars(value)
    base = parse_origin(bare)
    if base is None or (is_any_port and base.port is not None) or (is_below and base.is_address):
        return None
    return OriginPattern(base, is_below, is_any_port)


def pattern_problem(value: str) -> tuple[str, str | None] | None:
    """Return what is wrong with the spelling of an origin or pattern and a hint, or ``None`` if it is right."""
    if parse_pattern(value) is not None:
        return None
    problem = origin_problem(value)
    if problem is None or problem[1] is not None or "*" not in value:
        return problem
    bare, is_below, is_any_port = _without_stars(value.strip().rstrip("/"))
    base = parse_origin(suggest_origin(bare) or "")
    if base is None or (is_below and base.is_address) or (is_any_port and base.port is not None):
        return problem[0], _STARS
    return problem[0], f"did you mean {str(OriginPattern(base, is_below, is_any_port))!r}?"


class OriginSet:
    """A set of origins, asked with ``in``, by text or by the bytes of a field.

    ::

        trusted = OriginSet(["https://example.com", "https://*.example.com"])
        b"https://app.example.com" in trusted

    ``patterns`` are spelt as the module says; raises `ValueError` for others. ``regex`` matches the whole of an
    origin. With ``only_secure`` no origin of plain HTTP is in it but those of loopback.
    """

    __slots__ = ("_exact", "_known", "is_exact")

    def __init__(
        self, patterns: Iterable[str] = (), regex: str | re.Pattern[str] | None = None, *, only_secure: bool = False
    ) -> None:
        parsed = [_parsed(pattern) for pattern in patterns]
        exact = [str(pattern).encode() for pattern in parsed if pattern.is_exact]
        self._exact = frozenset(value for value in exact if not only_secure or _is_secure(value))
        open_patterns = [pattern for pattern in parsed if not pattern.is_exact]
        self.is_exact: Final = not open_patterns and regex is None
        """Whether it consists of single origins."""
        self._known = Memo(_Patterns(open_patterns, regex, only_secure=only_secure).holds)

    def __contains__(self, origin: str | bytes) -> bool:
        value = origin if isinstance(origin, bytes) else origin.encode()
        return value in self._exact or (not self.is_exact and self._known[value])

    def __iter__(self) -> Iterator[bytes]:
        """Return the single origins."""
        return iter(self._exact)


class _Patterns:
    """What stands for more than one origin."""

    __slots__ = ("_below", "_hosts", "_match", "_only_secure")

    def __init__(
        self, patterns: Iterable[OriginPattern], regex: str | re.Pattern[str] | None, *, only_secure: bool
    ) -> None:
        self._hosts: set[tuple[str, str]] = set()
        """Scheme and host of those with any port."""
        self._below: dict[tuple[str, str], set[int | str | None]] = {}
        """Ports by scheme and domain; ``*`` is any."""
        for pattern in patterns:
            place = (pattern.base.scheme, pattern.base.host)
            if pattern.is_below:
                self._below.setdefault(place, set()).add("*" if pattern.is_any_port else pattern.base.port)
            else:
                self._hosts.add(place)
        self._match = None if regex is None else re.compile(regex).fullmatch
        self._only_secure = only_secure

    def holds(self, value: bytes) -> bool:
        # Parsed first: what is no origin, such as 'https://evil.example/.app.example', must not match by accident.
        origin = parse_origin(value.decode("latin-1"))
        if origin is None or (self._only_secure and not origin.is_secure):
            return False
        if (origin.scheme, origin.host) in self._hosts or self._is_below(origin):
            return True
        return self._match is not None and self._match(str(origin)) is not None

    def _is_below(self, origin: Origin) -> bool:
        if not self._below:
            return False
        domain = origin.host
        while domain:
            domain = domain.partition(".")[2]
            ports = self._below.get((origin.scheme, domain))
            if ports is not None and (origin.port in ports or "*" in ports):
                return True
        return False


def _without_stars(value: str) -> tuple[str, bool, bool]:
    """Return a pattern without its stars, and whether one stood for labels and for the port."""
    bare = value.removesuffix(":*")
    scheme, separator, rest = bare.rpartition("://")
    return scheme + separator + rest.removeprefix("*."), rest.startswith("*."), bare != value


def _parsed(value: str) -> OriginPattern:
    pattern = parse_pattern(value)
    if pattern is None:
        raise ValueError(f"OriginSet: patterns must be spelt as browsers spell origins; got {value!r}")
    return pattern


def _is_secure(value: bytes) -> bool:
    origin = parse_origin(value.decode())
    return origin is not None and origin.is_secure
