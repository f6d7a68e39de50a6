"""What a preflight asks besides its origin, and which of it a policy permits, at a cost that no client can raise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import is_token
from middlewares.core.memo import Memo
from middlewares.core.refusals import Refusal

if TYPE_CHECKING:
    from middlewares.core.headers import HeaderList, Headers

    from .options import PolicyOptions

__all__ = ("FORBIDDEN_METHODS", "Permissions", "refusal", "shown")

SAFELISTED_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST"})
"""Methods that need no permission (Fetch, 2.2.1)."""
SAFELISTED_HEADERS: Final = frozenset({b"accept", b"accept-language", b"content-language", b"content-type"})
"""Request headers that a preflight may list for their values, and that need no permission by name (Fetch, 2.2.2)."""
FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
"""Methods that browsers never send (Fetch, 2.2.1)."""

_LONGEST_LIST: Final = 2048
"""Bytes of ``Access-Control-Request-Headers`` that are read; browsers send far less."""
_LONGEST_METHOD: Final = 64
"""Bytes of a requested method, where any is allowed: the answer repeats it."""
_LONGEST_SHOWN: Final = 80
"""Bytes of a client's words that the reason of a refusal repeats."""
_MOST_NAMES: Final = 128
"""Names in it, empty ones included."""

_VARY: Final = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


class Permissions:
    """The methods and headers of a policy, made ready for preflights."""

    __slots__ = ("_allowed_names", "_allows_network", "_any_method", "_fixed", "_methods")

    def __init__(self, options: PolicyOptions) -> None:
        self._any_method = "*" in options.allow_methods
        self._methods = SAFELISTED_METHODS.union(method.encode() for method in options.allow_methods)
        names = SAFELISTED_HEADERS.union(name.lower().encode() for name in options.allow_headers)
        self._allowed_names = Memo(partial(_allow_names, names))
        self._allows_network = options.allow_private_network
        self._fixed = _fixed(options)

    def answer(self, headers: Headers, allow_origin: tuple[bytes, bytes], method: bytes) -> HeaderList | Refusal:
        """Return the headers that answer a preflight of an allowed origin (Fetch, 4.8), or why it is refused."""
        if not self._allows_method(method):
            return refusal("method", f"{shown(method)} not allowed")
        answer = [allow_origin, *self._fixed]
        if self._any_method:
            # '*' itself would be a method of that name where there are credentials (Fetch, 4.8).
            answer.append((b"access-control-allow-methods", method))
        names, network = _further_requests(headers)
        if names is not None:
            allowed = self._allowed_names[names] if len(names) <= _LONGEST_LIST else None
            if allowed is None:
                return refusal("headers", "a requested header is not allowed")
            if allowed:
                answer.append((b"access-control-allow-headers", allowed))
        if network == b"true":
            if not self._allows_network:
                return refusal("private_network", "not allowed")
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer

    def _allows_method(self, method: bytes) -> bool:
        # Methods compare with case: 'patch' is not 'PATCH' (Fetch, 2.2.1).
        if self._any_method:
            return (
                len(method) <= _LONGEST_METHOD and is_token(method) and method.decode().upper() not in FORBIDDEN_METHODS
            )
        return method in self._methods


def refusal(rule: str, reason: str, *, detail: str = "This cross-origin request is not permitted.") -> Refusal:
    """Return the refusal of a request that a policy does not permit; it does not give the policy away."""
    return Refusal(status=403, code=f"cors.{rule}", reason=reason, detail=detail, headers=(_VARY,))


def shown(value: bytes) -> str:
    """Return what a client sent for people who read logs: cut, and in quotes if it is no plain word."""
    text = value[:_LONGEST_SHOWN].decode("latin-1")
    return text if text.isascii() and text.isprintable() and " " not in text and text else repr(text)


def _fixed(options: PolicyOptions) -> HeaderList:
    """Return the headers of a preflight's answer that depend on nothing it asks."""
    headers: HeaderList = [(b"access-control-allow-credentials", b"true")] if options.allow_credentials else []
    headers.append(_VARY)
    if options.allow_methods and "*" not in options.allow_methods:
        headers.append((b"access-control-allow-methods", ", ".join(options.allow_methods).encode()))
    headers.append((b"access-control-max-age", b"%d" % options.max_age))
    return headers


def _allow_names(allowed: frozenset[bytes], asked: bytes) -> bytes | None:
    """Return the header names that a preflight asks for as a list to allow, or ``None`` if one may not be."""
    if asked.count(b",") >= _MOST_NAMES:
        return None
    names = [name for part in asked.lower().split(b",") if (name := part.strip(b" \t"))]
    unlisted = b"".join([name for name in names if name not in allowed])
    # All at once: what is made of tokens is a token.
    if unlisted and not (b"*" in allowed and is_token(unlisted)):
        return None
    return b", ".join(names)


def _further_requests(headers: Headers) -> tuple[bytes | None, bytes | None]:
    """Return the header names that a preflight asks for, and whether it asks for a private network."""
    names = network = None
    for name, value in headers:
        if len(name) == 30 and name.lower() == b"access-control-request-headers":
            # Lines past the limit add nothing, so that many short ones cost no more than a long one.
            if names is None:
                names = value
            elif len(names) <= _LONGEST_LIST:
                names += b"," + value
        elif len(name) == 38 and name.lower() == b"access-control-request-private-network":
            network = value
    return names, network
