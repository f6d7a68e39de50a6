"""The layer: it asks the store whether a request fits, and hands it on or answers in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, hand_back, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.lifetime import Lifetime
from middlewares.core.paths import MONITORING_PATHS, compile_paths, route_path
from middlewares.core.refusals import Prepared, refuse
from middlewares.errors import OptionErrors

from .answers import DENIED, NO_KEY, Answers, unavailable
from .check import check_options, warn_of_processes
from .decision import DECISION, Decision, Told
from .engine import Engine, Unavailable
from .fields import DEFAULT_STYLES, Fields, Style
from .keys import Hosts, key_text
from .memory import MemoryLimits
from .messages import MessageLimits
from .notation import SECOND
from .outcome import Outcome
from .rules import AlgorithmName, Cost, Key, Limit, MissingKey, Refundable, Rule
from .stores import LimitStore

if TYPE_CHECKING:
    from .keys import Host

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
    headers_below: int = 100
    """Requests that pass are told so once fewer than so many per cent of a quota are left; 100: always."""
    jitter: int = 0
    """Per cent by which the times that clients are told are lengthened at most, each time anew, so that those refused
    together do not come back together."""
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
    lease: int = 1
    """Units that a process takes at once of a key that is asked for more often than that within a tenth of a second,
    from a shared store. No limit is passed; of each such key up to ``lease - 1`` units a process are lost when it is
    asked for no longer."""
    deadline: float = 0.025
    """Seconds that the store may take."""
    clock: Callable[[], int] = monotonic_ns
    """Time of what is counted in this process, in nanoseconds; for tests, the ``ns`` of a ``ManualClock``."""

    _answers: Answers = field(init=False, repr=False)
    _engine: Engine = field(init=False, repr=False)
    _flood: Prepared = field(init=False, repr=False)
    _memory: MemoryLimits = field(init=False, repr=False)
    _fields: Fields = field(init=False, repr=False)
    _is_simple: bool = field(init=False, repr=False)
    _hosts: Hosts = field(init=False, repr=False)
    _excluded: Callable[[str], object] = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _messages: MessageLimits | None = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)
    _lifetime: Lifetime = field(init=False, repr=False)

    kept: ClassVar = ("_answers", "_engine", "_flood", "_memory", "_hosts", "_lifetime")

    def __post_init__(self) -> None:
        rules, allowed, denied = check_options(self)
        warn_of_processes(self)
        fields = Fields(self.headers, below=self.headers_below, jitter=self.jitter)
        engine, answers = self._built(rules), Answers()
        freeze(
            self,
            _answers=answers,
            _engine=engine,
            _flood=answers[engine.plain],
            _memory=engine.memory,
            _fields=fields,
            _is_simple=fields.is_simple,
            _hosts=Hosts(allowed, denied, engine.quick),
            _excluded=compile_paths(self.exclude_paths),
            _inner=InnerPolicy(self.app),
            _messages=MessageLimits.of(self),
            _foreign=is_foreign(self.app),
            _innermost=is_innermost(self.app),
            _lifetime=Lifetime(),
        )

    def _built(self, rules: list[Rule]) -> Engine:
        problems = OptionErrors(self)
        try:
            return Engine(self, rules)
        except ValueError as error:  # what only the store can tell
            problems.add("limit", str(error), self.limit)
            problems.raise_if_any()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await self._pass_lifespan(scope, receive, send)
        client = scope.get("client")
        host = self._hosts[client[0]] if client else None
        path = route_path(scope) if scope.get("root_path") else scope["path"]
        if host is None or host.quick is None or DECISION in scope or self._excluded(path) or kind == "websocket":
            return await self._serve_any(scope, receive, send, host, path)
        if scope["method"] == "OPTIONS" and await self._inner.answer(scope, receive, send):
            return None
        # One charge by address, in this process: what most limiters do all day, with as few steps as can be.
        policy, cost, shard, charges = host.quick
        state, wait, now = self._memory.take_one(shard, policy, host.key, cost)
        if not wait:
            policy.allowed += 1
            decision = Told(charges, state, now, scope, self, send)
            inner = scope.copy() if type(scope) is dict else {**scope}
            inner[DECISION] = decision
            size = len(inner)
            if EXCHANGE in scope:
                scope[EXCHANGE].quotas.append(decision)
                if self._innermost:
                    publish_scope(inner)
            if self._is_simple:
                send = decision.send_told
            elif self.headers:
                send = self._telling(send, decision)
            try:
                return await self.app(inner, receive, send)
            finally:
                if len(inner) != size:
                    hand_back(inner, scope)
        policy.denied += 1
        if cost == 1 and self._is_simple and self._inner.is_absent:
            answer = self._flood.for_flood(scope)
            if answer is not None:
                fixed, body = answer
                # Of one unit, the wait is what a client is told in both fields.
                headers = fixed + policy.denials[-(-wait // SECOND)]
                await send({"type": "http.response.start", "status": 429, "headers": headers})
                return await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        await self._deny(scope, receive, send, Decision(False, charges, (state,), now, scope, self))

    async def _serve_any(self, scope: Scope, receive: Receive, send: Send, host: Host | None, path: str) -> None:
        """Serve a request of any client by any rules."""
        if host is not None and host.is_listed is False:
            return await refuse(scope, receive, send, DENIED, inner=self._inner)
        if (host is not None and host.is_listed) or self._excluded(path):
            return await self._hand_on(scope, receive, send)
        if scope.get("method") == "OPTIONS" and await self._inner.answer(scope, receive, send):
            return None
        await self._judge(scope, receive, send, host)

    def _telling(self, send: Send, decision: Decision) -> Send:
        """Return a ``send`` that tells the client how it stands."""

        def send_told(message: Message) -> Awaitable[None]:
            # Draft-10, 6: a redirect must not tell a client that nothing is left, lest it does not follow.
            if message["type"] == "http.response.start" and not (
                300 <= message["status"] < 400 and decision.remaining == 0
            ):
                message = {**message, "headers": self._fields.add(message.get("headers", ()), decision)}
            return send(message)

        return mark_coroutine_function(send_told) if self._foreign else send_told

    def _deny(self, scope: Scope, receive: Receive, send: Send, decision: Decision) -> Awaitable[None]:
        """Answer a request that does not fit."""
        if EXCHANGE in scope:
            scope[EXCHANGE].quotas.append(decision)
        headers = self._fields.refusal(decision)
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
        elif self.headers:
            send = self._telling(send, decision)
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
        problem = self._engine.problem()
        if problem is not None:
            await receive()
            return await send({"type": "lifespan.startup.failed", "message": problem})
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
