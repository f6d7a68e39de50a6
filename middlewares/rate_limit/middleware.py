"""The layer: it asks the store whether a request fits, and hands it on or answers in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic_ns
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, hand_back, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.lifetime import Lifetime
from middlewares.core.paths import MONITORING_PATHS, compile_paths, route_path
from middlewares.core.refusals import refuse

from .answers import DENIED, NO_KEY, Answers, unavailable
from .check import check_options
from .decision import DECISION, Decision
from .engine import Engine, Unavailable
from .fields import DEFAULT_STYLES, Fields, Style, retry_after
from .keys import Hosts, key_text
from .messages import MessageLimits
from .notation import SECOND
from .outcome import Outcome
from .rules import AlgorithmName, Cost, Key, Limit, MissingKey, Refundable, Rule
from .stores import LimitStore

if TYPE_CHECKING:
    from .keys import Host
    from .policy import Policy

__all__ = ("RateLimit",)


def _order_role(options: Mapping[str, Any]) -> str:
    key = options.get("key", "ip")
    named = (key,) if isinstance(key, str) or callable(key) else tuple(key)
    return "user_rate_limit" if {"user", "session"}.intersection(named) else "rate_limit"


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class RateLimit(Layer):
    """Refuse requests of clients that make too many, with 429 and when to come again.

    Each client has its quota, counted exactly, and a request is charged in all its windows or in none. Responses
    tell how much is left. A request that is answered as a preflight by a CORS layer further in is not charged, nor
    are health checks and metrics.

    Order: outside what costs time; inside `ProxyHeaders`, which tells the address of the client, and inside
    authentication where the key is the user.
    Standard: RFC 6585, 4; RFC 9457; draft-ietf-httpapi-ratelimit-headers-10.
    """

    order_role: ClassVar[Any] = staticmethod(_order_role)

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    limit: Limit | None = "100/minute"
    """Quota of a client: ``100/minute``, several with ``;`` between them, or a callable that is given the
    ``HTTPConnection`` and returns such a string. It holds where no rule applies; ``None``: only rules."""
    rules: Collection[Rule | Mapping[str, Any]] = ()
    """Limits for some requests, by path, method, host or a predicate; all that apply are charged together."""
    name: str | None = None
    """What clients and metrics know the limit by; the limit itself unless given."""
    key: Key = "ip"
    """Who shares a quota: ``ip``, ``header:NAME``, ``session``, ``user``, a callable, or several together."""
    algorithm: AlgorithmName = "gcra"
    """How hits are counted: ``gcra`` refills evenly, ``strict`` never passes more in any window."""
    burst: int | None = None
    """The most units at once, for ``gcra`` and ``strict``; the whole quota, or half of a strict one, unless given."""
    cost: Cost = 1
    """Units of a request: a number, or a callable, sync or async, that is given the ``HTTPConnection``."""
    cost_after: Callable[..., Any] | None = None
    """Further units, once the response is over: a callable, given the ``HTTPConnection`` and the status."""
    refund_on: Collection[Refundable] = ()
    """Statuses that cost nothing after all: ``304``, ``5xx``, or ``exception``, which is not what happens because a
    client left."""
    allow: Collection[str] = ()
    """Networks whose clients have no limit, such as ``10.0.0.0/8``."""
    deny: Collection[str] = ()
    """Networks whose clients are refused with 403."""
    exclude_paths: Collection[str] = MONITORING_PATHS
    """Path patterns that are not charged; health checks and metrics unless given."""
    headers: Collection[Style] = DEFAULT_STYLES
    """Which header fields tell clients how they stand; none if empty."""
    shadow: bool = False
    """Whether to count only, and refuse nobody."""
    ban_after: str | None = None
    """Refusals after which a client is banned, such as ``10/minute``."""
    ban_for: str = "hour"
    """How long a ban lasts, such as ``15 minutes``."""
    max_wait: float = 0
    """Seconds that a request may wait for its turn instead of being refused."""
    max_waiting: int = 100
    """Requests that may wait at one time."""
    ipv6_factor: int = 16
    """Quotas that the /48 network around an IPv6 client has together, whose own is its /64; 0: no limit for it."""
    on_missing_key: MissingKey = "ip"
    """What becomes of a request without key: limited by ``ip``, by one quota ``shared`` by all, ``allow``, ``deny``."""
    messages: str | None = None
    """Limit of WebSocket messages received on one connection, such as ``20/second``."""
    message_bytes: str | None = None
    """Limit of the bytes of these messages."""
    over_messages: Literal["close", "delay", "drop"] = "close"
    """What happens to a WebSocket message over its limit; ``close``: with code 1008."""
    store: str | LimitStore = field(default="memory://", repr=False)
    """Where quotas are counted: ``memory://`` for one process, ``sqlite:///limits.db`` for all of a machine,
    ``redis://host:6379/0`` for many machines; or a store object, to share it."""
    namespace: str = "default"
    """Keeps the quotas of applications apart that share a store."""
    on_store_failure: Literal["open", "closed", "local"] = "local"
    """While the store does not answer: let requests through (``open``), answer 503 (``closed``), or count in this
    process (``local``)."""
    processes: int = 1
    """Processes that share the quota, each of which has its part of it while the store does not answer."""
    deadline: float = 0.025
    """Seconds that the store may take."""
    clock: Callable[[], int] = monotonic_ns
    """Time of what is counted in this process, in nanoseconds; for tests, the ``ns`` of a ``ManualClock``."""

    _answers: Answers = field(init=False, repr=False)
    _engine: Engine = field(init=False, repr=False)
    _fields: Fields | None = field(init=False, repr=False)
    _is_simple: bool = field(init=False, repr=False)
    _hosts: Hosts = field(init=False, repr=False)
    _excluded: Callable[[str], object] = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _messages: MessageLimits | None = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)
    _lifetime: Lifetime = field(init=False, repr=False)

    kept: ClassVar = ("_engine", "_lifetime")

    def __post_init__(self) -> None:
        rules, allowed, denied = check_options(self)
        freeze(
            self,
            _answers=Answers(),
            _engine=Engine(self, rules),
            _fields=Fields(self.headers) if self.headers else None,
            _is_simple=Fields(self.headers).is_simple,
            _hosts=Hosts(allowed, denied),
            _excluded=compile_paths(self.exclude_paths),
            _inner=InnerPolicy(self.app),
            _messages=MessageLimits.of(self),
            _foreign=is_foreign(self.app),
            _innermost=is_innermost(self.app),
            _lifetime=Lifetime(),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await self._pass_lifespan(scope, receive, send)
        client = scope.get("client")
        host = self._hosts[client[0]] if client else None
        if host is not None and host.is_listed is False:
            return await refuse(scope, receive, send, DENIED, inner=self._inner)
        path = route_path(scope) if scope.get("root_path") else scope["path"]
        if (host is not None and host.is_listed) or self._excluded(path):
            return await self._hand_on(scope, receive, send)
        if kind == "http":
            if scope["method"] == "OPTIONS" and await self._inner.answer(scope, receive, send):
                return None
            engine = self._engine
            plain = engine.plain
            if plain is not None and DECISION not in scope and host is not None:
                # One charge by address, in this process: what most limiters do all day.
                cost = engine.plain_cost
                if host.network is None or plain.step is None:
                    is_allowed, state, now = engine.memory.take_one(plain, host.key, cost, cost)
                    if not is_allowed and cost == 1 and self._is_simple and EXCHANGE not in scope:
                        # One of a flood. Of one unit, the wait is what a client is told in both fields.
                        plain.denied += 1
                        lines = plain.denials[-(-plain.algorithm.wait(state, now, 1) // SECOND)]
                        answer = self._answers[plain,]
                        return await refuse(scope, receive, send, answer, headers=lines, inner=self._inner)
                    decision = Decision(is_allowed, ((plain, host.key, cost),), (state,), now, scope, self)
                else:
                    decision = engine.memory.take(((plain, host.key, cost), (plain.step, host.network, cost)))
                    decision.scope, decision.layer = scope, self
                if not decision.allowed:
                    engine.count(decision)
                    return await self._deny(scope, receive, send, decision)
                plain.allowed += 1
                inner = {**scope, DECISION: decision}
                size = len(inner)
                if EXCHANGE in scope:
                    scope[EXCHANGE].quotas.append(decision)
                    if self._innermost:
                        publish_scope(inner)
                if self._is_simple:
                    # As a method it has the mark of its function, which to set would cost as much as all the rest.
                    send = MethodType(_send_told, (send, plain, decision.states[0], decision.now))
                elif self._fields is not None:
                    send = self._telling(send, decision, self._fields)
                try:
                    return await self.app(inner, receive, send)
                finally:
                    if len(inner) != size:
                        hand_back(inner, scope)
        await self._judge(scope, receive, send, host)

    def _telling(self, send: Send, decision: Decision, fields: Fields) -> Send:
        """Return a ``send`` that tells the client how it stands."""

        def send_told(message: Message) -> Awaitable[None]:
            # Draft-10, 6: a redirect must not tell a client that nothing is left, lest it does not follow.
            if message["type"] == "http.response.start" and not (
                300 <= message["status"] < 400 and decision.remaining == 0
            ):
                message = {**message, "headers": fields.add(message.get("headers", ()), decision)}
            return send(message)

        return mark_coroutine_function(send_told) if self._foreign else send_told

    def _deny(self, scope: Scope, receive: Receive, send: Send, decision: Decision) -> Awaitable[None]:
        """Answer a request that does not fit."""
        if EXCHANGE in scope:
            scope[EXCHANGE].quotas.append(decision)
        headers: Iterable[tuple[bytes, bytes]] = retry_after(decision)
        if self._fields is not None:
            headers = self._fields.add(headers, decision)
        return refuse(scope, receive, send, self._answers.to(decision), headers=headers, inner=self._inner)

    async def _judge(self, scope: Scope, receive: Receive, send: Send, host: Host | None) -> None:
        """Serve a request with whatever rules there are."""
        try:
            verdict = await self._engine.judge(scope, host, self)
        except Unavailable as error:
            refusal = unavailable(error.names, error.seconds)
            return await refuse(scope, receive, send, refusal, inner=self._inner)
        decision = verdict.decision
        if verdict.lacks_key:
            return await refuse(scope, receive, send, NO_KEY, inner=self._inner)
        if decision is None:
            return await self._hand_on(scope, receive, send)
        if not decision.allowed:
            return await self._deny(scope, receive, send, decision)
        if not verdict.follow_up:
            return await self._serve(scope, receive, send, decision)
        outcome = Outcome(receive, send)
        try:
            await self._serve(scope, outcome.receive, outcome.send, decision)
        except BaseException as error:
            await self._engine.settle_failed(scope, verdict, outcome.after(error))
            raise
        await self._engine.settle(scope, verdict, outcome.status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, decision: Decision) -> None:
        """Hand on a request that fits, with the decision in its scope and in the fields of its response."""
        inner = {**scope, DECISION: decision}
        size = len(inner)
        if EXCHANGE in scope:
            scope[EXCHANGE].quotas.append(decision)
            if self._innermost:
                publish_scope(inner)
        if scope["type"] == "websocket":
            receive, send = self._limited(receive, send)
        elif self._fields is not None:
            send = self._telling(send, decision, self._fields)
        try:
            await self.app(inner, receive, send)
        finally:
            if len(inner) != size:
                hand_back(inner, scope)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request that no rule charges, in whose scope a decision of limiters further out stays."""
        if scope["type"] == "websocket":
            receive, send = self._limited(receive, send)
        inner = scope if DECISION in scope else {**scope, DECISION: Decision(True, (), (), 0, scope, self)}
        if self._innermost and EXCHANGE in inner:
            publish_scope(inner)
        try:
            await self.app(inner, receive, send)
        finally:
            if inner is not scope:
                hand_back(inner, scope)

    def _limited(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        return (receive, send) if self._messages is None else self._messages.connect(receive, send)

    async def _pass_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        self._lifetime.enter()
        try:
            await self.app(scope, receive, send)
        finally:
            if self._lifetime.leave():
                await self._engine.aclose()

    async def hit(self, key: str, cost: int = 1) -> Decision:
        """Charge ``limit`` for a key by hand, apart from any request.

        Raises `StoreUnavailable` where the store does not answer and the policy is ``closed``, and `ValueError` for
        a cost that is no whole number from 0 on.
        """
        return await self._engine.hit(key_text(key), cost)

    async def charge(self, scope: Scope, rule: Rule) -> Decision | None:
        """Charge one more rule for a request, such as the mark of an endpoint; ``None`` if it costs nothing.

        Whether it is refused is for the caller to see.
        """
        client = scope.get("client")
        host = self._hosts[client[0]] if client else None
        if host is not None and host.is_listed:
            return None
        return await self._engine.charge(scope, host, rule, self)

    async def reset(self, key: str) -> None:
        """Give a key its whole quota again, in all rules: an address as ``192.0.2.1``, or what else a key is."""
        await self._engine.reset({key_text(key), self._hosts[key].key})

    def metrics(self) -> dict[tuple[str, str], int]:
        """Return how many requests each policy ``allowed`` and ``denied``, by its name and outcome."""
        return self._engine.metrics()

    def hands_on_send(self) -> bool:
        """Return whether the very ``send`` of a request may reach an application that is not ours."""
        return is_foreign(self.app)


@mark_coroutine_function
def _send_told(told: tuple[Send, Policy, Any, int], message: Message) -> Awaitable[None]:
    """Send a message, with the fields of draft-10 where a response starts: those of its only policy."""
    send, policy, state, now = told
    if message["type"] == "http.response.start":
        left, reset = policy.algorithm.view(state, now)
        # Draft-10, 6: see `RateLimit._telling`.
        if left or not 300 <= message["status"] < 400:
            line = policy.lines[left, -(-reset // SECOND)]
            message = {**message, "headers": [*message.get("headers", ()), policy.line, line]}
    return send(message)
