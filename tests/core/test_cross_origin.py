"""A layer outside a CORS policy finds it, wherever it can be told to stand, and asks it."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from middlewares import GZip, Middleware, Stack, When
from middlewares.asgi import ASGIApp
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.layer import Layer
from middlewares.core.refusals import Refusal, refuse
from middlewares.testing import http_scope, request

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send
    from middlewares.core.headers import HeaderList

PREFLIGHT = {"origin": "https://page.example", "access-control-request-method": "PUT"}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Policy(Layer):
    """A layer with a policy that answers every preflight."""

    app: ASGIApp = field(kw_only=False)
    name: str = "policy"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def cross_origin(self) -> Policy:
        return self

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        return [*headers, (b"access-control-allow-origin", self.name.encode())]

    async def answers(self, scope: Scope) -> bool:
        return True

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Do nothing."""


def registered(app: Any, *layers: Any) -> Any:
    for layer in layers:
        app.add_middleware(layer)
    return app


FOUND: dict[str, ASGIApp] = {
    "itself": Policy(plain),
    "behind one of ours": GZip(Policy(plain)),
    "behind a foreign layer": GZipMiddleware(Policy(plain)),
    "in a stack": Stack(GZip, Policy)(plain),
    "in a partial": partial(Policy(plain)),
    "registered with Starlette": registered(Starlette(), Policy),
    "registered behind others": registered(FastAPI(), Policy, GZipMiddleware, GZip),
    "where it applies": Stack(When(Middleware(Policy), paths=["/api/*"]))(plain),
    "registered where it applies": Starlette(middleware=[When(Middleware(Policy), paths=["/api/*"])]),
}
MISSED: dict[str, ASGIApp] = {
    "none": plain,
    "behind one of ours": GZip(plain),
    "in a closure": lambda scope, receive, send: Policy(plain)(scope, receive, send),
    "where it does not apply": Stack(When(Middleware(Policy), paths=["/other"]))(plain),
    "nothing registered": FastAPI(),
}


@pytest.mark.parametrize("app", FOUND.values(), ids=FOUND)
async def test_a_policy_further_in_is_found_and_asked(app: ASGIApp) -> None:
    inner = InnerPolicy(app)
    scope = http_scope(path="/api/x")
    for _ in range(2):
        assert await inner.readable(scope, [(b"a", b"b")]) == [
            (b"a", b"b"),
            (b"access-control-allow-origin", b"policy"),
        ]
    assert await inner.answers(http_scope("OPTIONS", path="/api/x", headers=PREFLIGHT))


@pytest.mark.parametrize("app", MISSED.values(), ids=MISSED)
async def test_without_a_policy_nothing_changes(app: ASGIApp) -> None:
    inner = InnerPolicy(app)
    assert await inner.readable(http_scope(path="/api/x"), [(b"a", b"b")]) == [(b"a", b"b")]
    assert not await inner.answers(http_scope("OPTIONS", path="/api/x", headers=PREFLIGHT))


async def test_whether_a_policy_applies_is_asked_anew() -> None:
    inner = InnerPolicy(Stack(When(Middleware(Policy), paths=["/api/*"]))(plain))
    for path, count in (("/other", 0), ("/api/x", 1), ("/other", 0)):
        assert len(await inner.readable(http_scope(path=path), [])) == count


@pytest.mark.parametrize(
    ("app", "is_impossible"),
    [
        (plain, True),
        (GZip(plain), True),
        (GZipMiddleware(Policy(plain)), True),
        (Policy(plain), False),
        (GZip(Policy(plain)), False),
        (Stack(When(Middleware(GZip), paths=["/"]))(plain), False),
    ],
)
async def test_a_search_may_end_at_the_first_that_is_not_ours(app: ASGIApp, is_impossible: bool) -> None:
    inner = InnerPolicy(app, only_layers=True)
    assert inner.is_impossible == is_impossible
    assert not (is_impossible and await inner.find(http_scope()))
    assert not InnerPolicy(app).is_impossible


