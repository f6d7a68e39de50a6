"""What clients ask for: requests that meet the layers of a stack in different ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from middlewares.testing import http_scope, lifespan_scope, websocket_scope

from .visitor import COOKIE

if TYPE_CHECKING:
    from middlewares.asgi import Message, Scope

__all__ = ("EXTENSIONS", "HTTP", "LIFESPAN", "ORIGIN", "OTHER_ORIGIN", "STRANGER", "WEBSOCKET", "Request")

ORIGIN = "https://app.example.com"
OTHER_ORIGIN = "https://www.example.org"
STRANGER = "https://evil.example"

EXTENSIONS = tuple(
    f"http.response.{name}" for name in ("trailers", "early_hint", "pathsend", "zerocopysend", "push", "debug")
)


@dataclass(frozen=True)
class Request:
    """One request, and what layers want to know about it."""

    name: str
    type: str = "http"
    method: str = "GET"
    path: str = "/api/items"
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[bytes, ...] = (b"",)
    extensions: tuple[str, ...] = EXTENSIONS

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        return dict(self.headers).get(name)

    def takes(self, coding: str) -> bool:
        """Return whether a response may be encoded so."""
        return self.type == "http" and coding in (self.header("accept-encoding") or "")

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks here for permission."""
        asks = self.header("access-control-request-method") is not None
        return self.type == "http" and self.method == "OPTIONS" and asks and self.header("origin") is not None

    def scope(self) -> Scope:
        """Return a new scope."""
        if self.type == "lifespan":
            return lifespan_scope()
        if self.type == "websocket":
            return websocket_scope(self.path, headers=self.headers, extensions=self.extensions)
        return http_scope(self.method, self.path, headers=self.headers, extensions=self.extensions, state={})

    def events(self) -> list[Message]:
        """Return the events that carry the body."""
        last = len(self.body) - 1
        return [{"type": "http.request", "body": part, "more_body": n < last} for n, part in enumerate(self.body)]


_BROWSER = (
    ("host", "shop.example.com"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("origin", ORIGIN),
    ("cookie", f"theme=dark; {COOKIE}"),
    ("authorization", "Bearer open-sesame"),
    ("x-request-id", "from-the-client"),
    ("x-key", "regular"),
)


def _without(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in _BROWSER if pair[0] not in names)


def _preflight(name: str, origin: str, *, authorized: bool) -> Request:
    kept = () if authorized else ("authorization",)
    headers = (*_without("origin", "cookie", *kept), ("origin", origin), ("access-control-request-method", "PUT"))
    return Request(name, method="OPTIONS", headers=headers)


HTTP = {
    request.name: request
    for request in (
        Request("browser", headers=_BROWSER),
        Request("script", path="/", headers=(("authorization", "Bearer open-sesame"),), extensions=()),
        Request("head", method="HEAD", headers=_BROWSER),
        Request("upload", method="POST", headers=_BROWSER, body=(b"some ", b"", b"uploaded " * 99, b"text")),
        Request("stranger", headers=(*_without("origin"), ("origin", STRANGER))),
        Request("other-origin", path="/", headers=(*_without("origin", "cookie"), ("origin", OTHER_ORIGIN))),
        Request("identity", headers=_without("accept-encoding", "x-request-id")),
        Request("anonymous", headers=_without("authorization")),
        Request("spent", headers=(*_without("x-key"), ("x-key", "spent"))),
        _preflight("preflight", ORIGIN, authorized=False),
        _preflight("preflight-authorized", ORIGIN, authorized=True),
        _preflight("preflight-stranger", STRANGER, authorized=True),
    )
}

_WEBSOCKET = Request("socket", type="websocket", headers=_BROWSER, extensions=("websocket.http.response",))
WEBSOCKET = {
    request.name: request
    for request in (
        _WEBSOCKET,
        replace(_WEBSOCKET, name="socket-plain", path="/", extensions=()),
        replace(_WEBSOCKET, name="socket-anonymous", headers=_without("authorization")),
        replace(_WEBSOCKET, name="socket-stranger", headers=(*_without("origin"), ("origin", STRANGER))),
        replace(_WEBSOCKET, name="socket-spent", headers=(*_without("x-key"), ("x-key", "spent")), extensions=()),
    )
}

LIFESPAN = {"lifespan": Request("lifespan", type="lifespan")}
