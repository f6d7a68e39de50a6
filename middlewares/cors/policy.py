"""What a policy says of an origin, a response and a preflight: everything is decided here, and nothing is sent."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import is_token
from middlewares.core.memo import Memo
from middlewares.core.origins import parse_origin
from middlewares.core.refusals import Refusal

from .response import ALLOW_CREDENTIALS, ALLOW_ORIGIN, EXPOSE_HEADERS, VARY_ORIGIN, Answer

if TYPE_CHECKING:
    from middlewares.core.headers import HeaderList, Headers

    from .middleware import CORS

__all__ = ("FORBIDDEN_METHODS", "Policy")

SAFELISTED_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST"})
"""Methods that need no permission (Fetch, 2.2.1)."""
SAFELISTED_HEADERS: Final = frozenset({b"accept", b"accept-language", b"content-language", b"content-type"})
"""Request headers that a preflight may list for their values, and that need no permission by name (Fetch, 2.2.2)."""
FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
"""Methods that browsers never send (Fetch, 2.2.1)."""

_LONGEST_LIST: Final = 4096
"""Bytes of ``Access-Control-Request-Headers`` that are read; browsers send far less."""
_LONGEST_SHOWN: Final = 80
"""Bytes of a client's words that the reason of a refusal repeats."""
_MOST_NAMES: Final = 128
"""Names in it, empty ones included."""

_VARY_ALONE: Final = (VARY_ORIGIN,)
_VARY_PREFLIGHT: Final = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


class Policy:
    """The options of a CORS layer, made ready for requests when it is built."""

    __slots__ = (
        "_allowed_names",
        "_allows_network",
        "_answers",
        "_header_names",
        "_methods",
        "_pattern",
        "_permissions",
        "_permitted",
        "_readable",
        "always",
    )

    def __init__(self, options: CORS) -> None:
        # The options themselves are not kept: they are the layer, which would be kept alive in a cycle.
        self._pattern = None if options.allow_origin_regex is None else re.compile(options.allow_origin_regex)
        self._methods = SAFELISTED_METHODS.union(method.encode() for method in options.allow_methods)
        self._header_names = SAFELISTED_HEADERS.union(name.lower().encode() for name in options.allow_headers)
        self._allowed_names = Memo(partial(_allow_names, self._header_names))
        self._allows_network = options.allow_private_network
        self._readable = _readable(options)
        self._permitted = _permitted(options)
        self._answers: dict[bytes, Answer] = {}
        """Headers of responses to each listed origin."""
        for origin in options.allow_origins:
            self._answers[origin.encode()] = self._answer(origin.encode())
        self._permissions = {origin: self._permission(origin) for origin in self._answers}
        self.always: Answer | None = None
        """Headers of every response, where they do not depend on the request."""
        if len(self._answers) <= 1 and self._pattern is None:
            # One answer for all requests: it does not vary, for a browser compares the origin itself.
            self.always = next(iter(self._answers.values()), _VARY_ALONE)[1:]

    def answer_to(self, origin: bytes) -> Answer:
        """Return the headers of a response to a request of an origin, where they depend on it."""
        answer = self._answers.get(origin)
        if answer is not None:
            return answer
        return self._answer(origin) if self._matches(origin) else _VARY_ALONE

    def preflight(self, headers: Headers, origin: bytes, method: bytes) -> HeaderList | Refusal:
        """Return the headers that answer a preflight (Fetch, 4.8), or why it is refused."""
        permission = self._permissions.get(b"*" if b"*" in self._permissions else origin)
        if permission is None and self._matches(origin):
            permission = self._permission(origin)
        if permission is None:
            return _refusal("origin", f"{origin[:_LONGEST_SHOWN]!r} not allowed")
        if not self._allows_method(method):
            return _refusal("method", f"{method[:_LONGEST_SHOWN].decode('latin-1')!r} not allowed")
        answer = [*permission]
        if b"*" in self._methods:
            # '*' itself would be a method of that name where there are credentials (Fetch, 4.8).
            answer.append((b"access-control-allow-methods", method))
        names, network = _further_requests(headers)
        if names is not None:
            allowed = self._allowed_names[names] if len(names) <= _LONGEST_LIST else None
            if allowed is None:
                return _refusal("headers", "a requested header is not allowed")
            if allowed:
                answer.append((b"access-control-allow-headers", allowed))
        if network == b"true":
            if not self._allows_network:
                return _refusal("private_network", "not allowed")
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer

    def _answer(self, origin: bytes) -> Answer:
        """Return the headers of a response that pages of ``origin`` may read."""
        return (VARY_ORIGIN, (ALLOW_ORIGIN, origin), *self._readable)

    def _permission(self, origin: bytes) -> HeaderList:
        """Return the headers of a preflight's answer that depend on nothing else that it asks."""
        return [(ALLOW_ORIGIN, origin), *self._permitted]

    def _matches(self, origin: bytes) -> bool:
        if self._pattern is None:
            return False
        text = origin.decode("latin-1")
        # Parsed first: what is no origin, such as 'https://evil.example/.app.example', must not match by accident.
        return parse_origin(text) is not None and self._pattern.fullmatch(text) is not None

    def _allows_method(self, method: bytes) -> bool:
        # Methods compare with case: 'patch' is not 'PATCH' (Fetch, 2.2.1).
        if b"*" in self._methods:
            return is_token(method) and method.decode().upper() not in FORBIDDEN_METHODS
        return method in self._methods


def _readable(options: CORS) -> Answer:
    """Return the headers of a response that any page may read, besides those that name its origin."""
    headers: HeaderList = []
    if options.allow_credentials:
        headers.append((ALLOW_CREDENTIALS, b"true"))
    if options.expose_headers:
        headers.append((EXPOSE_HEADERS, ", ".join(options.expose_headers).encode()))
    return tuple(headers)


def _permitted(options: CORS) -> Answer:
    """Return the headers of a preflight's answer besides its origin."""
    headers: HeaderList = [(ALLOW_CREDENTIALS, b"true")] if options.allow_credentials else []
    headers.append(_VARY_PREFLIGHT)
    if options.allow_methods and "*" not in options.allow_methods:
        headers.append((b"access-control-allow-methods", ", ".join(options.allow_methods).encode()))
    headers.append((b"access-control-max-age", b"%d" % options.max_age))
    return tuple(headers)


def _allow_names(allowed: frozenset[bytes], asked: bytes) -> bytes | None:
    """Return the header names that a preflight asks for as a list to allow, or ``None`` if one may not be."""
    if asked.count(b",") >= _MOST_NAMES:
        return None
    names = [name for part in asked.lower().split(b",") if (name := part.strip(b" \t"))]
    if all(name in allowed or (b"*" in allowed and is_token(name)) for name in names):
        return b", ".join(names)
    return None


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


def _refusal(rule: str, why: str) -> Refusal:
    return Refusal(
        status=403,
        reason=f"cors.{rule}: {why}",
        detail="This cross-origin request is not permitted.",
        headers=(_VARY_PREFLIGHT,),
    )
