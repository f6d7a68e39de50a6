"""Attacks on CORS policies, each as one concrete request, with what must come of it.

The numbers are those of a list of attacks on cross-origin policies that this project keeps.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS
from middlewares.errors import OptionError
from middlewares.testing import WebSocketRefused, websocket
from tests.cors.browser import Answer, ask

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

APP = "https://app.example.com"
TRUSTED: dict[str, Any] = {"allow_credentials": True}
ANYBODY: dict[str, Any] = {"dangerously_allow_any_origin_with_credentials": True}
ATTACKS: list[tuple[str, dict[str, Any], str]] = [
    ("1: unanchored regex", {"allow_origin_regex": r"https://\w+\.example\.com"}, f"{APP}.evil.net"),
    ("1: unanchored in front", {"allow_origin_regex": r".*\.example\.com"}, "https://evil.net/.example.com"),
    ("3: suffix", {"allow_origins": ["https://*.foo.com"]}, "https://evilfoo.com"),
    ("3: rules run together", {"allow_origins": ["https://foo.com", "https://bar.com"]}, "https://barfoo.com"),
    ("3: apex", {"allow_origins": ["https://*.foo.com"]}, "https://foo.com"),
    ("4: path", {"allow_origins": ["https://*.example.com"]}, "https://evil.net/.example.com"),
    ("4: fragment", {"allow_origins": ["https://*.example.com"]}, "https://evil.net#.example.com"),
    ("4: query", {"allow_origin_regex": r".*\.example\.com"}, "https://evil.net?.example.com"),
    ("4: userinfo", {"allow_origins": ["https://a.example"]}, "https://user@a.example"),
    ("4: userinfo and regex", {"allow_origin_regex": "https://.*a[.]example"}, "https://user@a.example"),
    ("4: backslash", {"allow_origins": ["https://*.example.com"]}, "https://evil.net\\.example.com"),
    ("5: null", {"allow_origins": [APP]}, "null"),
    ("5: null and regex", {"allow_origin_regex": ".*", **ANYBODY}, "null"),
    ("8: downgrade", {"allow_origins": [APP]}, "http://app.example.com"),
    ("8: downgrade and regex", {"allow_origin_regex": r"https?://app\.example\.com"}, "http://app.example.com"),
    ("11: two origins in one line", {"allow_origins": [APP]}, f"{APP}, https://evil.net"),
]


async def secret(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


def assert_withheld(answer: Answer, origin: str) -> None:
    allowed = answer.get("access-control-allow-origin")
    # One static origin is sent to all, for that opens nothing: a browser compares it.
    assert allowed not in (origin, "*")
    assert allowed is None or "," not in allowed


@pytest.mark.parametrize(("policy", "origin"), [attack[1:] for attack in ATTACKS], ids=[name for name, *_ in ATTACKS])
def test_a_foreign_origin_is_refused(policy: dict[str, Any], origin: str) -> None:
    app = CORS(secret, **policy, **TRUSTED)
    headers = [("origin", origin), ("cookie", "session=1")]
    for method in ("GET", "POST", "PUT"):
        assert_withheld(ask(app, method, headers), origin)
    for method in ("GET", "PUT"):
        answer = ask(app, "OPTIONS", [*headers, ("access-control-request-method", method)])
        assert answer.status == 403
        assert_withheld(answer, origin)


@pytest.mark.parametrize(
    "options",
    [
        {"allow_origin_regex": "https://app.example.com"},
        {"allow_origins": ["null"], **TRUSTED},
        {"dangerously_allow_null_origin": True, **TRUSTED},
        {"allow_origins": ["*"], **TRUSTED},
        {"allow_origins": "https://example.com"},
        {"allow_origins": ["http://app.example.com"], **TRUSTED},
        {"allow_origins": ["https://*.github.io"], **TRUSTED},
    ],
    ids=[
        "2: unescaped dot",
        "5: null",
        "5: null by its switch",
        "6: reflection",
        "7: string for list",
        "8: downgrade",
        "9: public suffix",
    ],
)
def test_an_unsafe_policy_does_not_build(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        CORS(secret, **options)


@pytest.mark.parametrize("order", [(APP, "https://evil.net"), ("https://evil.net", APP)])
def test_two_origins_are_refused(order: tuple[str, str]) -> None:
    """Attack 11."""
    app = CORS(secret, allow_origins=[APP, "https://b.example"], **TRUSTED)
    headers = [("origin", origin) for origin in order]
    assert ask(app, "GET", headers).get("access-control-allow-origin") is None
    assert ask(app, "OPTIONS", [*headers, ("access-control-request-method", "GET")]).status == 403


@pytest.mark.parametrize("methods", [["GET"], ["GET", "DELETE"], ["*"]])
def test_a_smuggled_list_of_methods_is_refused(methods: list[str]) -> None:
    """Attack 12."""
    app = CORS(secret, allow_origins=[APP], allow_methods=methods)
    answer = ask(app, "OPTIONS", [("origin", APP), ("access-control-request-method", "GET, DELETE")])
    assert answer.status == 403
    assert answer.get("access-control-allow-methods") is None


@pytest.mark.parametrize("asked", ["," * 60_000, "x-a," * 15_000, "a" * 60_000, "x" * 15 + "," * 113], ids=len)
def test_a_flood_of_preflights_costs_little(asked: str) -> None:
    """Attack 13: far less than a plain split would; the benchmark holds the time itself."""
    app = CORS(secret, allow_origins=[APP], allow_methods=["*"], allow_headers=["*"])
    headers = [("origin", APP), ("access-control-request-method", "GET"), ("access-control-request-headers", asked)]

    def seconds() -> float:
        begun = perf_counter()
        ask(app, "OPTIONS", headers)
        return perf_counter() - begun

    assert min(seconds() for _ in range(50)) < 0.0005


@pytest.mark.parametrize("extensions", [None, ["websocket.http.response"]])
async def test_a_hijacked_handshake_is_refused(extensions: list[str] | None) -> None:
    """Attack 37."""
    app = CORS(secret, allow_origins=[APP])
    headers = {"host": "app.example", "origin": "https://evil.net", "cookie": "session=1"}
    with pytest.raises(WebSocketRefused) as refused:
        async with websocket(app, headers=headers, extensions=extensions):
            pytest.fail("the handshake was accepted")
    assert refused.value.response.status == 403
    assert b"secret" not in refused.value.response.body
