"""What the duty of each stand-in is, wherever it stands.

Whoever builds the layer takes its subject from here, and its stand-in out of `tests.stand_ins`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares import Middleware
from middlewares.core.headers import find
from middlewares.rate_limit import MemoryLimits, RateLimit
from middlewares.request_id import RequestID
from middlewares.testing import ManualClock
from tests.stand_ins import Auth, Metrics, Sessions
from tests.stand_ins.observing import Tally

from .subject import Seen, Subject
from .traffic import header

if TYPE_CHECKING:
    from .requests import Request

__all__ = ("SPENT", "Authenticated", "Counted", "Identified", "Limited", "Remembered")

SPENT = b"spent"
"""The key of a client whose quota is used up."""


class Limited(Subject):
    """A client over its quota is refused; each other request is counted once."""

    builtin = "rate_limit"

    def __init__(self, **options: Any) -> None:
        clock = ManualClock()
        self.clock = clock
        self.store = MemoryLimits(clock=clock.ns)
        self.options = {"limit": "2/minute", "key": "header:x-key", "algorithm": "fixed_window", **options}

    def record(self) -> Middleware:
        return Middleware(
            RateLimit, store=self.store, clock=self.clock.ns, exclude_paths=(), cost=self.cost, **self.options
        )

    def cost(self, connection: Any) -> int:
        """Return a cost that the quota of this client has no room for, or one that it has."""
        return 3 if find(connection.scope["headers"], b"x-key") == SPENT else 1

    def answers(self, request: Request) -> int | None:
        return 429 if request.type != "lifespan" and request.header("x-key") == SPENT.decode() else None

    def check(self, seen: Seen) -> None:
        # A preflight that a policy further in answers does not count, and is not handed on.
        is_answered = seen.request.is_preflight and seen.inside.scope is None
        is_let_in = seen.request.type != "lifespan" and self.answers(seen.request) is None and not is_answered
        assert len(self.store) == is_let_in, "the request was not counted once"
        if seen.outside.start is None or seen.request.type != "http":
            return
        if is_answered:
            return
        told = header(seen.outside.start, b"ratelimit")
        if self.options.get("headers") == ():
            assert told == header((seen.inside.start or {}), b"ratelimit")
        elif not is_let_in and seen.is_whole:
            assert told == [b'"2/minute";r=2']
        elif is_let_in:
            assert told[-1:] == [b'"2/minute";r=1;t=60']


class Authenticated(Subject):
    """Who has no credentials is refused; of everybody else the application knows the name."""

    def __init__(self) -> None:
        self.admitted: list[bytes] = []

    def record(self) -> Middleware:
        return Middleware(Auth, admitted=self.admitted)

    def answers(self, request: Request) -> int | None:
        return 401 if request.type != "lifespan" and request.header("authorization") is None else None

    def check(self, seen: Seen) -> None:
        is_admitted = seen.request.type != "lifespan" and self.answers(seen.request) is None
        user = (seen.request.header("authorization") or "").encode()
        assert self.admitted == [user] * is_admitted
        if is_admitted and seen.inside.scope is not None:
            assert seen.inside.scope["user"] == user
            assert (seen.outside.scope or {})["user"] == user, "not handed back to the outer scope"


class Identified(Subject):
    """Every response carries the id of its request, once."""

    builtin = "request_id"

    def record(self) -> Middleware:
        return Middleware(RequestID, generator=lambda: "id-1")

    def check(self, seen: Seen) -> None:
        if seen.request.type == "http" and seen.outside.start:
            wanted = (seen.request.header("x-request-id") or "id-1").encode()
            assert header(seen.outside.start, b"x-request-id") == [wanted]
            assert seen.client.status is None or seen.client.values(b"x-request-id") == [wanted]


class Counted(Subject):
    """Each request is counted once, with its status and why it was refused; none stays in flight."""

    def __init__(self) -> None:
        self.tally = Tally()

    def record(self) -> Middleware:
        return Middleware(Metrics, tally=self.tally)

    def check(self, seen: Seen) -> None:
        assert self.tally.in_flight == 0, "a request is still in flight"
        assert len(self.tally.outcomes) == (seen.request.type == "http"), "the request was not counted once"
        for outcome, status, reasons in self.tally.outcomes:
            assert status == (seen.outside.start or {}).get("status")
            assert (outcome == "returned") == (seen.outside.error is None)
            if status in (401, 403, 429, 503, 504):
                assert reasons, "a refusal further in was not seen"


class Remembered(Subject):
    """What the application put into its session is kept, and a cookie of the response names it, once."""

    def __init__(self) -> None:
        self.store: dict[str, dict[str, Any]] = {"visits.4": {"visits": 4}}

    def record(self) -> Middleware:
        return Middleware(Sessions, store=self.store)

    def check(self, seen: Seen) -> None:
        scope = seen.inside.scope
        if seen.request.type != "http" or scope is None:
            return
        session = scope.get("session", {})
        name, was = ("visits.4", 4) if seen.request.header("cookie") else ("new", 0)
        if session.get("visits", 0) == was + 1 and seen.outside.start:
            assert self.store[name] == {"visits": was + 1}, "the session was not saved"
            cookie = f"session={name}; Path=/; HttpOnly".encode()
            assert header(seen.outside.start, b"set-cookie").count(cookie) == 1, "the session was not saved"
            assert seen.client.status is None or cookie in seen.client.values(b"set-cookie")
        assert (seen.outside.scope or {}).get("session") is not None, "not handed back to the outer scope"
