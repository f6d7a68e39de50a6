"""What was decided about a request, and what is left: read by the application, the answer and the header fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from middlewares.asgi import mark_coroutine_function

from .algorithms import NEVER
from .notation import SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from middlewares.asgi import Message, Scope, Send

    from .policy import Charge, Policy

__all__ = ("DECISION", "Decision", "Standing", "Told", "outer_of")

DECISION = "rate_limit"
"""The scope key under which the application finds the decision."""


class Standing(NamedTuple):
    """How a client stands with one policy."""

    name: str
    limit: int
    """Units in a window."""
    window: int
    """Seconds, rounded down."""
    remaining: int
    """Units left."""
    reset: int
    """Seconds until there are more, rounded up; 0 if all are left."""
    retry_after: int | None
    """Seconds after which the same request fits, rounded up: 0 if it does, ``None`` if it never will."""


class _Rare(NamedTuple):
    outer: Decision | None = None
    degraded: Literal["open", "local"] | None = None


_NOTHING_RARE = _Rare()


class Decision:
    """Whether a request fits its quotas. ``allowed`` says so; the rest is computed when it is asked for.

    It stands in the scope under ``rate_limit``, and so tells a limiter further in what was charged already.
    """

    __slots__ = ("_rare", "allowed", "charges", "layer", "now", "scope", "states")

    def __init__(
        self,
        allowed: bool,
        charges: Sequence[Charge],
        states: Sequence[Any],
        now: int,
        scope: Scope | None = None,
        layer: object = None,
    ) -> None:
        self.allowed = allowed
        self.charges = charges
        self.states = states
        """Of each charge: after it, or as it was where the request does not fit."""
        self.now = now
        """When it was decided, in nanoseconds of the clock of the store."""
        self.scope = scope
        """That of the request, as the limiter was handed it."""
        self.layer = layer

    @property
    def outer(self) -> Decision | None:
        """The decision of a limiter further out."""
        return self._rarity().outer

    @property
    def degraded(self) -> Literal["open", "local"] | None:
        """How it was decided while the store did not answer: let through, or counted in this process."""
        return self._rarity().degraded

    def mark(self, *, outer: Decision | None = None, degraded: Literal["open", "local"] | None = None) -> None:
        """Note what few decisions have: one further out, or a store that did not answer."""
        rare = self._rarity()
        self._rare = _Rare(outer or rare.outer, degraded or rare.degraded)

    def _rarity(self) -> _Rare:
        # Not set until it is needed: most decisions are made and forgotten within microseconds.
        return getattr(self, "_rare", _NOTHING_RARE)

    @property
    def remaining(self) -> int | None:
        """The fewest units left in any quota of the request; ``None`` if it has none."""
        return min((left for _, left, _ in self.readings()), default=None)

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same request fits: 0 if it was let in, ``None`` if it never will."""
        waits = [policy.rounded(wait) for policy, wait in self.violations()]
        return None if NEVER in waits else max(waits, default=0)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How the client stands with every policy, also those of limiters further out."""
        own = tuple(self._standing(policy, left, reset) for policy, left, reset in self.readings())
        return own if self.outer is None else (*self.outer.standings, *own)

    @property
    def charged(self) -> frozenset[object]:
        """Where the request was charged, by this limiter and those further out."""
        homes = frozenset(policy.home for policy, _, _ in self.charges) if self.allowed else frozenset[object]()
        return homes if self.outer is None else homes | self.outer.charged

    def readings(self) -> Iterator[tuple[Policy, int, int]]:
        """Yield each policy with the units left, and the ticks until there are more."""
        for (policy, _, _), state in zip(self.charges, self.states, strict=True):
            # That of the network around an IPv6 address is only told where it is what refuses.
            if not (policy.is_gate or (policy.is_step and self.allowed)):
                left, reset = policy.algorithm.view(state, self.now // policy.tick)
                yield policy, left, reset

    def violations(self) -> list[tuple[Policy, int]]:
        """Return the policies that the request did not fit, with the ticks until it does."""
        if self.allowed:
            return []
        if len(self.charges) == 1:
            policy, _, cost = self.charges[0]
            return [(policy, policy.algorithm.wait(self.states[0], self.now // policy.tick, cost))]
        found = []
        for (policy, _, cost), state in zip(self.charges, self.states, strict=True):
            wait = policy.algorithm.wait(state, self.now // policy.tick, cost)
            if wait:
                found.append((policy, wait))
        return found

    def wait(self) -> float | None:
        """Return the seconds after which the same request fits, exactly; ``None`` if it never will."""
        waits = [(wait, policy.tick) for policy, wait in self.violations()]
        if any(wait == NEVER for wait, _ in waits):
            return None
        return max((wait * tick / SECOND for wait, tick in waits), default=0.0)

    def _standing(self, policy: Policy, left: int, reset: int) -> Standing:
        waits = {id(violated): wait for violated, wait in self.violations()}
        retry = policy.rounded(waits.get(id(policy), 0))
        return Standing(
            policy.name,
            policy.quota.amount,
            policy.window,
            left,
            policy.rounded(reset),
            None if retry == NEVER else retry,
        )

    def __repr__(self) -> str:
        verdict = "allowed" if self.allowed else f"denied, retry_after={self.retry_after}"
        return f"Decision({verdict}, remaining={self.remaining})"


class Told(Decision):
    """The decision about a request that was let in at one charge, and the ``send`` that tells its client how it stands.

    One object for both: they are made for nearly every request.
    """

    __slots__ = ("_send",)

    def __init__(self, charges: tuple[Charge], state: Any, now: int, scope: Scope, layer: object, send: Send) -> None:
        self.allowed = True
        self.charges = charges
        self.states = (state,)
        self.now = now
        self.scope = scope
        self.layer = layer
        self._send = send

    @mark_coroutine_function
    def send_told(self, message: Message) -> Awaitable[None]:
        """Send a message, with the fields of draft-10 where a response starts."""
        if message["type"] == "http.response.start":
            policy = self.charges[0][0]
            bucket, state, now = policy.bucket, self.states[0], self.now
            if bucket is not None and policy.quick is not None and now < state <= now + bucket.tolerance:
                # What `Bucket.view` and `Policy.rounded` say, in fewer steps.
                left = (bucket.tolerance - state + now) // bucket.interval
                line = policy.quick[left]
            else:
                left, reset = policy.algorithm.view(state, now)
                line = policy.lines[left, -(-reset // SECOND)]
            # Draft-10, 6: a redirect must not tell a client that nothing is left, lest it does not follow.
            if left or not 300 <= message["status"] < 400:
                headers = [*message.get("headers", ()), policy.line, line]
                message = message.copy() if type(message) is dict else {**message}
                message["headers"] = headers
        return self._send(message)


def outer_of(scope: Scope, layer: object) -> Decision | None:
    """Return the decision of a limiter further out, if it was about this very request.

    An application may dispatch requests of its own with copies of its scope. Such a request comes by the same layer
    again, or for another path: it is charged like any other.
    """
    outer = scope.get(DECISION)
    if not isinstance(outer, Decision) or outer.scope is None:
        return None
    if outer.scope["path"] != scope["path"] or outer.scope.get("method") != scope.get("method"):
        return None
    passed: Decision | None = outer
    while passed is not None:
        if passed.layer is layer:
            return None
        passed = passed.outer
    return outer
