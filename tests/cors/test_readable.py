"""Pages can read what is answered outside a CORS layer, and nothing else gets through by looking like a preflight."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from middlewares import CORS, CORSPolicy, Decompress, Middleware, RateLimit, Stack, When
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.core.exposed import EXPOSED
from middlewares.testing import http_scope, request
from tests.cors.policies import ANY, EVIL, FULL, LISTED, ONE, A, B, answering, assert_fields, preflight
from tests.stand_ins import CSRF, Auth, BodyLimit, HTTPSRedirect, TrustedHosts
from tests.stand_ins.base import StandIn

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.record import Entry

OVER_QUOTA = Middleware(RateLimit, limit="1/minute", cost=2)
POLICY = Middleware(CORS, **LISTED, allow_methods=["PUT"])

ANSWERERS: dict[str, tuple[Entry, int, dict[str, Any]]] = {
    "rate limit": (OVER_QUOTA, 429, {}),
    "body limit": (Middleware(BodyLimit, limit=1), 413, {"method": "POST", "body": b"much"}),
    "auth": (Middleware(Auth), 401, {}),
    "csrf": (Middleware(CSRF), 403, {"method": "POST"}),
    "https redirect": (Middleware(HTTPSRedirect), 307, {"scheme": "http"}),
    "trusted hosts": (Middleware(TrustedHosts, hosts=()), 400, {}),
    "decompress, coding": (Middleware(Decompress), 415, {"method": "POST", "encoding": "zz"}),
    "decompress, data": (Middleware(Decompress), 400, {"method": "POST", "encoding": "gzip", "body": b"no gzip"}),
}


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await answering()(scope, receive, send)


async def call(app: ASGIApp, origin: str | None, *, encoding: str | None = None, **how: Any) -> Any:
    headers = {name: value for name, value in (("origin", origin), ("content-encoding", encoding)) if value}
    return await request(app, headers=headers, **how)


@pytest.mark.parametrize("name", ANSWERERS)
@pytest.mark.parametrize("around", ["stack", "starlette", "fastapi"])
async def test_an_answer_made_outside_has_the_headers_of_the_policy_inside(name: str, around: str) -> None:
    """CORS 11, for each kind of answer: an allowed origin reads it, another does not, and caches are told."""
    answerer, status, how = ANSWERERS[name]
    app: Any
    if around == "stack":
        app = Stack(answerer, Middleware(CORS, **LISTED, **FULL))(reading)
    else:
        app = Starlette() if around == "starlette" else FastAPI()
        app.mount("/", reading)
        app.add_middleware(CORS, **LISTED, **FULL)
        app.add_middleware(answerer.cls, **answerer.kwargs)  # type: ignore[union-attr]  # a record
    for origin in (A, B):
        response = await call(app, origin, **how)
        assert response.status == status
        members = response.header("vary").split(", ")
        assert sorted(members) == ["Accept", "Origin"]
        wanted = {"origin": origin, "credentials": "true", "expose": "X-Total, ETag"}
        assert_fields(response, **wanted, vary=response.header("vary"))
    for stranger in (EVIL, None):
        response = await call(app, stranger, **how)
        assert response.status == status
        assert_fields(response, vary=response.header("vary"))
        assert "Origin" in response.header("vary")


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (ONE, {"origin": A, "vary": "Accept"}),
        (ANY, {"origin": "*", "vary": "Accept"}),
        (LISTED, {"origin": A, "vary": "Accept, Origin"}),
        ({"allow_origins": ["https://*.example.com"]}, {"origin": A, "vary": "Accept, Origin"}),
        ({"allow_origin_callable": lambda origin, _: origin == A}, {"origin": A, "vary": "Accept, Origin"}),
        ({}, {"vary": "Accept"}),
        ({"policies": [{"paths": ["/"], **ONE}]}, {"origin": A, "vary": "Accept"}),
        ({"policies": [CORSPolicy(paths=["/api/*"], **ONE)]}, {"vary": "Accept"}),
    ],
)
async def test_any_policy_is_applied_outside(policy: dict[str, Any], wanted: dict[str, str]) -> None:
    app = Stack(OVER_QUOTA, Middleware(CORS, **policy))(answering())
    assert_fields(await call(app, A), **wanted)


async def test_nothing_is_doubled_where_policies_stand_inside_and_outside() -> None:
    limit = OVER_QUOTA
    for stack in (Stack(POLICY, limit, POLICY), Stack(POLICY, POLICY, limit), Stack(limit, POLICY, POLICY)):
        assert_fields(await call(stack(answering()), A), origin=A, vary="Accept, Origin")


async def test_the_innermost_policy_is_the_one_that_counts_outside() -> None:
    """Also where it holds for some requests only."""
    inner = When(Middleware(CORS, allow_origins=[EVIL]), paths=["/open"])
    app = Stack(OVER_QUOTA, POLICY, inner)(answering())
    assert_fields(await call(app, A), origin=A, vary="Accept, Origin")
    assert_fields(await call(app, A, path="/open"), origin=EVIL, vary="Accept")
    assert_fields(await call(app, EVIL, path="/open"), origin=EVIL, vary="Accept")
    headers = {"origin": EVIL, "access-control-request-method": "GET"}
    assert (await request(app, "OPTIONS", headers=headers)).status == 403
    assert (await request(app, "OPTIONS", path="/open", headers=headers)).status == 204


# -- preflights


REFUSERS = {name: ANSWERERS[name][0] for name in ("rate limit", "auth", "https redirect")}


@pytest.mark.parametrize("answerer", REFUSERS.values(), ids=REFUSERS)
async def test_a_preflight_is_answered_by_the_policy(answerer: Entry) -> None:
    """CORS 10: not refused, redirected or authenticated, with permission or without; and not by the application."""
    app = Stack(answerer, POLICY)(unreachable)
    alone = POLICY(unreachable)
    for origin, method, status in ((A, "PUT", 204), (A, "DELETE", 403), (EVIL, "PUT", 403)):
        answers = [await preflight(each, origin, method) for each in (app, alone)]
        assert answers[0].status == answers[1].status == status
        assert answers[0].headers == answers[1].headers


async def test_preflights_are_not_counted() -> None:
    limit = Middleware(RateLimit, limit="1/minute")
    app = Stack(limit, POLICY)(answering())
    assert [(await preflight(app)).status for _ in range(3)] == [204] * 3
    assert [(await call(app, A)).status for _ in range(2)] == [200, 429]


async def test_a_preflight_for_another_host_is_refused() -> None:
    """Whatever the policy says of its origin."""
    app = Stack(Middleware(TrustedHosts), POLICY)(unreachable)
    response = await preflight(app)
    assert response.status == 400
    assert response.header("access-control-allow-methods") is None


PRETENDED = {"origin": A, "access-control-request-method": "PUT"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        *((method, PRETENDED) for method in ("GET", "POST", "PUT", "DELETE", "options", "OPTIONSX")),
        ("OPTIONS", {"origin": A}),
        ("OPTIONS", {"access-control-request-method": "PUT"}),
        ("OPTIONS", {}),
    ],
)
@pytest.mark.parametrize("answerer", REFUSERS.values(), ids=REFUSERS)
async def test_two_headers_open_no_door(answerer: Entry, method: str, headers: dict[str, str]) -> None:
    app = Stack(answerer, POLICY)(unreachable)
    assert (await request(app, method, headers=headers)).status in (429, 401, 307)


class Override(StandIn):
    """Takes the method from a header, as some layers do."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = dict(scope["headers"]).get(b"x-http-method-override", scope["method"].encode()).decode()
        await self.app({**scope, "method": method}, receive, send)


