"""An application that raises: pages of allowed origins read a 500, and everything else is as without the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from middlewares import CORS, GZip, Middleware, ProblemDetails, RequestID, Stack
from middlewares.testing import Driver, http_scope, request, websocket_scope
from tests.cors.policies import ANY, EVIL, LISTED, MATCHED, ONE, A, assert_fields
from tests.stand_ins.base import StandIn
from tests.watched import Counts

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.core.exchange import Exchange

FAILURE = ZeroDivisionError("the application's own")


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise FAILURE


async def endpoint(request: Any) -> Any:
    raise FAILURE


def starlette(policy: dict[str, Any], **options: Any) -> ASGIApp:
    routes = [Route("/", endpoint, methods=["GET", "POST", "DELETE"])]
    return Starlette(routes=routes, middleware=[Middleware(CORS, **policy)], **options)


def fastapi(policy: dict[str, Any], **options: Any) -> ASGIApp:
    app = FastAPI(**options)
    app.add_api_route("/", fails, methods=["GET", "HEAD", "POST", "DELETE"])
    app.add_middleware(CORS, **policy)
    return app


async def fails() -> None:
    raise FAILURE


APPS: dict[str, Any] = {
    "starlette": starlette,
    "fastapi": fastapi,
    "plain": lambda policy: CORS(failing, **policy),
    "plain, in a stack": lambda policy: Stack(GZip, Middleware(CORS, **policy), GZip)(failing),
}


@pytest.mark.parametrize("make", APPS.values(), ids=APPS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (LISTED, {"origin": A, "vary": "Accept, Origin"}),
        (MATCHED, {"origin": A, "vary": "Accept, Origin"}),
        (ONE, {"origin": A, "vary": "Accept"}),
        (ANY, {"origin": "*", "vary": "Accept"}),
        ({"allow_origin_callable": lambda origin, _: origin == A}, {"origin": A, "vary": "Accept, Origin"}),
    ],
)
async def test_a_page_of_an_allowed_origin_reads_the_500(
    make: Any, method: str, policy: dict[str, Any], wanted: dict[str, str]
) -> None:
    """And the same exception goes on, for the log of the server."""
    response = await request(make(policy), method, headers={"origin": A, "host": "api"}, raise_exceptions=False)
    assert response.exception is FAILURE
    assert response.status == 500
    vary = response.header("vary") or ""
    assert_fields(response, **{**wanted, "vary": vary})
    assert {*wanted["vary"].split(", ")} == {*vary.split(", ")} - {"Accept-Encoding"}
    assert b"own" not in response.body
    assert (response.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("make", [starlette, fastapi])
@pytest.mark.parametrize("policy", [LISTED, ONE, MATCHED])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "api"},
        {"host": "api", "origin": EVIL},
        {"host": "api", "origin": "null"},
        {"host": "a.example.com", "origin": A},
        {"host": "A.example.com:443", "origin": A},
    ],
    ids=["no origin", "other origin", "null", "same origin", "same origin, spelt otherwise"],
)
async def test_all_others_get_the_500_of_the_framework(make: Any, policy: Any, headers: dict[str, str]) -> None:
    response = await request(make(policy), headers=headers, raise_exceptions=False)
    assert response.exception is FAILURE
    assert (response.status, response.text) == (500, "Internal Server Error")
    assert_fields(response)
    plain = await request(CORS(failing, **policy), headers=headers, raise_exceptions=False)
    assert plain.messages == []


@pytest.mark.parametrize("asked", [1, 2])
async def test_a_callable_that_raises_afterwards_hides_nothing(asked: int) -> None:
    """What the application raised goes on."""
    answers = [True] * asked

    def is_partner(origin: str, _: Any) -> bool:
        return answers.pop()

    for app in (failing, GZip(failing)):
        answers[:] = [True] * asked
        response = await request(
            CORS(app, allow_origin_callable=is_partner), headers={"origin": A}, raise_exceptions=False
        )
        assert response.exception is FAILURE
        assert response.messages == []


async def test_two_origins_are_none() -> None:
    headers = [("origin", A), ("origin", A)]
    response = await request(CORS(failing, **LISTED), headers=headers, raise_exceptions=False)
    assert response.messages == []


@pytest.mark.parametrize("make", [starlette, fastapi])
async def test_debug_mode_shows_its_own_page(make: Any) -> None:
    response = await request(make(LISTED, debug=True), headers={"origin": A}, raise_exceptions=False)
    assert "ZeroDivisionError" in response.text
    assert response.exception is FAILURE


async def test_the_handler_of_the_application_is_called_by_the_framework_alone() -> None:
    """Once, as always, for what else it does; its answer comes too late for pages of other origins."""
    handled: list[BaseException] = []

    async def handler(request: Any, error: Exception) -> Any:
        handled.append(error)
        return PlainTextResponse("handled", status_code=500)

    app = starlette(LISTED, exception_handlers={500: handler})
    same = await request(app, raise_exceptions=False)
    other = await request(app, headers={"origin": A}, raise_exceptions=False)
    assert (same.text, other.header("access-control-allow-origin")) == ("handled", A)
    assert handled == [FAILURE, FAILURE]


@pytest.mark.parametrize("policy", [LISTED, ONE])
async def test_a_response_that_has_begun_is_left_alone(policy: dict[str, Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise FAILURE

    for wrapped in (CORS(app, **policy), CORS(RequestID(app), **policy), RequestID(CORS(app, **policy))):
        response = await request(wrapped, headers={"origin": A}, raise_exceptions=False)
        assert response.exception is FAILURE
        assert [message.get("status") for message in response.messages] == [200]


@pytest.mark.parametrize("inner", [failing, GZip(failing)])
async def test_websockets_and_lifespans_are_left_alone(inner: ASGIApp) -> None:
    sent: list[Any] = []

    async def nothing(*_: Any) -> Any:
        sent.append(_)

    for scope in (websocket_scope(headers={"origin": A}), {"type": "lifespan"}):
        with pytest.raises(ZeroDivisionError) as caught:
            await CORS(inner, **LISTED)(scope, nothing, nothing)
        assert caught.value is FAILURE
    assert sent == []


@pytest.mark.parametrize("wrap", [lambda app: app, RequestID])
async def test_a_cancelled_call_is_not_answered(wrap: Any) -> None:
    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with Driver(CORS(wrap(hanging), **LISTED), http_scope(headers={"origin": A})) as call:
        await call.settle()
        await call.cancel()
    assert call.cancelled
    assert call.sent == []


async def test_a_client_that_has_gone_changes_nothing() -> None:
    """What the application raised goes on, not what sending raises."""

    async def gone(message: Any) -> None:
        raise OSError("gone")

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    for app in (failing, GZip(failing)):
        with pytest.raises(ZeroDivisionError) as caught:
            await CORS(app, **LISTED)(http_scope(headers={"origin": A}), receive, gone)
        assert caught.value is FAILURE


async def test_the_500_carries_what_layers_left_for_any_response() -> None:
    """Those further in put it into the exchange; those further out add it to what passes them."""
    policy = Middleware(CORS, **LISTED, expose_headers="auto")
    identified = Middleware(RequestID, generator=lambda: "id-1")
    counts = Counts()
    for stack in (
        Stack(policy, identified),
        Stack(identified, policy),
        Stack(counts.layer(), identified, policy, GZip),
        Stack(counts.layer(), policy, identified),
    ):
        response = await request(stack(failing), headers={"origin": A}, raise_exceptions=False)
        assert response.exception is FAILURE
        assert response.values("x-request-id") == ["id-1"]
        assert "X-Request-ID" in (response.header("access-control-expose-headers") or "")
    assert counts.requests == {("500", "ZeroDivisionError"): 2}
    assert counts.refusals == {"unhandled": 2}


async def test_a_layer_of_ours_that_makes_error_pages_makes_them_in_any_order() -> None:
    policy = Middleware(CORS, **LISTED)
    for stack in (
        Stack(ProblemDetails, policy),
        Stack(policy, ProblemDetails),
        Stack(ProblemDetails, GZip, policy, RequestID),
    ):
        response = await request(stack(failing), headers={"origin": A}, raise_exceptions=False)
        assert response.exception is None
        assert (response.status, response.header("access-control-allow-origin")) == (500, A)
        assert response.json()["title"] == "Internal Server Error"


async def test_a_layer_that_has_left_makes_no_error_page() -> None:
    """What fails outside of it is answered by CORS."""

    class FailingAfterwards(StandIn):
        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            raise FAILURE

    async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
        return

    app = Stack(Middleware(CORS, **LISTED), FailingAfterwards, ProblemDetails)(says_nothing)
    response = await request(app, headers={"origin": A}, raise_exceptions=False)
    assert (response.status, response.exception) == (500, FAILURE)


async def test_nothing_is_kept_of_a_request_that_failed() -> None:
    seen: list[Exchange] = []

    class Keeping(StandIn):
        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["middlewares.exchange"])
            await self.app(scope, receive, send)

    app = Stack(Middleware(CORS, **LISTED), RequestID, Keeping)(failing)
    scope = http_scope(headers={"origin": A})
    response = await request(app, headers={"origin": A}, raise_exceptions=False)
    assert response.status == 500
    assert (seen[0].layers, seen[0].facts) == (None, None)
    assert "middlewares.exchange" not in scope


async def test_what_comes_through_a_task_group_is_answered_too() -> None:
    """The exception that BaseHTTPMiddleware takes out of a group is the one that the group holds."""

    class Plain(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    layers = [Middleware(CORS, **LISTED), Middleware(Plain)]
    app = Starlette(routes=[Route("/", endpoint)], middleware=layers)
    response = await request(app, headers={"origin": A}, raise_exceptions=False)
    assert (response.status, response.header("access-control-allow-origin")) == (500, A)
