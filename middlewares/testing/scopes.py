"""Fresh, legal and minimal scopes for tests: each call builds a new one that nothing else refers to.

Standard: ASGI 3.0, HTTP & WebSocket 2.5 (connection scopes) and Lifespan 2.0 (scope).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = (
    "Extensions",
    "Headers",
    "header_pairs",
    "http_scope",
    "is_from",
    "lifespan_scope",
    "raises_when_closed",
    "spec_version",
    "websocket_scope",
)

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Header fields as a test writes them: pairs, or a mapping where no name repeats."""

Extensions: TypeAlias = Mapping[str, dict[str, Any]] | Iterable[str]
"""Extensions of a server: names with their settings, or the names alone."""

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")
_CLIENT = ("127.0.0.1", 50000)
_SERVER = ("127.0.0.1", 80)


def http_scope(
    method: str = "GET",
    path: str = "/",
    *,
    query: str | bytes = b"",
    headers: Headers = (),
    extensions: Extensions | None = None,
    state: Mapping[str, Any] | None = None,
    spec_version: str = "2.5",
    http_version: str = "1.1",
    scheme: str = "http",
    root_path: str = "",
    raw_path: bytes | None = None,
    client: tuple[str, int] | None = _CLIENT,
    server: tuple[str, int | None] | None = _SERVER,
) -> Scope:
    """Return the scope of one HTTP request.

    ``path`` is percent-decoded and without a query; ``raw_path`` is made from it unless given. No header is added:
    what ``headers`` holds, in its order, is what the app sees. ``extensions`` and ``state`` are left out when
    ``None``.
    """
    scope = _connection_scope(
        path,
        query,
        headers,
        extensions,
        state,
        spec_version,
        http_version,
        scheme,
        root_path,
        raw_path,
        client,
        server,
    )
    return {"type": "http", "method": method, **scope}


def websocket_scope(
    path: str = "/",
    *,
    subprotocols: Iterable[str] = (),
    query: str | bytes = b"",
    headers: Headers = (),
    extensions: Extensions | None = None,
    state: Mapping[str, Any] | None = None,
    spec_version: str = "2.5",
    http_version: str = "1.1",
    scheme: str = "ws",
    root_path: str = "",
    raw_path: bytes | None = None,
    client: tuple[str, int] | None = _CLIENT,
    server: tuple[str, int | None] | None = _SERVER,
) -> Scope:
    """Return the scope of one WebSocket; the options are those of `http_scope`.

    Give ``extensions=["websocket.http.response"]`` for a server that can deny the handshake with a whole
    response.
    """
    scope = _connection_scope(
        path,
        query,
        headers,
        extensions,
        state,
        spec_version,
        http_version,
        scheme,
        root_path,
        raw_path,
        client,
        server,
    )
    return {"type": "websocket", "subprotocols": list(subprotocols), **scope}


def lifespan_scope(*, state: Mapping[str, Any] | None = None, spec_version: str = "2.0") -> Scope:
    """Return the scope of a lifespan, whose ``state`` is a new dict: empty, or a copy of what is given."""
    return {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "state": dict(state or {}),
    }


def header_pairs(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return header fields as a server hands them over: bytes (Latin-1), names in lower case, order kept."""
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    return [(_encoded(name).lower(), _encoded(value)) for name, value in pairs]


def _connection_scope(
    path: str,
    query: str | bytes,
    headers: Headers,
    extensions: Extensions | None,
    state: Mapping[str, Any] | None,
    spec_version: str,
    http_version: str,
    scheme: str,
    root_path: str,
    raw_path: bytes | None,
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
) -> Scope:
    """Return the keys that HTTP and WebSocket scopes have in common."""
    scope: Scope = {
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": http_version,
        "scheme": scheme,
        "path": path,
        "raw_path": quote(path).encode("ascii") if raw_path is None else raw_path,
        "query_string": _encoded(query),
        "root_path": root_path,
        "headers": header_pairs(headers),
        "client": client,
        "server": server,
    }
    if extensions is not None:
        named = extensions if isinstance(extensions, Mapping) else {name: {} for name in extensions}
        scope["extensions"] = {name: dict(settings) for name, settings in named.items()}
    if state is not None:
        scope["state"] = dict(state)  # a shallow copy per call, as servers make it
    return scope


def _encoded(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def spec_version(scope: Scope) -> tuple[int, int]:
    """Return the version of the specification that the server speaks; 2.0 if it does not say."""
    asgi = scope.get("asgi")
    text = asgi.get("spec_version") if isinstance(asgi, dict) else None
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return (int(match[1]), int(match[2])) if match else (2, 0)


def is_from(scope: Scope, minor: int) -> bool:
    """Return whether the server speaks at least version 2.``minor``."""
    return spec_version(scope) >= (2, minor)


def raises_when_closed(scope: Scope) -> bool:
    """Return whether `send` must raise on a closed connection: that of a WebSocket, from version 2.4."""
    return scope["type"] == "websocket" and is_from(scope, 4)
