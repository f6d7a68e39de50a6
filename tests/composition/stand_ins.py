"""Stand-ins for layers that do not exist yet, each the smallest that shows how such a layer meets others.

Whoever builds one of them takes its class and its subject out of this file, and adds an entry for the real one.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from middlewares import Middleware
from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cookies import parse_cookies
from middlewares.core.exchange import hand_back, join
from middlewares.core.headers import append, find, find_all, set_header, with_headers
from middlewares.core.layer import Layer
from middlewares.core.refusals import Refusal, refuse

from .subject import Seen, Subject
from .traffic import header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from .requests import Request

__all__ = ("Authenticated", "Counted", "Identified", "Limited", "Remembered", "TimedOut")

SPENT = b"spent"
"""The key of a client whose quota is used up."""


# -- a rate limiter


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class RateLimit(Layer):
    """Answer 429 to a client whose quota is used up."""

    app: ASGIApp = field(kw_only=False)
    taken: list[bytes] = field(default_factory=list[bytes])
    """The key of each request that was let in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        key = find(scope["headers"], b"x-key") or b""
        if key == SPENT:
            refusal = Refusal(status=429, code="rate_limit.quota", headers=((b"retry-after", b"60"),))
            return await refuse(scope, receive, send, refusal)
        self.taken.append(key)
        await self.app(scope, receive, send)

    def hands_on_send(self) -> bool:
        return True


