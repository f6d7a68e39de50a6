"""Messages around a driver: its history, those it makes by itself, and those that complete a response.

Standard: ASGI 3.0, HTTP & WebSocket 2.5; the extensions for trailers, pathsend, zerocopysend and WebSocket
denial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from middlewares.asgi import Message

__all__ = ("Body", "Passed", "ResponseEnd", "disconnect_event", "farewell_after", "history", "request_events")

Body: TypeAlias = "bytes | bytearray | memoryview | Iterable[bytes]"
"""The body of a request: whole, or in the chunks in which it is to arrive."""

_ABNORMAL_CLOSURE = 1006  # RFC 6455, 7.4.1: the connection went without a close frame

_SHOWN_MESSAGES = 20
_SHOWN_CHARACTERS = 200


class Passed(NamedTuple):
    """One message that passed between the test and the app."""

    sender: Literal["test", "app"]
    message: Message

    def __str__(self) -> str:
        rest = " ".join(f"{key}={value!r}" for key, value in self.message.items() if key != "type")
        line = f"{self.sender:>4}: {self.message.get('type')} {rest}"
        return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def history(messages: Sequence[Passed]) -> str:
    """Return the last messages for an error, one a line."""
    shown = [f"  {passed}" for passed in messages[-_SHOWN_MESSAGES:]]
    if len(messages) > len(shown):
        shown.insert(0, f"  ({len(messages) - len(shown)} earlier messages)")
    return "\n".join(shown) or "  nothing"


def request_events(body: Body = b"") -> list[Message]:
    """Return the ``http.request`` events that carry ``body``: one per chunk, at least one."""
    chunks = [bytes(body)] if isinstance(body, bytes | bytearray | memoryview) else list(body) or [b""]
    last = len(chunks) - 1
    return [{"type": "http.request", "body": chunk, "more_body": n < last} for n, chunk in enumerate(chunks)]


def disconnect_event(scope_type: str, code: int, reason: str) -> Message:
    """Return the event that tells the app of a disconnect; `ValueError` for a protocol that has none."""
    if scope_type == "http":
        return {"type": "http.disconnect"}
    if scope_type == "websocket":
        return {"type": "websocket.disconnect", "code": code, "reason": reason}
    raise ValueError(f"Driver: scope type {scope_type!r} has no disconnect, only 'http' and 'websocket' have one")


def farewell_after(message: Message) -> Message:
    """Return the event with which a server answers ``receive`` after this last message of the app."""
    if message["type"] == "websocket.close":
        return disconnect_event("websocket", message.get("code", 1000), message.get("reason") or "")
    return disconnect_event(message["type"].partition(".")[0], _ABNORMAL_CLOSURE, "")


class ResponseEnd:
    """Knows which message of the app ends its response, or closes its WebSocket."""

    __slots__ = ("_trailers",)

    def __init__(self) -> None:
        self._trailers = False

    def is_reached_by(self, message: Message) -> bool:
        """Tell whether nothing may follow ``message``; to be asked about each message once, in order."""
        match message.get("type"):
            case "http.response.start":
                self._trailers = bool(message.get("trailers"))
                return False
            case "http.response.body" | "http.response.zerocopysend":
                return not message.get("more_body") and not self._trailers
            case "http.response.pathsend":
                return not self._trailers
            case "http.response.trailers":
                return not message.get("more_trailers")
            case "websocket.http.response.body":
                return not message.get("more_body")
            case kind:
                return kind == "websocket.close"
