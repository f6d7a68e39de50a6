"""The options of a CORS policy: those that the layer itself takes, and the same for some paths only."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ("PolicyOptions",)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PolicyOptions:
    """What a policy allows. Nothing is checked here: the classes that take these options do."""

    allow_origins: Collection[str] = ()
    """Origins whose pages may read responses: ``https://app.example.com``, all below a domain as in
    ``https://*.example.com``, any port as in ``http://localhost:*``; ``*`` alone: any."""
    allow_origin_regex: str | None = None
    """A regular expression that matches the whole of further allowed origins."""
    allow_origin_callable: Callable[..., Any] | None = None
    """A function, sync or async, that is given an origin which the other options do not allow, and the
    ``HTTPConnection``, and returns whether it is allowed."""
    allow_origin_vary: Collection[str] = ()
    """Request headers that ``allow_origin_callable`` looks at besides ``Origin``: responses vary by them."""
    allow_methods: Collection[str] = ("GET",)
    """Methods allowed besides ``GET``, ``HEAD`` and ``POST``, which need no permission; ``*``: any."""
    allow_headers: Collection[str] = ()
    """Request headers allowed besides the safelisted ones; ``*``: any."""
    allow_credentials: bool = False
    """Whether requests with cookies, HTTP authentication or client certificates may be read."""
    expose_headers: Collection[str] | Literal["auto"] = ()
    """Response headers that pages may read besides the safelisted ones; ``auto``, alone or in the list: those that
    layers add, such as ``Retry-After`` and ``X-Request-ID``."""
    max_age: int = 600
    """Seconds for which a browser may remember a preflight; 0: not at all."""
    allow_private_network: bool = False
    """Whether pages of public sites may reach this application on a private network."""
    websockets: bool | Literal["listed"] | None = None
    """Which WebSocket handshakes are let in: true: those without origin, of the same host and port, or of an allowed
    origin; ``listed``: not for being of the same host; false: all. Unless given: true, but false where any origin
    is allowed."""
    dangerously_allow_null_origin: bool = False
    """Whether ``null`` is allowed, the origin of every sandboxed page and local file; never with credentials."""
    dangerously_allow_any_origin_with_credentials: bool = False
    """Whether ``*`` may stand together with ``allow_credentials``: every site can then act for the user."""
    dangerously_allow_insecure_origins: bool = False
    """Whether origins of plain HTTP may be allowed with credentials: whoever is on the user's network speaks for
    them."""
    dangerously_allow_public_suffixes: bool = False
    """Whether all hosts below a public suffix, such as ``https://*.github.io``, may be allowed with credentials:
    anybody can get such a host."""

    @property
    def allows_any(self) -> bool:
        """Whether pages of all origins may read responses."""
        return "*" in self.allow_origins
