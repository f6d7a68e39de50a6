"""The layer: it finds out what a request is, and does what the policy says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from middlewares.asgi import ASGIApp, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.headers import find
from middlewares.core.layer import Layer, freeze, is_foreign
from middlewares.core.options import check_types
from middlewares.core.paths import compile_paths, route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .check import check_policy
from .options import PolicyOptions
from .path_policy import CORSPolicy, as_policies
from .policy import Policy
from .response import sending_readable, sending_varied

__all__ = ("CORS",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CORS(PolicyOptions, Layer):
    """Answer preflights, and give responses the headers by which a browser shows them to pages of allowed origins.

    Whether an origin is allowed never changes what the application does with an HTTP request: it reaches it, and the
    browser withholds the response. A preflight that the policy does not permit is refused with 403, and so is a
    WebSocket handshake, which browsers open across origins without asking. Lifespan events pass through.

    An ``Access-Control-Allow-Origin`` that the application sets itself wins. Around another layer of this class,
    with nothing but layers of this package between them, it leaves everything to that one.

    Order: outside everything that answers by itself (authentication, rate limits), so that its answers are readable.
    Standard: the Fetch standard, 3.3 (CORS protocol); RFC 9110, 12.5.5 (Vary); RFC 6455, 10.2 (origins).
    """

    app: ASGIApp = field(kw_only=False)
    policies: Collection[CORSPolicy | Mapping[str, Any]] = ()
    """Other policies for some paths, as ``CORSPolicy`` or a table of its options; the first whose ``paths`` match
    holds, and where none does, the options above."""

    _only: Policy | None = field(init=False, repr=False)
    """The policy of all requests, where there is but one."""
    _default: Policy = field(init=False, repr=False)
    _by_path: tuple[tuple[Callable[[str], object], Policy], ...] = field(init=False, repr=False)
    _is_silent: bool = field(init=False, repr=False)
    """Whether another layer of this class stands further in, and decides."""
    _checks_handshakes: bool = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        check_policy(problems, self)
        given = as_policies(problems, self.policies)
        problems.raise_if_any()
        default = Policy(self)
        by_path = tuple((compile_paths(policy.paths), Policy(policy)) for policy in given)
        is_silent = _has_inner(self.app)
        checking = [policy for policy in (default, *(policy for _, policy in by_path)) if policy.checks_handshakes]
        freeze(
            self,
            _only=None if by_path or is_silent else default,
            _default=default,
            _by_path=by_path,
            _is_silent=is_silent,
            _checks_handshakes=bool(checking) and not is_silent,
            _foreign=is_foreign(self.app),
        )

    def policy_of(self, scope: Scope) -> Policy | None:
        """Return the policy of an HTTP request or WebSocket handshake; ``None``: a layer further in decides."""
        if self._is_silent:
            return None
        if self._only is not None:
            return self._only
        path = route_path(scope)
        return next((policy for matches, policy in self._by_path if matches(path)), self._default)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket" and self._checks_handshakes:
                policy = self.policy_of(scope)
                refusal = None if policy is None else await policy.handshake(scope)
                if refusal is not None:
                    return await refuse(scope, receive, send, refusal)
            return await self.app(scope, receive, send)
        policy = self._only or self.policy_of(scope)
        if policy is None:
            return await self.app(scope, receive, send)
        answer = policy.always
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
                        return await _preflight(policy, scope, receive, send, origin, method)
                if answer is None:
                    answer = policy.answers.get(origin) or await policy.decide(scope, origin)
        wrapped = sending_varied(send, policy.vary) if answer is None else sending_readable(send, answer, policy.vary)
        if self._foreign:
            mark_coroutine_function(wrapped)
        await self.app(scope, receive, wrapped)


async def _preflight(policy: Policy, scope: Scope, receive: Receive, send: Send, origin: bytes, method: bytes) -> None:
    """Answer a preflight: an ``OPTIONS`` request with an origin and a requested method (Fetch, 3.3.2)."""
    answer = await policy.preflight(scope, origin, method)
    if isinstance(answer, Refusal):
        return await refuse(scope, receive, send, answer)
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def _has_inner(app: object) -> bool:
    """Return whether a request that enters ``app`` meets another CORS layer, whatever its path."""
    while isinstance(app, Layer):
        if isinstance(app, CORS):
            return True
        app = getattr(app, "app", None)
    return False
