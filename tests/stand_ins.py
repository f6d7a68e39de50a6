"""Stand-ins for layers that do not exist yet: each does the one thing by which its place in a stack shows.

Whoever builds the layer puts it in the place of its stand-in here. What they keep, a test hands in and
looks at afterwards; nothing here is fit for production.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar

import anyio
import anyio.lowlevel

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
from middlewares.core.headers import add_vary, append, find, remove, set_header
from middlewares.core.refusals import Refusal, refuse

__all__ = (
    "CSRF",
    "AccessLog",
    "Auth",
    "BodyLimit",
    "BodyRewrite",
    "Cache",
    "Decompress",
    "ETag",
    "ErrorPage",
    "HTTPSRedirect",
    "Metrics",
    "ProxyHeaders",
    "RateLimit",
    "RequestID",
    "SecurityHeaders",
    "Sessions",
    "Timeout",
    "Tracing",
    "Trailers",
    "TrustedHosts",
)


def changing_start(send: Send, change: Callable[[list[Any]], list[Any]]) -> Send:
    """Return a ``send`` that changes the headers of the response start."""

    async def send_changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": change([*message.get("headers", ())])}
        await send(message)

    return send_changed


def noting_status(send: Send, note: Callable[[int], None]) -> Send:
    """Return a ``send`` that notes the status of the response."""

    async def send_noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            note(message["status"])
        await send(message)

    return send_noted


@dataclass(frozen=True, eq=False)
class StandIn:
    """Hands requests that are not HTTP on, and all others to `http`."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        await self.http(scope, receive, send)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        raise NotImplementedError


# -- who the client is, and which host it means


class ProxyHeaders(StandIn):
    """Believes every proxy."""

    order_role: ClassVar = "proxy_headers"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        forwarded = {**scope}
        if address := find(headers, b"x-forwarded-for"):
            forwarded["client"] = (address.decode(), 0)
        if scheme := find(headers, b"x-forwarded-proto"):
            forwarded["scheme"] = scheme.decode()
        if host := find(headers, b"x-forwarded-host"):
            forwarded["headers"] = set_header(headers, b"host", host)
        await self.app(forwarded, receive, send)


@dataclass(frozen=True, eq=False)
class TrustedHosts(StandIn):
    """Refuses other hosts with 400."""

    order_role: ClassVar = "trusted_hosts"
    hosts: tuple[bytes, ...] = (b"shop.example",)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if find(scope["headers"], b"host") not in self.hosts:
            return await refuse(scope, receive, send, Refusal(status=400, code="trusted_hosts.host"))
        await self.app(scope, receive, send)


class HTTPSRedirect(StandIn):
    """Redirects plain HTTP with 307."""

    order_role: ClassVar = "https_redirect"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["scheme"] == "https":
            return await self.app(scope, receive, send)
        location = b"https://" + (find(scope["headers"], b"host") or b"") + scope["raw_path"]
        refusal = Refusal(status=307, code="https_redirect.scheme", headers=((b"location", location),))
        await refuse(scope, receive, send, refusal)


# -- what is observed


class RequestID(StandIn):
    """Gives every request the id ``id-1``, in the scope and in its response."""

    order_role: ClassVar = "request_id"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = changing_start(send, lambda headers: append(headers, b"x-request-id", b"id-1"))
        await self.app({**scope, "request_id": "id-1"}, receive, sent)


@dataclass(frozen=True, eq=False)
class Tracing(StandIn):
    """Takes the trace id of the request, and keeps the status of each span."""

    order_role: ClassVar = "tracing"
    spans: list[int | None] = field(default_factory=list[int | None])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: list[int] = []
        _, trace_id, *_ = (find(scope["headers"], b"traceparent") or b"00-none").split(b"-")
        try:
            await self.app({**scope, "trace_id": trace_id.decode()}, receive, noting_status(send, status.append))
        finally:
            self.spans.append(status[0] if status else None)


@dataclass(frozen=True, eq=False)
class AccessLog(StandIn):
    """Keeps a line for each request: address, status, id, trace id."""

    order_role: ClassVar = "access_log"
    lines: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        def log(status: int) -> None:
            self.lines.append((scope["client"][0], status, scope.get("request_id"), scope.get("trace_id")))

        await self.app(scope, receive, noting_status(send, log))


