"""One call as a generated application sees it: what it says in the shapes that ASGI allows, watched at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from middlewares.asgi import Receive, Scope, Send

if TYPE_CHECKING:
    from middlewares.asgi import Message

__all__ = ("STYLES", "Call", "Fault", "turns")

STYLES = ("plain", "tuples", "generator", "lists", "mixed-case", "memoryview", "sparse", "shared")
"""Ways to write the same messages, all of them legal but for the case of names, which applications get wrong."""

_SHARED: dict[Any, Message] = {}
"""Messages that an application makes once and sends with every response."""


class Fault(Exception):
    """What an application raises."""


async def turns(count: int = 3) -> None:
    """Let every task that is ready take some steps."""
    for _ in range(count):
        await checkpoint()


@dataclass(eq=False)
class Call:
    """The scope and the channels of one call, and what the application has said so far."""

    scope: Scope
    receive: Receive
    send: Send
    name: str
    style: str
    random: Random
    ring: Callable[[], None] = lambda: None
    """To be called when the time is up for this request, as a clock would do it."""
    watch: Callable[[str, bytes], None] = lambda _kind, _said: None
    """Called after each message was sent, with what it was and the body so far: it must have left by then."""
    said: bytes = b""
    """The body so far."""

    @property
    def is_head(self) -> bool:
        """Whether the body is of no interest."""
        return bool(self.scope["method"] == "HEAD")

    def has(self, extension: str) -> bool:
        """Return whether the server declares an extension."""
        return extension in (self.scope.get("extensions") or ())

    async def start(
        self, status: int = 200, content_type: str = "text/html; charset=utf-8", *more: tuple[bytes, bytes], **keys: Any
    ) -> None:
        """Start the response."""
        pairs = [
            (b"content-type", content_type.encode()),
            (b"x-app", self.name.encode()),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2; Path=/"),
            *more,
        ]
        await self.say({"type": "http.response.start", "status": status, "headers": self.shaped(pairs), **keys})

    async def body(self, data: bytes = b"", *, more: bool = False) -> None:
        """Send a part of the body, by default the last."""
        self.said += data
        message: Message = {"type": "http.response.body", "body": data, "more_body": more}
        if self.style == "memoryview":
            message["body"] = memoryview(data)
        elif self.style == "sparse":
            # What is at its default may be absent.
            message = {key: value for key, value in message.items() if value not in (b"", False)}
        await self.say(message)

    async def whole(self, data: bytes, *more: tuple[bytes, bytes], status: int = 200, **start: Any) -> None:
        """Answer with a body in hand and its length."""
        length = (b"content-length", b"%d" % len(data))
        await self.start(status, "text/html; charset=utf-8", length, *more, **start)
        await self.body(data)

    async def say(self, message: Message) -> None:
        """Send a message, then see where it has got to."""
        if self.style == "shared":
            key = repr(message)
            message = _SHARED.setdefault(key, message)
        await self.send(message)
        await turns()
        kind = message["type"].rpartition(".")[2]
        self.look("end" if kind == "body" and not message.get("more_body", False) else kind)

    def look(self, kind: str) -> None:
        """See that what was sent has left; ``kind`` is the last step: ``start``, ``body`` or ``end``."""
        self.watch(kind, self.said)

    async def request_body(self) -> bytes | None:
        """Read the body of the request; ``None`` if the client left first."""
        parts: list[bytes] = []
        while True:
            event = await self.receive()
            if event["type"] != "http.request":
                return None
            parts.append(event.get("body", b""))
            if not event.get("more_body", False):
                return b"".join(parts)

    def text(self, size: int) -> bytes:
        """Return text of a size, which compresses well and is not the same twice."""
        word = b"<p>%d %d</p>\n" % (self.random.randrange(1000), self.random.randrange(1000))
        return (word * (size // len(word) + 1))[:size]

    def shaped(self, pairs: list[tuple[bytes, bytes]]) -> Any:
        """Return header fields in the shape of this style."""
        if self.style == "tuples":
            return tuple(pairs)
        if self.style == "generator":
            return (pair for pair in pairs)
        if self.style == "lists":
            return [list(pair) for pair in pairs]
        if self.style == "mixed-case":
            return [(name.title(), value) for name, value in pairs]
        return pairs
