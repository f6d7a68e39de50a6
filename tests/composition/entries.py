"""The layers that are taken through every composition: one entry for each configuration worth meeting."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from middlewares import (
    CORS,
    Brotli,
    Compress,
    ConcurrencyLimit,
    Decompress,
    Drain,
    GZip,
    Health,
    Maintenance,
    Middleware,
    ProblemDetails,
    PublishRoute,
    ServerTiming,
    Stack,
    Timeout,
    Tracing,
    When,
    Zstd,
)
from middlewares.core.exchange import EXCHANGE
from middlewares.core.headers import find
from tests.stand_ins import Upload

from .duties import SPENT, Authenticated, Identified, Kept, Limited, Logged, Measured
from .requests import ORIGIN, OTHER_ORIGIN
from .subject import Seen, Subject
from .traced import SPANS, Tracers
from .traffic import header
from .visitor import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
    from middlewares.timeout.call import TimedCall

    from .requests import Request

__all__ = ("ENTRIES",)

_INTERIM = {"http.response.push", "http.response.early_hint", "http.response.debug"}


class Compressed(Subject):
    """Whoever takes the coding gets text in fewer bytes; caches are told that it depends."""

    def __init__(self, cls: type = GZip, coding: str = "gzip", **options: Any) -> None:
        self.builtin = cls.__name__.lower()
        self.cls = cls
        self.coding = coding
        self.options = options

    def record(self) -> Middleware:
        return _record(self.cls, **self.options)

    def drops(self, request: Request, start: Message) -> bool:
        return request.takes(self.coding) and not header(start, b"content-type")[0].startswith(b"text/event-stream")

    def check(self, seen: Seen) -> None:
        inside, outside = seen.inside.start, seen.outside.start
        if seen.request.type != "http" or inside is None or outside is None:
            return
        is_text = header(inside, b"content-type")[:1] != [b"image/jpeg"]
        if inside["status"] in (204, 206, 304) or header(inside, b"content-encoding") or not is_text:
            assert header(outside, b"content-encoding") == header(inside, b"content-encoding"), (
                "encoded what is not text"
            )
            return
        (vary,) = header(outside, b"vary")
        assert b"accept-encoding" in vary.lower()
        # A body that follows what is unknown goes out as it is.
        follows = seen.inside.messages[seen.inside.messages.index(inside) + 1 :][:1]
        is_expected = all(message["type"] in {"http.response.body", *_INTERIM} for message in follows)
        size, minimum = len(seen.inside.body), self.options.get("minimum_size", 500)
        is_due = seen.request.takes(self.coding) and is_expected and size >= max(minimum, 200)
        if is_due and seen.is_whole and seen.inside.is_complete:
            assert header(outside, b"content-encoding") == [self.coding.encode()], "not compressed"


class CrossOrigin(Subject):
    """Responses to pages of allowed origins can be read by them; preflights are answered."""

    builtin = "cors"

    def __init__(self, *origins: str, methods: tuple[str, ...] = ("GET", "PUT"), **options: Any) -> None:
        self.allowed = origins
        self.options = {"allow_origins": origins, "allow_methods": methods, **options}

    def record(self) -> Middleware:
        return _record(CORS, **self.options)

    def allows(self, origin: str | None) -> bool:
        """Return whether a page may read responses."""
        return origin is not None and (origin in self.allowed or "*" in self.allowed)

    def answers(self, request: Request) -> int | None:
        origin = request.header("origin")
        if request.type == "websocket":
            return None if origin is None or self.allows(origin) else 403
        return self.preflight(request)

    def preflight(self, request: Request) -> int | None:
        if not request.is_preflight:
            return None
        return 204 if self.allows(request.header("origin")) else 403

    def shows(self, request: Request) -> bool | None:
        if request.type != "http" or request.is_preflight:
            return None
        return self.allows(request.header("origin"))

    def check(self, seen: Seen) -> None:
        outside, origin = seen.outside.start, seen.request.header("origin")
        if seen.request.type != "http" or outside is None:
            return
        granted = header(outside, b"access-control-allow-origin")
        if set_inside := header(seen.inside.start, b"access-control-allow-origin"):
            assert granted == set_inside, "a policy further in must win"
        elif self.allows(origin):
            assert granted in ([b"*"], [str(origin).encode()]), "the page cannot read the response"
            assert seen.client.status is None or seen.client.values(b"access-control-allow-origin") == granted
        elif len(self.allowed) > 1:
            assert not granted, "a page of an origin that is not allowed can read the response"
        if len(self.allowed) > 1:
            assert any(b"origin" in value.lower() for value in header(outside, b"vary"))


class Decoded(Subject):
    """What a client encoded, the application gets as it was before; the client is a layer just outside."""

    builtin = "decompress"

    def record(self) -> Middleware:
        return Middleware(Stack(Middleware(Upload), Middleware(Decompress)))

    def check(self, seen: Seen) -> None:
        if seen.request.type != "http" or seen.inside.scope is None:
            return
        assert not header(seen.inside.scope, b"content-encoding"), "still called encoded"
        outside, inside = _uploaded(seen.outside.events), _uploaded(seen.inside.events)
        assert outside.startswith(inside), "the application got other bytes than were sent"
        if any(event["type"] == "http.request" and not event.get("more_body") for event in seen.inside.events):
            assert inside == outside, "the application took a part for the whole"


class TimedOut(Subject):
    """A response that has not begun in time is replaced; one that has begun is left alone; nothing stays timed."""

    builtin = "timeout"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.layers: list[Timeout] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> Timeout:
        layer = Timeout(app, first_byte=3600, **self.options)
        self.layers.append(layer)
        return layer

    def times_out(self, request: Request) -> bool:
        return request.type == "http"

    def ring(self) -> bool:
        # A response that has begun is left alone, as a client cannot be told the end of its time from a failure.
        calls = cast("list[TimedCall]", [call for layer in self.layers for call in layer._watch.calls])
        watched = [call for call in calls if not call.is_started]
        for call in watched[-1:]:
            call.ring()
        return bool(watched)

    def check(self, seen: Seen) -> None:
        assert not any(layer._watch.calls for layer in self.layers), "still timed"
        if seen.outside.start and not seen.inside.start:
            assert seen.outside.start["status"] == 504


class Admitted(Subject):
    """One request at a time gets its permit, and gives it back."""

    builtin = "concurrency_limit"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.layers: list[ConcurrencyLimit] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> ConcurrencyLimit:
        layer = ConcurrencyLimit(app, **self.options)
        self.layers.append(layer)
        return layer

    def check(self, seen: Seen) -> None:
        for layer in self.layers:
            assert (layer.load.in_flight, layer.load.waiting) == (0, 0), "a permit is still held"


class Drained(Subject):
    """Requests are counted while they are under way; a shutdown reaches the application all the same."""

    builtin = "drain"

    def __init__(self) -> None:
        self.layers: list[Drain] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> Drain:
        layer = Drain(app)
        self.layers.append(layer)
        return layer

    def check(self, seen: Seen) -> None:
        assert not any(layer.in_flight for layer in self.layers), "still counted as under way"


class Traced(Subject):
    """Each call has one span, however many layers trace it, which has ended with the status that was sent."""

    builtin = "tracing"

    def __init__(self, **options: Any) -> None:
        SPANS.clear()
        self.provider = Tracers()
        self.options = {"exclude_paths": (), **options}

    def record(self) -> Middleware:
        return Middleware(Tracing, tracer_provider=self.provider, **self.options)

    def check(self, seen: Seen) -> None:
        assert len(SPANS) == (seen.request.type in ("http", "websocket")), "not one span"
        for span in self.provider.spans:
            assert not span.is_recording(), "the span has not ended"
            if seen.request.type == "http" and seen.outside.start:
                attributes = span.attributes or {}
                # What a framework makes of a client that has left reaches nobody, and is told by nobody.
                if attributes.get("error.type") != "client_disconnected":
                    assert attributes["http.response.status_code"] == seen.outside.start["status"]
                if "response_headers" in self.options:
                    [named] = header(seen.outside.start, b"traceresponse")
                    assert f"{span.context.span_id:016x}".encode() in named


class Published(Subject):
    """The scope that goes to the router is known to those who ask, and handed on as it is."""

    builtin = "publish_route"

    def __init__(self) -> None:
        self.is_published: list[bool] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> PublishRoute:
        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            if EXCHANGE in scope:
                self.is_published.append(scope[EXCHANGE].inner_scope is scope)
            await app(scope, receive, send)

        noting.app = app  # type: ignore[attr-defined]  # where layers look for what stands further in
        return PublishRoute(noting)

    def check(self, seen: Seen) -> None:
        assert all(self.is_published), "the scope is not published"


class Closed(Subject):
    """Clients with a spent key are refused, as if it was maintenance for them alone; nobody else notices."""

    builtin = "maintenance"

    def record(self) -> Middleware:
        return _record(Maintenance, active=_is_spent, retry_after=60)

    def answers(self, request: Request) -> int | None:
        return 503 if request.type != "lifespan" and request.header("x-key") == SPENT.decode() else None

    def check(self, seen: Seen) -> None:
        if self.answers(seen.request) and seen.is_whole and seen.outside.start:
            assert header(seen.outside.start, b"retry-after") == [b"60"]


class Phased(Subject):
    """A response tells when it began, beside what others tell."""

    builtin = "server_timing"

    def record(self) -> Middleware:
        return _record(ServerTiming, show_to="anybody")

    def check(self, seen: Seen) -> None:
        if seen.request.type == "http" and seen.outside.start:
            told = header(seen.outside.start, b"server-timing")
            assert told[:-1] == header(seen.inside.start or {}, b"server-timing")
            assert told[-1].startswith(b"total;dur=")


class Checked(Subject):
    """Other requests than health checks pass as if it was not there, and a lifespan tells it that all has started."""

    builtin = "health"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.layers: list[Health] = []

    def record(self) -> Middleware:
        return Middleware(partial(self._build))

    def _build(self, app: ASGIApp) -> Health:
        layer = Health(app, **self.options)
        self.layers.append(layer)
        return layer

    def check(self, seen: Seen) -> None:
        if seen.request.type == "lifespan":
            told = [event["type"] for event in seen.inside.events]
            assert [layer.is_closing for layer in self.layers] == ["lifespan.shutdown" in told] * len(self.layers)
        elif seen.outside.scope is not None:
            assert seen.inside.start == seen.outside.start, "changed what it should leave alone"
            assert not seen.is_whole or seen.inside.body == seen.outside.body, "changed what it should leave alone"


class Explained(Subject):
    """What an application raises before it answers is a 500 that says so; errors that say something stay."""

    builtin = "problem_details"

    def __init__(self, **options: Any) -> None:
        self.options = options

    def record(self) -> Middleware:
        return _record(ProblemDetails, **self.options)

    def answers_failure(self, request: Request) -> bool:
        return request.type in ("http", "websocket")

    def keeps_failure(self, request: Request) -> bool:
        return self.answers_failure(request) and not self.options.get("reraise", False)

    def check(self, seen: Seen) -> None:
        inside, outside = seen.inside.start, seen.outside.start
        if seen.request.type != "http":
            return
        if inside is None and isinstance(seen.inside.error, Exception) and seen.is_whole:
            assert outside is not None, "no answer to an exception"
            assert outside["status"] == 500
            assert header(outside, b"content-type") == [b"application/problem+json"]
            assert (seen.outside.error is None) == self.keeps_failure(seen.request), "lost, or not kept"
        elif inside is not None and outside is not None:
            assert outside == inside, "changed an answer that says something"


class Sometimes(Subject):
    """A layer does its duty for matching requests, and leaves others alone."""

    def __init__(self, subject: Subject, matches: Callable[[Request], bool], **matchers: Any) -> None:
        self.subject = subject
        self.matchers = matchers
        self.applies = matches

    def record(self) -> Middleware:
        return When(self.subject.record(), **self.matchers)

    def answers(self, request: Request) -> int | None:
        return self.subject.answers(request) if self.applies(request) else None

    def drops(self, request: Request, start: Message) -> bool:
        return self.applies(request) and self.subject.drops(request, start)

    def preflight(self, request: Request) -> int | None:
        return self.subject.preflight(request) if self.applies(request) else None

    def shows(self, request: Request) -> bool | None:
        return self.subject.shows(request) if self.applies(request) else None

    def times_out(self, request: Request) -> bool:
        return self.applies(request) and self.subject.times_out(request)

    def answers_failure(self, request: Request) -> bool:
        return self.applies(request) and self.subject.answers_failure(request)

    def keeps_failure(self, request: Request) -> bool:
        return self.applies(request) and self.subject.keeps_failure(request)

    def ring(self) -> bool:
        return self.subject.ring()

    def check(self, seen: Seen) -> None:
        if seen.request.type == "lifespan" or self.applies(seen.request):
            self.subject.check(seen)
        else:
            assert seen.outside.start == seen.inside.start, "changed the start of what it should leave alone"
            assert seen.inside.body.startswith(seen.outside.body), "changed a body that it should leave alone"
            assert not seen.is_whole or seen.outside.is_complete == seen.inside.is_complete


class Nested(Subject):
    """A stack in the place of a layer: each of its layers does its duty."""

    def __init__(self, *subjects: Subject) -> None:
        self.subjects = subjects

    def record(self) -> Middleware:
        return Middleware(Stack(*(subject.record() for subject in self.subjects)))

    def answers(self, request: Request) -> int | None:
        found = (subject.answers(request) for subject in self.subjects)
        return next((status for status in found if status is not None), None)

    def drops(self, request: Request, start: Message) -> bool:
        return any(subject.drops(request, start) for subject in self.subjects)

    def preflight(self, request: Request) -> int | None:
        found = (subject.preflight(request) for subject in self.subjects)
        return next((status for status in found if status is not None), None)

    def shows(self, request: Request) -> bool | None:
        found = [subject.shows(request) for subject in self.subjects]
        return next((shown for shown in found if shown is not None), None)

    def times_out(self, request: Request) -> bool:
        return any(subject.times_out(request) for subject in self.subjects)

    def answers_failure(self, request: Request) -> bool:
        return any(subject.answers_failure(request) for subject in self.subjects)

    def keeps_failure(self, request: Request) -> bool:
        return any(subject.keeps_failure(request) for subject in self.subjects)

    def ring(self) -> bool:
        return any(subject.ring() for subject in reversed(self.subjects))

    def check(self, seen: Seen) -> None:
        for subject in self.subjects:
            subject.check(seen)


@cache
def _record(cls: type, **options: Any) -> Middleware:
    """Return one record for all runs of a configuration that keeps nothing: checking options takes its time."""
    return Middleware(cls, **options)


def _uploaded(events: list[Message]) -> bytes:
    return b"".join(bytes(event.get("body", b"")) for event in events if event["type"] == "http.request")


def _is_spent(connection: HTTPConnection) -> bool:
    # Not its own `headers`: Starlette finds names in lower case only.
    return find(connection.scope["headers"], b"x-key") == SPENT


def _in_api(request: Request) -> bool:
    return request.path.startswith("/api/")


def _is_get(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


ENTRIES: dict[str, Callable[[], Subject]] = {
    "gzip": lambda: Compressed(),
    "gzip-eager": lambda: Compressed(minimum_size=0, compresslevel=1),
    "brotli": lambda: Compressed(Brotli, "br", breach="pad"),
    "zstd": lambda: Compressed(Zstd, "zstd"),
    "compress": lambda: Compressed(Compress, "zstd"),
    "compress-suffix": lambda: Compressed(Compress, "gzip", codings=("gzip", "br"), etags="suffix"),
    "cors": lambda: CrossOrigin(ORIGIN),
    "cors-any": lambda: CrossOrigin("*", allow_headers=("*",)),
    "cors-several": lambda: CrossOrigin(ORIGIN, OTHER_ORIGIN, allow_credentials=True, expose_headers=("x-request-id",)),
    "decompress": Decoded,
    "sessions": lambda: Kept(),
    "sessions-store": lambda: Kept(store="memory://"),
    "sessions-again": lambda: Kept(session_cookie=NAME),
    "when-gzip": lambda: Sometimes(Compressed(), _in_api, paths=["/api/*"]),
    "when-cors": lambda: Sometimes(
        CrossOrigin(ORIGIN, OTHER_ORIGIN), lambda request: not _in_api(request), exclude_paths=["/api/*"]
    ),
    "when-metrics": lambda: Sometimes(Measured(), _is_get, methods=["GET", "HEAD"]),
    "when-timeout": lambda: Sometimes(TimedOut(), lambda _: True, predicate=lambda _: True),
    "stack": lambda: Nested(Compressed(), CrossOrigin(ORIGIN, OTHER_ORIGIN)),
    "stack-with-session": lambda: Nested(Identified(), Kept(), Compressed(minimum_size=100)),
    "rate-limit": Limited,
    "rate-limit-quiet": lambda: Limited(headers=(), refund_on=("5xx", "exception"), messages="1000/second"),
    "auth": Authenticated,
    "request-id": Identified,
    "metrics": Measured,
    "timeout": lambda: TimedOut(),
    "timeout-of-all": lambda: TimedOut(total=7200, idle=7200, limit_websockets=True),
    "concurrency-limit": lambda: Admitted(),
    "concurrency-limit-to-the-end": lambda: Admitted(limit=3, hold="end"),
    "maintenance": Closed,
    "tracing": lambda: Traced(),
    "tracing-told": lambda: Traced(response_headers=["server-timing", "traceresponse"], trust="none"),
    "drain": Drained,
    "access-log": Logged,
    "server-timing": Phased,
    "health": Checked,
    "problem-details": Explained,
    "problem-details-reraise": lambda: Explained(reraise=True, convert="json"),
    "publish-route": Published,
}
"""By a name for reports. A new middleware joins with one line here, and a subject that tells its duty."""