@dataclass(frozen=True, eq=False)
class Metrics(StandIn):
    """Counts responses by status."""

    order_role: ClassVar = "metrics"
    counted: Counter[int] = field(default_factory=Counter[int])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, noting_status(send, lambda status: self.counted.update([status])))


# -- what answers by itself


class ErrorPage(StandIn):
    """Answers an exception with a 500 that names the id and the trace of the request."""

    order_role: ClassVar = "error_page"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:  # noqa: BLE001 - any failure of the application
            detail = f"id {scope.get('request_id')}, trace {scope.get('trace_id')}"
            await refuse(scope, receive, send, Refusal(status=500, code="error_page", detail=detail))


@dataclass(frozen=True, eq=False)
class Timeout(StandIn):
    """Cuts a request once ``expired`` returns: with 504, or visibly in the midst of a response."""

    order_role: ClassVar = "timeout"
    expired: Callable[[], Awaitable[Any]] = anyio.lowlevel.checkpoint

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: list[int] = []
        failed: list[Exception] = []
        is_cut = False
        async with anyio.create_task_group() as race:

            async def wait() -> None:
                nonlocal is_cut
                await self.expired()
                is_cut = True
                race.cancel_scope.cancel()

            race.start_soon(wait)
            try:
                await self.app(scope, receive, noting_status(send, started.append))
            except Exception as error:  # noqa: BLE001 - raised below, where no group wraps it
                failed.append(error)
            race.cancel_scope.cancel()
        for failure in failed:
            raise failure
        if is_cut and started:
            raise TimeoutError
        if is_cut:
            await refuse(scope, receive, send, Refusal(status=504, code="timeout"))


@dataclass(frozen=True, eq=False)
class RateLimit(StandIn):
    """Refuses what is over ``quota`` with 429: by address, or by user."""

    order_role: ClassVar = staticmethod(
        lambda options: "user_rate_limit" if options.get("key") == "user" else "rate_limit"
    )
    quota: int = 1
    key: str = "client"
    used: Counter[str] = field(default_factory=Counter[str])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        partition = scope["client"][0] if self.key == "client" else scope.get("user", "anonymous")
        self.used[partition] += 1
        if self.used[partition] > self.quota:
            return await refuse(scope, receive, send, Refusal(status=429, code="rate_limit.quota"))
        await self.app(scope, receive, send)


class Auth(StandIn):
    """Knows the user from the ``Authorization`` header or the session, and refuses strangers with 401."""

    order_role: ClassVar = "auth"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = find(scope["headers"], b"authorization") or scope.get("session", {}).get("user")
        if not user:
            return await refuse(scope, receive, send, Refusal(status=401, code="auth"))
        await self.app({**scope, "user": user}, receive, send)


class CSRF(StandIn):
    """Refuses a POST with 403 unless its ``X-CSRF`` header is the token of the session."""

    order_role: ClassVar = "csrf"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = scope.get("session", {}).get("csrf")
        if scope["method"] == "POST" and (token is None or find(scope["headers"], b"x-csrf") != token):
            return await refuse(scope, receive, send, Refusal(status=403, code="csrf.token"))
        await self.app(scope, receive, send)


# -- sessions and headers


@dataclass(frozen=True, eq=False)
class Sessions(StandIn):
    """Loads the session that a cookie names, and renews the cookie: Secure over HTTPS."""

    order_role: ClassVar = "sessions"
    store: dict[bytes, dict[str, Any]] = field(default_factory=dict[bytes, dict[str, Any]])
    loads: list[bytes] = field(default_factory=list[bytes])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookie = find(scope["headers"], b"cookie") or b"new"
        self.loads.append(cookie)
        renewed = cookie + (b"; Secure" if scope["scheme"] == "https" else b"")
        sent = changing_start(send, lambda headers: append(headers, b"set-cookie", renewed))
        await self.app({**scope, "session": self.store.get(cookie, {})}, receive, sent)