async def test_a_layer_that_wraps_itself_ends_the_search() -> None:
    async def loop(scope: Scope, receive: Receive, send: Send) -> None:
        """Do nothing."""

    loop.app = loop  # type: ignore[attr-defined]  # what a careless decorator may do
    assert await InnerPolicy(loop).readable(http_scope(), []) == []


async def test_what_is_registered_after_the_first_look_counts() -> None:
    app = Starlette()
    inner = InnerPolicy(app)
    assert await inner.readable(http_scope(), []) == []
    app.add_middleware(Policy)
    assert await inner.readable(http_scope(), []) == [(b"access-control-allow-origin", b"policy")]


async def test_what_is_registered_is_built_once_to_be_looked_at() -> None:
    """A flood of refusals must not cost building layers each, where the framework has built none yet."""
    built: list[str] = []

    class Counted(Policy):
        __slots__ = ()

        def __init__(self, app: ASGIApp, name: str = "policy") -> None:
            Policy.__init__(self, app, name=name)
            built.append(name)

    app = registered(Starlette(), Counted)
    inner = InnerPolicy(app)
    for _ in range(3):
        assert await inner.readable(http_scope(), []) == [(b"access-control-allow-origin", b"policy")]
    assert built == ["policy"]
    app.add_middleware(Counted, name="outer")
    for _ in range(3):
        assert await inner.readable(http_scope(), []) == [(b"access-control-allow-origin", b"outer")]
    assert built == ["policy", "policy", "outer"]


async def test_the_stack_that_a_framework_built_is_the_one_that_is_asked() -> None:
    app = Starlette()
    inner = InnerPolicy(app)
    app.add_middleware(partial(Policy, name="built"))  # no class, so only the built one tells
    assert await inner.readable(http_scope(), []) == []
    await request(app)
    assert await inner.readable(http_scope(), []) == [(b"access-control-allow-origin", b"built")]


async def test_looking_calls_no_foreign_code() -> None:
    """Before a framework builds its stack, its other layers are not built either: they may have side effects."""

    class Loud:
        def __init__(self, app: ASGIApp) -> None:
            raise AssertionError("built")

    assert await InnerPolicy(registered(Starlette(), Policy, Loud)).readable(http_scope(), []) != []


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", PREFLIGHT),
        ("OPTIONS", {"origin": "https://page.example"}),
        ("OPTIONS", {"access-control-request-method": "PUT"}),
        ("OPTIONS", {}),
    ],
)
async def test_only_a_preflight_may_pass(method: str, headers: dict[str, str]) -> None:
    """Two headers open no door to another method, and other OPTIONS requests are requests like any."""
    assert not await InnerPolicy(Policy(plain)).answers(http_scope(method, headers=headers))


async def test_a_policy_is_not_kept_alive() -> None:
    app = Policy(plain)
    inner = InnerPolicy(app)
    await inner.readable(http_scope(), [])
    alive = weakref.ref(app)
    del app, inner
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(("also_preflights", "status"), [(False, 204), (True, 400)])
async def test_a_preflight_is_answered_instead_of_refused(also_preflights: bool, status: int) -> None:
    """Unless the refusal is for all."""
    inner = InnerPolicy(Policy(plain))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = Refusal(status=400, code="trusted_hosts.host")
        await refuse(scope, receive, send, refusal, inner=inner, also_preflights=also_preflights)

    assert (await request(app, "OPTIONS", headers=PREFLIGHT)).status == status
    assert (await request(app, "GET", headers=PREFLIGHT)).status == 400


async def test_a_refusal_is_made_readable() -> None:
    """A layer outside the policy answers, and the page may read it."""
    inner = InnerPolicy(Policy(plain))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send, Refusal(status=429, code="rate_limit.quota"), inner=inner)

    response = await request(app)
    assert response.status == 429
    assert response.header("access-control-allow-origin") == "policy"
