"""Sessions with the cookie of a visitor, signed and encrypted: untouched, read, and changed."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks.answer import Answer, expect, identical, unchanged
from benchmarks.apps import answer_from_pool
from benchmarks.case import Bar, Case, ours, peer
from benchmarks.pool import browser_head, http_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("CASES",)

_SECRET = "gv1yXkQYJb4Sg0m5hQ0eD7p2Zr8wLxTn"  # noqa: S105 - signs nothing but the pool
_STARLETTE = "starlette SessionMiddleware"
_NAME = "visitor"
_SIGNED = "signed Sessions"
_SIGNED_NAME = "voyager"
_SIZE = 1_000


async def _read(scope: Scope, receive: Receive, send: Send) -> None:
    if "session" in scope:
        assert "user_id" in scope["session"]
    await answer_from_pool(scope, receive, send)


async def _change(scope: Scope, receive: Receive, send: Send) -> None:
    session = scope.get("session")
    if session is not None:
        session["visits"] = session["visits"] + 1
    await answer_from_pool(scope, receive, send)


@cache
def _cookies(kind: str, index: int) -> str:
    """Return what a browser sends that has a session of ours and one of Starlette: the same data in both."""
    from itsdangerous import TimestampSigner

    from middlewares.sessions.records import Record, encode
    from middlewares.sessions.tokens import Encrypted, Signed

    data: dict[str, Any] = {"user_id": index, "name": f"visitor {index}", "theme": "dark", "visits": index * 7}
    theirs = TimestampSigner(_SECRET).sign(b64encode(json.dumps(data).encode())).decode()
    now = time.time()
    payload = index.to_bytes(16) + Record(now, now, now, encode(data)).pack()
    signed = _sealer(Signed, _SIGNED_NAME).seal(payload)
    ours = _sealer(Encrypted if kind == "encrypted" else Signed, _NAME).seal(payload)
    # Where a cookie stands, and how long its name is, tells by some per cent: each comes last in half of the requests.
    pairs = [f"{_SIGNED_NAME}={signed}", f"{_NAME}={ours}"]
    return "; ".join([f"session={theirs}", *(pairs if index % 2 else reversed(pairs))])


@cache
def _sealer(cls: Any, name: str) -> Any:
    return cls([_SECRET], name)


def _scope_of(kind: str) -> Callable[[int], Scope]:
    def scope(index: int) -> Scope:
        lines = browser_head(index).split(b"\n")
        cookie = f"cookie: {_cookies(kind, index)}".encode()
        head = b"\n".join(cookie if line.startswith(b"cookie:") else line for line in lines)
        return http_scope(index, head, size=_SIZE)

    return scope


def _verify_read(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(b"cookie" in got.members(b"vary") or not got.values(b"set-cookie"), "a session was read, and Vary is silent")
    expect(not got.values(b"set-cookie"), "a session that was only read was sent again")


def _verify_change(got: Answer, bare: Answer, scope: Scope) -> None:
    unchanged(got, bare, scope)
    expect(len(got.values(b"set-cookie")) == 1, "the session was not saved")


def _case(name: str, what: str, kind: str, app: ASGIApp, verify: Any, *bars: Bar) -> Case:
    layer = ours(
        "middlewares:Sessions",
        secret_key=_SECRET,
        secure=False,
        session_cookie=_NAME,
        encrypted=kind == "encrypted",
    )
    starlette = peer(_STARLETTE, "starlette.middleware.sessions:SessionMiddleware", secret_key=_SECRET)
    subjects = [layer, starlette]
    if kind == "encrypted":
        options = {"secret_key": _SECRET, "secure": False, "session_cookie": _SIGNED_NAME}
        subjects.append(peer(_SIGNED, "middlewares:Sessions", **options))
    return Case(name, what, app, _scope_of(kind), tuple(subjects), verify, bars=bars)


_EIGHTH = Bar(peer=_STARLETTE, ratio=0.125)
_NO_SLOWER = Bar(peer=_SIGNED, ratio=1.0)
_BELOW = Bar(peer=_STARLETTE, ratio=0.8)

CASES = (
    _case(
        "sessions-untouched",
        "a request with a session that nobody asks for",
        "signed",
        answer_from_pool,
        identical,
        Bar(overhead_us=1.4),
        _EIGHTH,
    ),
    _case("sessions-read", "one value is read from a signed cookie", "signed", _read, _verify_read, _BELOW),
    _case("sessions-change", "a number is read, and another saved: signed", "signed", _change, _verify_change, _BELOW),
    _case(
        "sessions-change-encrypted",
        "a number is read, and another saved: encrypted here, signed there",
        "encrypted",
        _change,
        _verify_change,
        _BELOW,
        _NO_SLOWER,
    ),
)