class SecurityHeaders(StandIn):
    """Forbids browsers to guess media types."""

    order_role: ClassVar = "security_headers"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = changing_start(send, lambda headers: append(headers, b"x-content-type-options", b"nosniff"))
        await self.app(scope, receive, sent)


# -- bodies


@dataclass(frozen=True, eq=False)
class Whole(StandIn):
    """Holds the response of a request back until it is whole."""

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what `answer` makes of the response."""
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self.app(scope, receive, hold)
        body = b"".join(message.get("body", b"") for message in held)
        start, body = self.answer(scope, {**held[0], "headers": [*held[0].get("headers", ())]}, body)
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def answer(self, scope: Scope, start: Message, body: bytes) -> tuple[Message, bytes]:
        """Return the response to send."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Cache(Whole):
    """Keeps what a GET got, by path alone, unless it sees a session or a user."""

    order_role: ClassVar = "cache"
    kept: dict[str, tuple[Message, bytes]] = field(default_factory=dict[str, tuple[Any, bytes]])

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or scope.get("session") or scope.get("user"):
            return await self.app(scope, receive, send)
        if scope["path"] not in self.kept:
            return await super().http(scope, receive, send)
        start, body = self.kept[scope["path"]]
        await send({**start})
        await send({"type": "http.response.body", "body": body})

    def answer(self, scope: Scope, start: Message, body: bytes) -> tuple[Message, bytes]:
        if start["status"] == 200:
            self.kept[scope["path"]] = start, body
        return start, body


class ETag(Whole):
    """Gives responses a tag, and answers 304 to whom has it."""

    order_role: ClassVar = "etag"

    def answer(self, scope: Scope, start: Message, body: bytes) -> tuple[Message, bytes]:
        tag = b'"%s"' % sha256(body).hexdigest()[:16].encode()
        headers = set_header(start["headers"], b"etag", tag)
        if (find(scope["headers"], b"if-none-match") or b"").removeprefix(b"W/") == tag:
            return {**start, "status": 304, "headers": remove(headers, b"content-length")}, b""
        return {**start, "headers": headers}, body


class BodyRewrite(Whole):
    """Puts a script at the end of pages."""

    order_role: ClassVar = "body_rewrite"

    def answer(self, scope: Scope, start: Message, body: bytes) -> tuple[Message, bytes]:
        body = body.replace(b"</body>", b"<script></script></body>")
        return {**start, "headers": set_header(start["headers"], b"content-length", b"%d" % len(body))}, body


class Decompress(StandIn):
    """Hands a gzipped request body on decompressed, message by message, without any bound."""

    order_role: ClassVar = "decompress"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if find(scope["headers"], b"content-encoding") != b"gzip":
            return await self.app(scope, receive, send)
        decoder = zlib.decompressobj(wbits=31)

        async def receive_decoded() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                message = {**message, "body": decoder.decompress(message.get("body", b""))}
            return message

        headers = remove(scope["headers"], b"content-encoding", b"content-length")
        await self.app({**scope, "headers": headers}, receive_decoded, send)


@dataclass(frozen=True, eq=False)
class BodyLimit(StandIn):
    """Reads the request body, and refuses one of more than ``limit`` bytes with 413."""

    order_role: ClassVar = "body_limit"
    limit: int = 64 * 1024

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        read: list[Message] = []
        while not read or read[-1].get("more_body", False):
            read.append(await receive())
            if sum(len(message.get("body", b"")) for message in read) > self.limit:
                return await refuse(scope, receive, send, Refusal(status=413, code="body_limit.size"))

        async def replay() -> Message:
            return read.pop(0) if read else await receive()

        await self.app(scope, replay, send)


class Trailers(StandIn):
    """Sends a checksum after the body to clients that take trailers."""

    order_role: ClassVar = "streaming"

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "http.response.trailers" not in scope.get("extensions", {}):
            return await self.app(scope, receive, send)
        digest = sha256()

        async def send_summed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": add_vary(message["headers"], b"TE"), "trailers": True}
            digest.update(message.get("body", b""))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                checksum = (b"x-checksum", digest.hexdigest().encode())
                await send({"type": "http.response.trailers", "headers": [checksum]})

        await self.app(scope, receive, send_summed)