class Moved(StandIn):
    """Changes the path on the way."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "path": "/elsewhere"}, receive, send)


SOMETIMES = When(POLICY, paths=["/"])
FICKLE = [True, False]


@pytest.mark.parametrize(
    "layers",
    [
        (Override, POLICY),
        (Moved, SOMETIMES),
        (When(POLICY, predicate=lambda _: FICKLE.pop() if FICKLE else False),),
    ],
    ids=["another method", "another path", "another mind"],
)
@pytest.mark.parametrize("answerer", REFUSERS.values(), ids=REFUSERS)
async def test_what_becomes_another_request_on_the_way_does_not_get_through(
    answerer: Entry, layers: tuple[Entry, ...]
) -> None:
    """It is answered outside, as the preflight that it claims to be, or refused: never handed on."""
    FICKLE[:] = [False, True]
    app = Stack(answerer, *layers)(unreachable)
    response = await request(app, "OPTIONS", headers={**PRETENDED, "x-http-method-override": "DELETE"})
    assert response.status in (204, 401, 429, 307)


@pytest.mark.parametrize("answerer", REFUSERS.values(), ids=REFUSERS)
async def test_where_no_policy_holds_a_preflight_is_a_request_like_any(answerer: Entry) -> None:
    """By path, by predicate, behind a router or in a closure."""
    inner = POLICY(unreachable)
    for app in (
        Stack(answerer)(unreachable),
        Stack(answerer, When(POLICY, paths=["/other"]))(unreachable),
        Stack(answerer, When(POLICY, predicate=lambda _: False))(unreachable),
        Stack(answerer)(lambda scope, receive, send: inner(scope, receive, send)),
    ):
        assert (await preflight(app)).status in (429, 401, 307)
    matching = Stack(answerer, When(POLICY, predicate=lambda connection: connection.url.path == "/"))(unreachable)
    assert (await preflight(matching)).status == 204


async def unreachable(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application was reached")


async def test_a_layer_can_be_asked_from_outside() -> None:
    inner = InnerPolicy(POLICY(answering()))
    scope = http_scope("OPTIONS", headers=PRETENDED)
    assert await inner.answers(scope)
    assert not await inner.answers(http_scope("GET", headers=PRETENDED))
    layer = CORS(answering(), **LISTED)
    assert layer.cross_origin() is layer
    assert await layer.answers(scope)
    assert not await layer.answers(http_scope("OPTIONS"))


async def test_who_hands_a_preflight_over_gets_an_answer_for_it() -> None:
    """Also where the layer that decides is asked again whether it applies, and says otherwise."""
    verdicts: list[bool] = []
    inner = When(Middleware(CORS, allow_origins=[EVIL]), predicate=lambda _: verdicts.pop())
    app = Stack(OVER_QUOTA, Middleware(CORS, policies=[CORSPolicy(paths=["/"], **ONE)]), inner)(unreachable)
    for origin, status in ((A, 204), (EVIL, 403)):
        verdicts[:] = [False, True]
        assert (await preflight(app, origin, "GET")).status == status
        assert verdicts == []


# -- exposed names


AUTO = ", ".join(EXPOSED)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("auto", AUTO),
        (["auto"], AUTO),
        (["X-Total", "auto"], f"X-Total, {AUTO}"),
        (["etag", "auto"], AUTO),
        (["X-Total"], "X-Total"),
        ([], None),
    ],
)
@pytest.mark.parametrize("credentials", [True, False])
async def test_headers_of_other_layers_are_exposed(given: Any, wanted: str | None, credentials: bool) -> None:
    """CORS 6: by name, so that it holds with credentials too."""
    app = CORS(answering(), **LISTED, expose_headers=given, allow_credentials=credentials)
    expected = {"expose": wanted} if wanted else {}
    expected |= {"credentials": "true"} if credentials else {}
    assert_fields(await call(app, A), origin=A, vary="Origin", **expected)
    assert_fields(await call(app, EVIL), vary="Origin")


async def test_a_header_is_exposed_wherever_its_layer_stands() -> None:
    class Naming(StandIn):
        """Publishes the name of a header of its own."""

        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            if EXCHANGE in scope:
                scope[EXCHANGE].expose.append(b"X-Own")
            await self.app(scope, receive, send)

    class Sharing(StandIn):
        """Makes an exchange."""

        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            exchange = Exchange()
            exchange.layers = [self]
            await self.app({**scope, EXCHANGE: exchange}, receive, send)

    policy = Middleware(CORS, **LISTED, expose_headers="auto")
    limit = OVER_QUOTA
    for stack in (Stack(policy, Naming), Stack(Sharing, Naming, policy), Stack(Sharing, Naming, limit, policy)):
        response = await call(stack(answering()), A)
        assert response.values("access-control-expose-headers") == [f"{AUTO}, X-Own"]
    response = await call(Stack(Sharing, Naming, Middleware(CORS, **LISTED))(answering()), A)
    assert response.values("access-control-expose-headers") == [], "nobody asked for it"
    own = [(b"access-control-expose-headers", b"X-App")]
    response = await call(Stack(policy, Naming)(answering(own)), A)
    assert response.values("access-control-expose-headers") == [f"X-App, {AUTO}, X-Own"]


async def test_what_a_layer_outside_answers_exposes_its_headers() -> None:
    app = Stack(OVER_QUOTA, Middleware(CORS, **LISTED, expose_headers="auto"))(answering())
    response = await call(app, A)
    assert response.header("ratelimit-policy") is not None
    assert "RateLimit-Policy" in response.header("access-control-expose-headers")
    read = partial(call, app)
    assert_fields(await read(EVIL), vary="Accept, Origin")
