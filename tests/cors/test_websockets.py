"""A WebSocket handshake of a foreign page is refused, whatever cookies it carries; statement 42, attack 37."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS, CORSPolicy
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import WebSocketRefused, websocket
from tests.cors.policies import ANY, EVIL, LISTED, A, B

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.asgi import Receive, Scope, Send

HOST = "chat.example:8000"
SAME = f"http://{HOST}"
DENIAL = "websocket.http.response"


async def secret(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "secret"})
    await send({"type": "websocket.close"})


async def is_let_in(app: Any, headers: Mapping[str, str] | list[tuple[str, str]]) -> bool:
    """Return whether the application was reached; a refusal must look as refusals do."""
    pairs = [*headers.items()] if not isinstance(headers, list) else headers
    if not any(name == "host" for name, _ in pairs):
        pairs.append(("host", HOST))
    try:
        async with websocket(app, headers=[*pairs, ("cookie", "session=1")], extensions=[DENIAL]) as connection:
            assert await connection.receive_text() == "secret"
    except WebSocketRefused as refusal:
        refused = refusal.response
    else:
        return True
    assert refused.status == 403
    assert refused.json()["detail"] == "This origin may not connect."
    return False


async def _ask(origin: str, connection: Any) -> bool:
    return origin == EVIL and connection.scope["type"] == "websocket"


@pytest.mark.parametrize(
    ("policy", "listed", "same", "evil"),
    [
        (LISTED, True, True, False),
        (LISTED | {"websockets": True}, True, True, False),
        (LISTED | {"websockets": "listed"}, True, False, False),
        (LISTED | {"websockets": False}, True, True, True),
        ({}, False, True, False),
        (ANY, True, True, True),
        (ANY | {"websockets": True}, True, True, True),
        (ANY | {"websockets": "listed"}, True, True, True),
        (LISTED | {"allow_credentials": True}, True, True, False),
        ({"allow_origins": ["https://*.example.com"]}, True, True, False),
        ({"allow_origin_callable": _ask}, False, True, True),
        ({"policies": [CORSPolicy(paths=["/"], **LISTED)], "websockets": False}, True, True, False),
    ],
)
async def test_origins_are_let_in_as_the_policy_says(
    policy: dict[str, Any], listed: bool, same: bool, evil: bool
) -> None:
    app = CORS(secret, **policy)
    assert await is_let_in(app, {})  # programs that are no browsers
    assert await is_let_in(app, {"origin": A}) is listed
    assert await is_let_in(app, {"origin": SAME}) is same
    assert await is_let_in(app, {"origin": EVIL}) is evil


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://chat.example", "chat.example", True),
        ("https://chat.example", "CHAT.example:443", True),
        ("http://chat.example:8000", "chat.example:8000", True),
        ("http://chat.example", "chat.example:8000", False),
        ("https://chat.example:8000", "chat.example", False),
        ("https://chat.example.evil.net", "chat.example", False),
        ("https://evil.net", "chat.example", False),
        ("https://x@chat.example", "chat.example", False),
        ("capacitor://localhost", "localhost", False),
        ("null", "null", False),
    ],
)
async def test_the_same_host_and_port_are_let_in_whatever_the_scheme(origin: str, host: str, same: bool) -> None:
    """TLS may end at a proxy."""
    assert await is_let_in(CORS(secret), {"origin": origin, "host": host}) is same


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", SAME), ("origin", SAME)],
        [("origin", A), ("origin", EVIL)],
        [("origin", SAME), ("host", HOST), ("host", "evil.example")],
        [("origin", "null")],
        [("origin", "")],
        [("origin", f"{A}/")],
        [("origin", f"{A}, {A}")],
        [("origin", "https://" + "a" * 60_000)],
    ],
)
async def test_what_is_no_single_origin_of_a_single_host_is_refused(headers: list[tuple[str, str]]) -> None:
    assert not await is_let_in(CORS(secret, **LISTED), headers)


async def test_a_server_without_the_extension_closes() -> None:
    with pytest.raises(WebSocketRefused) as refused:
        async with websocket(CORS(secret, **LISTED), headers={"origin": EVIL, "host": HOST}):
            pytest.fail("the handshake was accepted")
    assert refused.value.code == 1008


async def test_an_outer_layer_leaves_handshakes_to_the_inner() -> None:
    inner = CORS(secret, allow_origins=[EVIL])
    assert await is_let_in(CORS(inner, allow_origins=[A]), {"origin": EVIL})
    assert not await is_let_in(CORS(inner, allow_origins=[A]), {"origin": A})
    assert await is_let_in(CORS(inner, allow_origins=[B]), {"origin": SAME})


async def test_exchange_and_log_tell_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="middlewares")
    exchange = Exchange()
    policy = CORS(secret, **LISTED)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await policy({**scope, EXCHANGE: exchange}, receive, send)

    assert not await is_let_in(app, {"origin": EVIL})
    [refusal] = exchange.refusals
    assert (refusal.code, refusal.reason) == ("cors.websocket", f"{EVIL} not allowed")
    assert caplog.messages == [f"cors.websocket: refused '/' with 403 ({EVIL} not allowed)"]
