"""CORS with several explicit origins and credentials: no origin, an allowed one, a preflight; then other policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, identical, unchanged
from benchmarks.apps import ORIGINS, POLICY, answer_from_pool, close_websocket
from benchmarks.case import Bar, Case, Subject, ours, peer
from benchmarks.pool import browser_head, http_scope, websocket_scope

if TYPE_CHECKING:
    from middlewares.asgi import Scope

__all__ = ("CASES", "allowed", "cors_scope")

_STARLETTE = "starlette CORSMiddleware"
_SIZE = 1_000
_ANY = {"allow_origins": ("*",)}
_MANY = {**POLICY, "allow_origins": {*ORIGINS, *(f"https://tenant{number}.example" for number in range(10_000))}}
_ASKS_MUCH = ("," * 60_000, "x-a," * 15_000, "a" * 60_000)


def cors_scope(index: int, *, size: int) -> Scope:
    """Return the scope of a request from an allowed origin."""
    return http_scope(index, browser_head(index, extra=(("origin", _origin(index)),)), size=size)


def _same_origin(index: int) -> Scope:
    return http_scope(index, browser_head(index), size=_SIZE)


def _preflight(index: int) -> Scope:
    asks = (
        ("origin", _origin(index)),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "authorization,content-type"),
    )
    return http_scope(index, browser_head(index, extra=asks), size=_SIZE, method="OPTIONS")


def _hostile_preflight(index: int) -> Scope:
    asks = (
        ("origin", _origin(index)),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", _ASKS_MUCH[index % len(_ASKS_MUCH)]),
    )
    return http_scope(index, browser_head(index, extra=asks), size=_SIZE, method="OPTIONS")


def _handshake(index: int) -> Scope:
    scope = websocket_scope(index)
    scope["headers"] = [*scope["headers"], (b"origin", _origin(index).encode())]
    return scope


def _subjects(**policy: Any) -> tuple[Subject, Subject]:
    return (
        ours("middlewares:CORS", **policy),
        peer(_STARLETTE, "starlette.middleware.cors:CORSMiddleware", **policy),
    )


_SUBJECTS = _subjects(**POLICY)


def _origin(index: int) -> str:
    return ORIGINS[index % len(ORIGINS)]


def allowed(got: Answer, scope: Scope) -> None:
    """Check that the answer is readable by the origin that asked, with credentials, and varies by it."""
    origin = dict(scope["headers"])[b"origin"]
    value = got.values(b"access-control-allow-origin")
    expect(value == [origin], f"access-control-allow-origin is {value!r} for {origin!r}")
    expect(got.values(b"access-control-allow-credentials") == [b"true"], "credentials are not allowed")
    expect(b"origin" in got.members(b"vary"), f"vary is {got.values(b'vary')!r}")


def _verify_same_origin(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(b"origin" in got.members(b"vary"), f"vary is {got.values(b'vary')!r}")
    expect(not got.values(b"access-control-allow-origin"), "an origin was allowed that nobody named")


def _verify_allowed(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    allowed(got, scope)
    expect(got.members(b"access-control-expose-headers") == {b"x-request-id"}, "X-Request-ID is not exposed")


def _verify_preflight(got: Answer, bare: Answer, scope: Scope) -> None:
    expect(got.status in {200, 204}, f"status {got.status}")
    expect(got.body != bare.body, "the application answered the preflight")
    allowed(got, scope)
    expect(b"put" in got.members(b"access-control-allow-methods"), "PUT is not allowed")
    headers = got.members(b"access-control-allow-headers")
    expect({b"authorization", b"content-type"} <= headers, f"allowed headers are {headers}")


def _verify_any(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(got.values(b"access-control-allow-origin") in ([], [b"*"]), "not every origin is allowed")


def _verify_refused(got: Answer, bare: Answer, scope: Scope) -> None:
    expect(400 <= got.status < 500, f"status {got.status}")
    expect(got.body != bare.body, "the application answered the preflight")


CASES = (
    Case(
        "cors-no-origin",
        "a request without Origin, several explicit origins allowed",
        answer_from_pool,
        _same_origin,
        _SUBJECTS,
        _verify_same_origin,
        bars=(Bar(peer=_STARLETTE, ratio=0.28),),
    ),
    Case(
        "cors-allowed-origin",
        "a request from one of several explicit origins",
        answer_from_pool,
        lambda index: cors_scope(index, size=_SIZE),
        _SUBJECTS,
        _verify_allowed,
        bars=(Bar(peer=_STARLETTE, ratio=0.32),),
    ),
    Case(
        "cors-preflight",
        "a preflight from one of several explicit origins (the application is not called)",
        answer_from_pool,
        _preflight,
        _SUBJECTS,
        _verify_preflight,
        bars=(Bar(peer=_STARLETTE, ratio=0.5, totals=True),),
        totals=True,
    ),
    Case(
        "cors-any",
        "a request without Origin, any origin allowed: nothing varies",
        answer_from_pool,
        _same_origin,
        _subjects(**_ANY),
        _verify_any,
        bars=(Bar(peer=_STARLETTE, ratio=0.28),),
    ),
    Case(
        "cors-many-origins",
        "a request from one of 10,005 explicit origins, which the peer is given as a set too",
        answer_from_pool,
        lambda index: cors_scope(index, size=_SIZE),
        _subjects(**_MANY),
        _verify_allowed,
        bars=(Bar(peer=_STARLETTE, ratio=0.32),),
    ),
    Case(
        "cors-websocket",
        "a WebSocket handshake from one of several explicit origins, which the peer does not check",
        close_websocket,
        _handshake,
        _SUBJECTS,
        identical,
        receive={"type": "websocket.connect"},
    ),
    Case(
        "cors-hostile-preflight",
        "a preflight that asks for 60 KB of headers",
        answer_from_pool,
        _hostile_preflight,
        _SUBJECTS,
        _verify_refused,
        bars=(Bar(overhead_us=20),),
        totals=True,
    ),
)
