"""Sessions beside other layers: two of them in one stack, and what the others are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Sessions
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import request
from tests.sessions.sites import KEY, Site, nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session
    from middlewares.asgi import Receive, Scope, Send


def put(**values: Any) -> Callable[[Session], None]:
    """Return what sets these values."""
    return lambda session: session.update(values)


async def test_it_is_told_that_a_response_is_for_one_visitor() -> None:
    site = Site()
    exchange = Exchange()

    async def visit(act: Callable[[Session], Any]) -> None:
        site._acts["x"] = act
        scope_extra = {EXCHANGE: exchange}

        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            await site.layer({**scope, **scope_extra}, receive, send)

        await request(outer, headers={"x-act": "x"})

    await visit(nothing)
    assert exchange.sessions == []
    await visit(lambda session: session.get("a") and None)
    assert exchange.sessions == ["__Host-session"]


async def test_two_layers_with_cookies_of_their_own_do_not_meet() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["session"]))
        seen.append(dict(scope["admin"]))
        scope["session"]["a"] = 1
        scope["admin"]["b"] = 2
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    inner = Sessions(app, secret_key=KEY, session_cookie="__Host-admin", scope_key="admin")
    layers = Sessions(inner, secret_key=KEY)
    response = await request(layers)
    cookies = "; ".join(line.split(";")[0] for line in response.values("set-cookie"))
    await request(layers, headers={"cookie": cookies})
    assert seen == [{}, {}, {"a": 1}, {"b": 2}]
    assert response.header("vary") == "Cookie"


async def test_a_layer_inside_one_like_it_leaves_the_session_to_that() -> None:
    site = Site()
    twice = Sessions(site.layer, secret_key=KEY, clock=site.clock)
    site._acts["x"] = put(a=1)
    response = await request(twice, headers={"x-act": "x"})
    assert len(response.values("set-cookie")) == 1


async def test_two_layers_that_would_overwrite_each_other_are_refused() -> None:
    site = Site()
    twice = Sessions(site.layer, secret_key=KEY[::-1])
    with pytest.raises(RuntimeError, match="session_cookie"):
        await request(twice)


async def test_the_scope_is_not_changed_but_for_the_session_it_gets_back() -> None:
    site = Site()
    site._acts["x"] = nothing
    given: list[Any] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        before = dict(scope)
        await site.layer(scope, receive, send)
        given.extend((before, dict(scope)))

    await request(outer, headers={"x-act": "x"})
    before, after = given
    assert set(after) - set(before) == {"session"}