class Limited(Subject):
    """A client over its quota is refused; each other request is counted once."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def record(self) -> Middleware:
        return Middleware(RateLimit, taken=self.taken)

    def answers(self, request: Request) -> int | None:
        return 429 if request.type != "lifespan" and request.header("x-key") == SPENT.decode() else None

    def check(self, seen: Seen) -> None:
        is_let_in = seen.request.type != "lifespan" and self.answers(seen.request) is None
        assert len(self.taken) == is_let_in, "the request was not counted once"
        if not is_let_in and seen.is_whole and seen.outside.start:
            assert header(seen.outside.start, b"retry-after") == [b"60"]


# -- authentication


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Authentication(Layer):
    """Answer 401 to requests without credentials, and tell the application who makes the others."""

    app: ASGIApp = field(kw_only=False)
    admitted: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if find(scope["headers"], b"authorization") is None:
            refusal = Refusal(status=401, code="auth.missing", headers=((b"www-authenticate", b"Bearer"),))
            return await refuse(scope, receive, send, refusal)
        self.admitted.append("alice")
        inner = {**scope, "user": "alice"}
        try:
            await self.app(inner, receive, send)
        finally:
            hand_back(inner, scope)

    def hands_on_send(self) -> bool:
        return True


class Authenticated(Subject):
    """Who has no credentials is refused; of everybody else the application knows the name."""

    def __init__(self) -> None:
        self.admitted: list[str] = []

    def record(self) -> Middleware:
        return Middleware(Authentication, admitted=self.admitted)

    def answers(self, request: Request) -> int | None:
        return 401 if request.type != "lifespan" and request.header("authorization") is None else None

    def check(self, seen: Seen) -> None:
        is_admitted = seen.request.type != "lifespan" and self.answers(seen.request) is None
        assert self.admitted == ["alice"] * is_admitted
        if is_admitted and seen.inside.scope is not None:
            assert seen.inside.scope["user"] == "alice"
            assert (seen.outside.scope or {})["user"] == "alice", "not handed back to the outer scope"


# -- a request id


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class RequestID(Layer):
    """Echo the id of a request in its response; give one to a request that has none."""

    app: ASGIApp = field(kw_only=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        inner, request_id = scope, find(scope["headers"], b"x-request-id")
        if request_id is None:
            request_id = b"made-here"
            inner = {**scope, "headers": append(scope["headers"], b"x-request-id", request_id)}

        @mark_coroutine_function
        def send_identified(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = set_header(message.get("headers", ()), b"x-request-id", request_id)
                message = with_headers(message, headers)
            return send(message)

        try:
            await self.app(inner, receive, send_identified)
        finally:
            if inner is not scope:
                hand_back(inner, scope)


class Identified(Subject):
    """Every response carries the id of its request, once."""

    def record(self) -> Middleware:
        return Middleware(RequestID)

    def check(self, seen: Seen) -> None:
        if seen.request.type == "http" and seen.outside.start:
            wanted = (seen.request.header("x-request-id") or "made-here").encode()
            assert header(seen.outside.start, b"x-request-id") == [wanted]
            assert seen.client.status is None or seen.client.values(b"x-request-id") == [wanted]


# -- metrics


Outcome = tuple[str, int | None, tuple[str, ...]]


@dataclass
class Tally:
    """What was counted."""

    in_flight: int = 0
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    """How each call ended, its status, and why layers refused it."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Metrics(Layer):
    """Count every request once, by how it ended."""

    app: ASGIApp = field(kw_only=False)
    tally: Tally = field(default_factory=Tally)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        exchange, inner, is_maker = join(scope, self)
        self.tally.in_flight += 1
        status: int | None = None
        outcome = "returned"

        @mark_coroutine_function
        def send_counted(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self.app(inner, receive, send_counted)
        except Exception:
            outcome = "raised"
            raise
        except BaseException:
            outcome = "cancelled"
            raise
        finally:
            self.tally.in_flight -= 1
            self.tally.outcomes.append((outcome, status, tuple(refusal.reason for refusal in exchange.refusals)))
            exchange.leave(self)
            if is_maker:
                hand_back(inner, scope)


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
            if status in (401, 403, 429, 504):
                assert reasons, "a refusal further in was not seen"


# -- a session


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Session(Layer):
    """Keep a few values in a cookie: read before the request, written with the response if they were changed."""

    app: ASGIApp = field(kw_only=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        cookies = parse_cookies(find_all(scope["headers"], b"cookie"))
        name, _, visits = cookies.get("session", "").partition(".")
        session = {name: int(visits)} if visits else {}
        before = dict(session)

        @mark_coroutine_function
        def send_remembered(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and session != before:
                cookie = f"session=visits.{session['visits']}; Path=/; HttpOnly"
                message = with_headers(message, append(message.get("headers", ()), b"set-cookie", cookie.encode()))
            return send(message)

        inner = {**scope, "session": session}
        try:
            await self.app(inner, receive, send_remembered)
        finally:
            hand_back(inner, scope)


class Remembered(Subject):
    """What the application put into its session is in a cookie of the response, once."""

    def record(self) -> Middleware:
        return Middleware(Session)

    def check(self, seen: Seen) -> None:
        scope = seen.inside.scope
        if seen.request.type != "http" or scope is None:
            return
        session = scope.get("session", {})
        was = 4 if seen.request.header("cookie") else 0
        cookie = b"session=visits.%d; Path=/; HttpOnly" % (was + 1)
        if session.get("visits", 0) == was + 1 and seen.outside.start:
            assert header(seen.outside.start, b"set-cookie").count(cookie) == 1, "the session was not saved"
            assert seen.client.status is None or cookie in seen.client.values(b"set-cookie")
        assert (seen.outside.scope or {}).get("session") is not None, "not handed back to the outer scope"


# -- a timeout


class Alarm:
    """Stands for the clock: rings when the time of a request is up."""

    def __init__(self) -> None:
        self.waiting: list[anyio.CancelScope] = []

    @contextmanager
    def after(self) -> Iterator[anyio.CancelScope]:
        """Cancel the block if the alarm rings in it."""
        with anyio.CancelScope() as scope:
            self.waiting.append(scope)
            try:
                yield scope
            finally:
                self.stop(scope)

    def stop(self, scope: anyio.CancelScope) -> None:
        """Let a block run as long as it likes from now on."""
        if scope in self.waiting:
            self.waiting.remove(scope)

    def ring(self) -> bool:
        """Cancel a block that waits; return whether there was one."""
        if self.waiting:
            self.waiting[-1].cancel()
        return bool(self.waiting)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Timeout(Layer):
    """Answer 504 where an application has not begun to answer in time."""

    app: ASGIApp = field(kw_only=False)
    alarm: Alarm = field(default_factory=Alarm)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        with self.alarm.after() as block:

            @mark_coroutine_function
            def send_in_time(message: Message) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    self.alarm.stop(block)
                return send(message)

            await self.app(scope, receive, send_in_time)
        if block.cancelled_caught:
            await refuse(scope, receive, send, Refusal(status=504, code="timeout.start"))


class TimedOut(Subject):
    """A response that has not begun in time is replaced; one that has begun is left alone."""

    def __init__(self) -> None:
        self.alarm = Alarm()

    def record(self) -> Middleware:
        return Middleware(Timeout, alarm=self.alarm)

    def times_out(self, request: Request) -> bool:
        return request.type == "http"

    def ring(self) -> bool:
        return self.alarm.ring()

    def check(self, seen: Seen) -> None:
        assert not self.alarm.waiting, "the alarm is still set"
        if seen.outside.start and not seen.inside.start:
            assert seen.outside.start["status"] == 504
