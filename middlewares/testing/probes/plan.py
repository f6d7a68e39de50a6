"""The generated requests: for each path a table of courses, in HTTP and WebSocket, legal one and all.

Standard: HTTP & WebSocket 2.5 and the extensions; RFC 9110, 9.2.1 for the methods that are safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from middlewares.asgi import Message, Scope
from middlewares.testing.scopes import http_scope, websocket_scope

from .discovery import Paths

__all__ = ("UNKNOWN_PATH", "UNKNOWN_TYPE", "Leaves", "Probe", "plan")

Leaves: TypeAlias = Literal["last", "before", "in request", "in response"]
"""When the client goes: when all is done, before all, while it sends its body, after the first part of the answer."""

UNKNOWN_PATH = "/lint-no-such-path"
UNKNOWN_TYPE = "lint.unknown"
"""A scope type that nobody knows: rule G3."""

_ORIGIN = "https://lint.example"
_HEADERS = (("host", "localhost"), ("user-agent", "middlewares-lint"), ("accept", "*/*"))
_HTTP_EXTENSIONS = (
    "http.response.push",
    "http.response.zerocopysend",
    "http.response.pathsend",
    "http.response.early_hint",
    "http.response.trailers",
    "http.response.debug",
)
_DENIAL = ("websocket.http.response",)


@dataclass(frozen=True, slots=True)
class _Course:
    """One way in which a request may go, on any path."""

    label: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    events: tuple[Message, ...] = ()
    leaves: Leaves = "last"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `http_scope` or `websocket_scope`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request: what is asked, and how the client behaves."""

    name: str
    """How reports call it, as in ``GET /products, with accept-encoding``."""
    path: str
    kind: str
    events: tuple[Message, ...] = ()
    leaves: Leaves = "last"
    options: Mapping[str, Any] = field(default_factory=dict)

    def scope(self, state: Mapping[str, Any] | None) -> Scope:
        """Return a fresh scope, with a copy of the state of the lifespan."""
        if self.kind == "http":
            return http_scope(**self.options, state=state)
        if self.kind == "websocket":
            return websocket_scope(**self.options, state=state)
        return {"type": self.kind, "asgi": {"version": "3.0", "spec_version": "2.0"}}


def _request(*chunks: bytes) -> tuple[Message, ...]:
    last = len(chunks) - 1
    return tuple({"type": "http.request", "body": chunk, "more_body": n < last} for n, chunk in enumerate(chunks))


_EMPTY = _request(b"")
_UPLOAD = b'{"name": "lint"}'
_JSON = (("content-type", "application/json"), ("content-length", str(len(_UPLOAD))))
_CODINGS = (("accept-encoding", "gzip, deflate, br, zstd"),)
_PREFLIGHT = (("origin", _ORIGIN), ("access-control-request-method", "GET"))

_SAFE = (
    _Course(events=_EMPTY),
    _Course("with accept-encoding", headers=_CODINGS, events=_EMPTY),
    _Course(method="HEAD", events=_EMPTY),
    _Course("with accept-encoding", "HEAD", _CODINGS, _EMPTY),
    _Course(method="OPTIONS", events=_EMPTY),
    _Course("a CORS preflight", "OPTIONS", _PREFLIGHT, _EMPTY),
    _Course("from another origin", headers=(("origin", _ORIGIN),), events=_EMPTY),
    _Course("for a range", headers=(("range", "bytes=0-9"),), events=_EMPTY),
    _Course(
        "with every extension",
        headers=(*_CODINGS, ("te", "trailers")),
        events=_EMPTY,
        options={"extensions": _HTTP_EXTENSIONS},
    ),
    *(_Course(f"spec_version {v}", events=_EMPTY, options={"spec_version": v}) for v in ("2.0", "2.3", "2.4")),
    _Course("HTTP/1.0", events=_EMPTY, options={"http_version": "1.0"}),
    _Course("HTTP/2", events=_EMPTY, options={"http_version": "2", "scheme": "https"}),
    _Course("client gone before", leaves="before"),
    _Course("client gone in the response", events=_EMPTY, leaves="in response"),
    _Course("client gone in the response, spec_version 2.3", "GET", (), _EMPTY, "in response", {"spec_version": "2.3"}),
)
"""What may be asked of any path: methods that change nothing."""

