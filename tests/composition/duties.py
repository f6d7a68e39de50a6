"""The duties of layers that say who a client is, or tell what became of its request.

`Authenticated` is that of a stand-in: whoever builds the layer puts it there, and takes the stand-in away.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from middlewares import Middleware, Session, Sessions
from middlewares.core.headers import find
from middlewares.rate_limit import MemoryLimits, RateLimit
from middlewares.request_id import RequestID
from middlewares.testing import ManualClock
from tests.stand_ins import Auth
from tests.watched import Counts, Lines

from .subject import Seen, Subject
from .traffic import header
from .visitor import COOKIE, KEY, NAME, VISITS

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message

    from .requests import Request

__all__ = ("SPENT", "Authenticated", "Identified", "Kept", "Limited", "Logged", "Measured")

_REFUSALS = {401, 403, 429, 503, 504}

_numbers = count()

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


class Measured(Subject):
    """Each request and WebSocket is measured once, with the status that was sent and why; none stays active."""

    builtin = "metrics"

    def __init__(self) -> None:
        self.counts = Counts()

    def record(self) -> Middleware:
        return self.counts.layer()

    def check(self, seen: Seen) -> None:
        samples = [*self.counts.samples()]
        assert not any(sample.value for sample in samples if "_active_" in sample.name), "still active"
        kind = {"http": "http_server_request", "websocket": "websocket_server_connection"}.get(seen.request.type)
        counts = [sample for sample in samples if sample.name.endswith("_duration_seconds_count")]
        assert [sample.name for sample in counts] == [f"{kind}_duration_seconds_count"] * (kind is not None)
        assert all(sample.value == 1 for sample in counts), "the call was not measured once"
        for sample in counts if kind == "http_server_request" else ():
            self._check_request(seen, sample.labels)

    def _check_request(self, seen: Seen, labels: dict[str, str]) -> None:
        status, error_type = (seen.outside.start or {}).get("status"), labels.get("error_type")
        assert seen.outside.is_complete or error_type, "a failure was taken for a success"
        if status is not None and status < 500 and seen.outside.is_complete and seen.outside.error is None:
            assert error_type in (None, "client_disconnected"), "a success was taken for a failure"
        if status is not None and error_type != "client_disconnected":  # see `Traced`
            assert labels["http_response_status_code"] == str(status)
        if status in _REFUSALS:
            assert self.counts.refusals, "a refusal further in was not seen"


class Logged(Subject):
    """Each call is one line, which tells the status that was sent."""

    builtin = "access_log"

    def __init__(self) -> None:
        self.lines = Lines()

    def record(self) -> Middleware:
        return self.lines.layer()

    def check(self, seen: Seen) -> None:
        assert len(self.lines.records) == (seen.request.type != "lifespan"), "not logged once"
        if seen.request.type == "http" and seen.outside.start and self.lines.of("outcome") != ["disconnected"]:
            assert self.lines.statuses == [seen.outside.start["status"]]


class Kept(Subject):
    """What the application put into its session is what a cookie brings back; one left alone leaves no trace."""

    builtin = "sessions"

    def __init__(self, **options: Any) -> None:
        # Two of them in one stack keep two sessions, of which the application sees that of the inner one.
        self.name = options.get("session_cookie") or f"session-{next(_numbers)}"
        self.options = {"secret_key": KEY, "session_cookie": self.name, **options}
        self.layers: list[Sessions] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> Sessions:
        layer = Sessions(app, **self.options)
        self.layers.append(layer)
        return layer

    def check(self, seen: Seen) -> None:
        scope, outside = seen.inside.scope, seen.outside.start
        if seen.request.type != "http" or scope is None:
            return
        session = scope.get("session")
        assert isinstance(session, Session), "the application has no session"
        assert (seen.outside.scope or {}).get("session") is not None, "not handed back to the outer scope"
        sent = self._lines_of(outside)
        if self._lines_of(seen.inside.start):
            return  # kept by a layer further in, from which one with another cookie hides those outside of it
        if session._keeper is not self.layers[0]._keeper:
            assert sent == [], "kept by a layer further out, and here again"
            return
        was = VISITS if self.name == NAME and COOKIE in (seen.request.header("cookie") or "") else 0
        visits = session.get("visits", 0)
        assert visits in (was, was + 1), "not the session that the cookie names"
        if outside is None or outside["status"] >= 500:
            return
        assert len(sent) == (visits > was), "a session is sent once if it was changed, and only then"
        for line in sent:
            again = Session(session._keeper, [(b"cookie", line.partition(b";")[0])])
            assert dict(again) == {"visits": visits}, "the session was not saved"
            assert seen.client.status is None or line in seen.client.values(b"set-cookie")
            (vary,) = header(outside, b"vary")
            assert b"cookie" in vary.lower()

    def _lines_of(self, start: Message | None) -> list[bytes]:
        """Return the cookies with the session that a response brings."""
        return [line for line in header(start or {}, b"set-cookie") if line.startswith(f"{self.name}=".encode())]
