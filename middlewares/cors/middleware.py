"""The layer: it finds out what a request is, and does what the policy says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy, is_preflight
from middlewares.core.exchange import EXCHANGE, hand_back, join, publish_scope
from middlewares.core.headers import HeaderList, find, find_all
from middlewares.core.layer import Layer, freeze, is_innermost
from middlewares.core.options import check_types
from middlewares.core.paths import compile_paths, route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.core.unhandled import answer_unhandled, foreign_origin
from middlewares.errors import OptionErrors

from .check import check_policy
from .options import PolicyOptions
from .path_policy import CORSPolicy, as_policies
from .policy import Policy
from .response import Answer, ReadableResponse, VariedResponse

__all__ = ("CORS",)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CORS(PolicyOptions, Layer):
    """Answer preflights, and give responses the headers by which a browser shows them to pages of allowed origins.

    Whether an origin is allowed never changes what the application does with an HTTP request: it reaches it, and the
    browser withholds the response. A preflight that the policy does not permit is refused with 403, and so is a
    WebSocket handshake, which browsers open across origins without asking. Lifespan events pass through.

    An ``Access-Control-Allow-Origin`` that the application sets itself wins. Around another layer of this class,
    with nothing but layers of this package between them, it leaves everything to that one.

    Where the application raises before it responds, pages of other origins that are allowed get a 500 that they can
    read, and the same exception goes on.

    Order: any, among layers of this package; outside others that answer by themselves, so that pages can read that.
    Standard: the Fetch standard, 3.3 (CORS protocol); RFC 9110, 12.5.5 (Vary); RFC 6455, 10.2 (origins).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    policies: Collection[CORSPolicy | Mapping[str, Any]] = ()
    """Other policies for some paths, as ``CORSPolicy`` or a table of its options; the first whose ``paths`` match
    holds, and where none does, the options above."""

    _only: Policy | None = field(init=False, repr=False)
    """The policy of all requests, where there can be but one."""
    _default: Policy = field(init=False, repr=False)
    _by_path: tuple[tuple[Callable[[str], object], Policy], ...] = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    """Another layer of this class further in, which decides. What is not ours is not asked: it may lead elsewhere."""
    _innermost: bool = field(init=False, repr=False)
    _checks_handshakes: bool = field(init=False, repr=False)
    _joins: bool = field(init=False, repr=False)
    """Whether layers further in may leave something in the exchange."""

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        mistyped = {problem.option for problem in problems.found}
        if not mistyped:
            check_policy(problems, self)
        given = () if "policies" in mistyped else as_policies(problems, self.policies)
        problems.raise_if_any()
        default = Policy(self)
        by_path = tuple((compile_paths(policy.paths), Policy(policy)) for policy in given)
        policies = (default, *(policy for _, policy in by_path))
        inner = InnerPolicy(self.app, only_layers=True)
        app: object = self.app
        freeze(
            self,
            _only=default if not by_path and inner.is_impossible else None,
            _default=default,
            _by_path=by_path,
            _inner=inner,
            _innermost=is_innermost(self.app),
            _checks_handshakes=any(policy.checks_handshakes for policy in policies),
            _joins=isinstance(app, Layer) or any(policy.exposes_more for policy in policies),
        )

    async def policy_of(self, scope: Scope) -> Policy | None:
        """Return the policy of an HTTP request or WebSocket handshake; ``None``: a layer further in decides."""
        if self._only is not None:
            return self._only
        if await self._inner.find(scope) is not None:
            return None
        return self._own(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        if scope["type"] != "http":
            if scope["type"] == "websocket" and self._checks_handshakes:
                policy = self._only or await self.policy_of(scope)
                refusal = None if policy is None else await policy.handshake(scope)
                if refusal is not None:
                    return await refuse(scope, receive, send, refusal)
            return await self.app(scope, receive, send)
        policy = self._only or await self.policy_of(scope)
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
        if answer is None:
            return await self.app(scope, receive, VariedResponse(send, policy.vary).send)
        if self._joins:
            return await self._joined(policy, answer, scope, receive, send)
        response = ReadableResponse(send, answer, policy.vary, None)
        try:
            await self.app(scope, receive, response.send)
        except Exception:
            if not response.is_started:
                await self._answer_unhandled(policy, scope, receive, send)
            raise

    def cross_origin(self) -> CORS:
        """Return this layer, for layers outside it."""
        return self

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        """Return the headers of a response that is made outside this layer, with those by which pages can read it."""
        policy = await self.policy_of(scope)
        return await (self._inner if policy is None else policy).readable(scope, headers)

    async def answers(self, scope: Scope) -> bool:
        """Return whether a request is a preflight: each is answered here, or by the layer further in that decides."""
        return scope["type"] == "http" and scope["method"] == "OPTIONS" and is_preflight(scope["headers"])

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; no application is called, and no layer in between."""
        policy = await self.policy_of(scope)
        if policy is None:
            if await self._inner.answer(scope, receive, send):
                return
            # Asked again, a condition said otherwise: whoever handed the request over counts on an answer.
            policy = self._own(scope)
        origins = find_all(scope["headers"], b"origin")
        method = find(scope["headers"], b"access-control-request-method") or b""
        await _preflight(policy, scope, receive, send, origins[0] if len(origins) == 1 else b"", method)

    async def _joined(self, policy: Policy, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose response pages may read, where layers further in may have something to add."""
        exchange, inner, is_maker = join(scope, self)
        response = ReadableResponse(send, answer, policy.vary, exchange if policy.exposes_more else None)
        # What layers further out have left, they add themselves to what passes them.
        known = len(exchange.response_headers)
        try:
            await self.app(inner, receive, response.send)
        except Exception:
            if not response.is_started:
                await self._answer_unhandled(policy, inner, receive, send, exchange.response_headers[known:])
            raise
        finally:
            exchange.leave(self)
            if is_maker:
                hand_back(inner, scope)

    def _own(self, scope: Scope) -> Policy:
        if not self._by_path:
            return self._default
        path = route_path(scope)
        return next((policy for matches, policy in self._by_path if matches(path)), self._default)

    async def _answer_unhandled(
        self, policy: Policy, scope: Scope, receive: Receive, send: Send, headers: HeaderList | None = None
    ) -> None:
        origin = foreign_origin(scope)
        # What is to be known is what the application raised, not what the callable of the policy raises after it.
        with suppress(Exception):
            if origin is not None and await policy.permits(scope, origin):
                await answer_unhandled(scope, receive, send, InnerPolicy(self), headers or ())


async def _preflight(policy: Policy, scope: Scope, receive: Receive, send: Send, origin: bytes, method: bytes) -> None:
    """Answer a preflight: an ``OPTIONS`` request with an origin and a requested method (Fetch, 3.3.2)."""
    answer = await policy.preflight(scope, origin, method)
    if isinstance(answer, Refusal):
        return await refuse(scope, receive, send, answer)
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