_UNSAFE = (
    _Course("a body in one chunk", "POST", _JSON, _request(_UPLOAD)),
    _Course("a body in several chunks", "POST", _JSON, _request(_UPLOAD[:3], b"", _UPLOAD[3:], b"")),
    _Course("without a body", "POST", (("content-length", "0"),), _EMPTY),
    _Course("client gone in the request", "POST", _JSON, _request(_UPLOAD[:3], b"")[:1], "in request"),
    _Course("an unknown method", "PROBE", events=_EMPTY),
)
"""What is asked only of paths that the user has named, and of those that nobody has: it may change something."""

_CONNECT: Message = {"type": "websocket.connect"}
_TEXT: Message = {"type": "websocket.receive", "text": "hello"}
_BYTES: Message = {"type": "websocket.receive", "bytes": b"hello"}

_SOCKETS = (
    _Course("connect and close", events=(_CONNECT,)),
    _Course("text", events=(_CONNECT, _TEXT)),
    _Course("bytes", events=(_CONNECT, _BYTES)),
    _Course("text and bytes", events=(_CONNECT, _TEXT, _BYTES, _TEXT), options={"subprotocols": ("lint", "echo")}),
    _Course("client gone at once", events=(_CONNECT,), leaves="before"),
    _Course("denial response offered", events=(_CONNECT,), options={"extensions": _DENIAL}),
    _Course("from another origin", headers=(("origin", _ORIGIN),), events=(_CONNECT, _TEXT)),
    *(_Course(f"spec_version {v}", events=(_CONNECT, _TEXT), options={"spec_version": v}) for v in ("2.0", "2.3")),
)


def plan(paths: Iterable[str] = (), discovered: Paths | None = None) -> tuple[Probe, ...]:
    """Return the requests to send, those of one path in a row.

    ``paths`` are targets as in a request line (``/search?q=a%20b``): to them, to ``/`` and to a path that nobody
    has, everything is sent. To those that were ``discovered`` only what is safe is sent: GET, HEAD, OPTIONS, and
    WebSocket handshakes where the route is for these. `ValueError` for a path that does not begin with ``/``, or
    cannot be encoded.
    """
    named = [*dict.fromkeys(("/", *paths, UNKNOWN_PATH))]
    for path in named:
        if not path.startswith("/"):
            raise ValueError(f"a path must begin with '/'; got {path!r}")
        if not _is_encodable(path):
            raise ValueError(f"a path must be encodable as UTF-8, with other bytes as in '/%FF'; got {path!r}")
    probes = [probe for path in named for probe in (*_http(path, (*_SAFE, *_UNSAFE)), *_websocket(path))]
    found = discovered or Paths((), ())
    probes += (probe for path in _further(found.http, named) for probe in _http(path, _SAFE))
    probes += (probe for path in _further(found.websocket, named) for probe in _websocket(path))
    return (*probes, Probe("a scope of an unknown type", "", UNKNOWN_TYPE))


def _further(found: Iterable[str], named: Iterable[str]) -> list[str]:
    return [path for path in found if path not in named and _is_encodable(path)]


def _is_encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # what the command line gives for bytes that are not UTF-8
        return False
    return True


def _http(path: str, courses: Iterable[_Course]) -> Iterator[Probe]:
    for course in courses:
        name = f"{course.method} {path}" + (f", {course.label}" if course.label else "")
        options = {**_options(path, course), "method": course.method}
        yield Probe(name, path, "http", course.events, course.leaves, options)


def _websocket(path: str) -> Iterator[Probe]:
    for course in _SOCKETS:
        name = f"WebSocket {path}, {course.label}"
        yield Probe(name, path, "websocket", course.events, course.leaves, _options(path, course))


def _options(path: str, course: _Course) -> dict[str, Any]:
    target, _, query = path.partition("?")
    return {
        "path": unquote(target),
        "query": query.encode(),
        "headers": (*_HEADERS, *course.headers),
        **course.options,
    }
