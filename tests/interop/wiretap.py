"""A layer that notes what leaves for the client, as it stands right behind the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.core.headers import joined

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("Wiretap",)

_BEGINNING = 120
"""Bytes of each body that are noted."""


class Wiretap:
    """Note, by path, what clients ask for and what they are sent; the last response to a path counts.

    Codings in ``hidden`` are taken off what clients accept, so that the others can be seen too.
    """

    def __init__(self, app: ASGIApp, *, hidden: frozenset[bytes] = frozenset()) -> None:
        self.app = app
        self.hidden = hidden
        self.seen: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        accepted = joined(scope["headers"], b"accept-encoding") or b""
        beginning = bytearray()
        available = _text(scope["headers"], b"available-dictionary")
        entry: dict[str, Any] = {"accept": accepted.decode(), "available": available, "bytes": 0}

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["coding"] = _text(message["headers"], b"content-encoding")
                entry["vary"] = _text(message["headers"], b"vary")
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                entry["bytes"] += len(body)
                beginning.extend(body[: _BEGINNING - len(beginning)])
                entry["begins"] = beginning.hex()
                self.seen[scope["path"]] = entry
            await send(message)

        await self.app(self._narrowed(scope), receive, send_noted)

    def _narrowed(self, scope: Scope) -> Scope:
        if not self.hidden:
            return scope
        headers = [
            (name, self._shown(value) if name == b"accept-encoding" else value) for name, value in scope["headers"]
        ]
        return {**scope, "headers": headers}

    def _shown(self, accepted: bytes) -> bytes:
        return b", ".join(coding for coding in accepted.split(b", ") if coding not in self.hidden)


def _text(headers: Any, name: bytes) -> str | None:
    value = joined(headers, name)
    return None if value is None else value.decode("latin-1")
