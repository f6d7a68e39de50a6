"""The layer: it finds out what a request is, and does what the policy says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from middlewares.asgi import ASGIApp, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.headers import find
from middlewares.core.layer import Layer, freeze, is_foreign
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .check import check_policy
from .policy import Policy
from .response import Answer, sending_readable, sending_varied

__all__ = ("CORS",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CORS(Layer):
    """Answer preflights, and give responses the headers by which a browser shows them to pages of allowed origins.

    Whether an origin is allowed never changes what the application does: a request of another origin reaches it, and
    the browser withholds the response. A preflight that the policy does not permit is refused with 403. WebSockets
    and lifespan events pass through.

    An ``Access-Control-Allow-Origin`` that the application sets itself, or a CORS layer further in, wins.

    Order: outside everything that answers by itself (authentication, rate limits), so that its answers are readable.
    Standard: the Fetch standard, 3.3 (CORS protocol); RFC 9110, 12.5.5 (Vary).
    """

    app: ASGIApp = field(kw_only=False)
    allow_origins: Collection[str] = ()
    """Origins whose pages may read responses, such as ``https://app.example.com``; ``*`` alone: any."""
    allow_origin_regex: str | None = None
    """A regular expression that matches the whole of further allowed origins."""
    allow_methods: Collection[str] = ("GET",)
    """Methods allowed besides ``GET``, ``HEAD`` and ``POST``, which need no permission; ``*``: any."""
    allow_headers: Collection[str] = ()
    """Request headers allowed besides the safelisted ones; ``*``: any."""
    allow_credentials: bool = False
    """Whether requests with cookies, HTTP authentication or client certificates may be read."""
    expose_headers: Collection[str] = ()
    """Response headers that pages may read besides the safelisted ones."""
    max_age: int = 600
    """Seconds for which a browser may remember a preflight; 0: not at all."""
    allow_private_network: bool = False
    """Whether pages of public sites may reach this application on a private network."""

    _policy: Policy = field(init=False, repr=False)
    _always: Answer | None = field(init=False, repr=False)
    """Headers of every response, where they do not depend on the request."""
    _foreign: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        check_policy(problems, self)
        problems.raise_if_any()
        policy = Policy(self)
        freeze(self, _policy=policy, _always=policy.always, _foreign=is_foreign(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = self._always
        if answer is None or scope["method"] == "OPTIONS":
            origin = None
            for name, value in scope["headers"]:
                # Lengths tell most names apart, and browsers send two others of six letters: few need lower().
                if len(name) == 6 and name not in (b"accept", b"cookie") and name.lower() == b"origin":
                    # Nobody honest sends two origins: together they are none that could be allowed.
                    origin = value if origin is None else b""
            if origin is not None:
                if scope["method"] == "OPTIONS":
                    method = find(scope["headers"], b"access-control-request-method")
                    if method is not None:
                        return await self._preflight(scope, receive, send, origin, method)
                if answer is None:
                    answer = self._policy.answer_to(origin)
        wrapped = sending_varied(send) if answer is None else sending_readable(send, answer)
        if self._foreign:
            mark_coroutine_function(wrapped)
        await self.app(scope, receive, wrapped)

    async def _preflight(self, scope: Scope, receive: Receive, send: Send, origin: bytes, method: bytes) -> None:
        """Answer a preflight: an ``OPTIONS`` request with an origin and a requested method (Fetch, 3.3.2)."""
        answer = self._policy.preflight(scope["headers"], origin, method)
        if isinstance(answer, Refusal):
            return await refuse(scope, receive, send, answer)
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b""})
