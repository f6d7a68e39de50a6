"""Stand-ins that read or change responses and the bodies of requests."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from middlewares.asgi import Message
from middlewares.core.exchange import hand_back
from middlewares.core.headers import add_vary, append, find, remove, set_header
from middlewares.core.refusals import Refusal, refuse

from .base import StandIn, changing_start

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("BodyLimit", "BodyRewrite", "Cache", "ETag", "SecurityHeaders", "Trailers", "Upload")


class SecurityHeaders(StandIn):
    """Forbids browsers to guess media types."""

    order_role: ClassVar = "security_headers"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = changing_start(send, lambda headers: append(headers, b"x-content-type-options", b"nosniff"))
        await self.app(scope, receive, sent)


class Whole(StandIn):
    """Holds the response of a request back until it is whole."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Cache(Whole):
    """Keeps what a GET got, by path alone, unless it sees a session or a user."""

    order_role: ClassVar = "cache"
    answers: dict[str, tuple[Message, bytes]] = field(default_factory=dict[str, tuple[Any, bytes]])

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or scope.get("session") or scope.get("user"):
            return await self.app(scope, receive, send)
        if scope["path"] not in self.answers:
            return await super().serve(scope, receive, send)
        start, body = self.answers[scope["path"]]
        await send({**start})
        await send({"type": "http.response.body", "body": body})

    def answer(self, scope: Scope, start: Message, body: bytes) -> tuple[Message, bytes]:
        if start["status"] == 200:
            self.answers[scope["path"]] = start, body
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


class Upload(StandIn):
    """Stands for a client that encodes: request bodies become gzip, message by message."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_encoded() -> Message:
            event = await receive()
            if event["type"] == "http.request":
                event = {**event, "body": gzip.compress(bytes(event.get("body", b"")))}
            return event

        inner = {**scope, "headers": append(scope["headers"], b"content-encoding", b"gzip")}
        try:
            await self.app(inner, receive_encoded, send)
        finally:
            hand_back(inner, scope)

    def hands_on_send(self) -> bool:
        return True


@dataclass(frozen=True, eq=False, kw_only=True)
class BodyLimit(StandIn):
    """Reads the request body, and refuses one of more than ``limit`` bytes with 413."""

    order_role: ClassVar = "body_limit"
    limit: int = 64 * 1024

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        read: list[Message] = []
        while not read or read[-1].get("more_body", False):
            read.append(await receive())
            if sum(len(message.get("body", b"")) for message in read) > self.limit:
                return await refuse(scope, receive, send, Refusal(status=413, code="body_limit.size"), inner=self.cors)

        async def replay() -> Message:
            return read.pop(0) if read else await receive()

        await self.app(scope, replay, send)


class Trailers(StandIn):
    """Sends a checksum after the body to clients that take trailers."""

    order_role: ClassVar = "streaming"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
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
