"""Scopes are legal, minimal and fresh; the clock moves only when told to."""

from __future__ import annotations

import pytest

from middlewares.testing import ManualClock, header_pairs, http_scope, lifespan_scope, websocket_scope


def test_an_http_scope_holds_what_the_standard_asks_for_and_nothing_else() -> None:
    assert http_scope() == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


def test_a_websocket_scope_has_subprotocols_and_no_method() -> None:
    scope = websocket_scope("/chat", subprotocols=("a", "b"))
    assert scope["type"] == "websocket"
    assert scope["scheme"] == "ws"
    assert scope["subprotocols"] == ["a", "b"]
    assert "method" not in scope


def test_a_lifespan_scope_has_a_state_of_its_own() -> None:
    given = {"pool": object()}
    scope = lifespan_scope(state=given)
    assert scope == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": given}
    assert scope["state"] is not given
    assert lifespan_scope()["state"] == {}


@pytest.mark.parametrize("make", [http_scope, websocket_scope, lifespan_scope])
def test_two_scopes_share_nothing_that_can_be_changed(make) -> None:
    one, other = make(), make()
    shared = [key for key, value in one.items() if value is other[key] and isinstance(value, (dict, list))]
    assert shared == []


def test_extensions_and_state_are_copied() -> None:
    extensions: dict[str, dict[str, int]] = {"tls": {"tls_version": 772}}
    state = {"pool": object()}
    scope = http_scope(extensions=extensions, state=state)
    scope["extensions"]["tls"]["tls_version"] = 1
    scope["state"]["more"] = 1
    assert extensions == {"tls": {"tls_version": 772}}
    assert list(state) == ["pool"]
    assert http_scope(extensions=["http.response.trailers"])["extensions"] == {"http.response.trailers": {}}
    assert http_scope(extensions=())["extensions"] == {}


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        ({"path": "/caf\u00e9 au lait"}, "raw_path", b"/caf%C3%A9%20au%20lait"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "raw_path", b"/a%2Fb"),
        ({"query": "q=1&r=%20"}, "query_string", b"q=1&r=%20"),
        ({"query": b"q=1"}, "query_string", b"q=1"),
        ({"client": None}, "client", None),
        ({"spec_version": "2.1"}, "asgi", {"version": "3.0", "spec_version": "2.1"}),
    ],
)
def test_options_of_a_scope(options, key: str, expected: object) -> None:
    assert http_scope(**options)[key] == expected


def test_headers_become_lower_case_bytes_in_the_order_given() -> None:
    pairs: list[tuple[str | bytes, str | bytes]] = [
        ("Accept", "a"),
        (b"X-Name", b"\xff"),
        ("accept", "caf\u00e9"),
    ]
    assert header_pairs(pairs) == [(b"accept", b"a"), (b"x-name", b"\xff"), (b"accept", b"caf\xe9")]
    assert header_pairs({"Accept-Encoding": "gzip"}) == [(b"accept-encoding", b"gzip")]


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(5.0)
    assert (clock(), clock(), clock.ns()) == (5.0, 5.0, 5_000_000_000)
    clock.advance(0.25)
    clock.advance(0)
    assert (clock(), clock.ns()) == (5.25, 5_250_000_000)
    assert repr(clock) == "ManualClock(5.25)"


def test_many_small_steps_add_up_exactly() -> None:
    clock = ManualClock(0)
    for _ in range(1000):
        clock.advance(0.1)
    assert clock() == 100.0


@pytest.mark.parametrize("seconds", [-1, -1e-9, float("nan")])
def test_a_clock_does_not_go_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must not be negative"):
        ManualClock().advance(seconds)
