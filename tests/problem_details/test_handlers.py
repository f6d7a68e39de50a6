"""Exceptions of the application mean what it says they mean; who says nonsense gets the 500 that says nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from starlette.exceptions import HTTPException

from middlewares import ProblemDetails
from middlewares.core.exchange import EXCHANGE, Exchange
from middlewares.testing import WebSocketRefused, http_scope, request, websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp, Receive, Scope, Send


class OutOfStock(LookupError):
    """What a shop raises."""

    def __init__(self, left: int = 0) -> None:
        self.left = left


class Sold(OutOfStock):
    """A kind of it."""


def raising(error: Exception) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def of_stock(connection: Any, error: OutOfStock) -> dict[str, Any]:
    """Tell how many are left, and of what."""
    return {
        "status": 409,
        "type": "https://shop.example/problems/out-of-stock",
        "title": "Out of stock",
        "detail": f"Only {error.left} of {connection.url.path} are left.",
        "instance": "/orders/7",
        "left": error.left,
    }


async def later(connection: Any, error: Exception) -> int:
    return 410


@pytest.mark.parametrize(
    ("handlers", "error", "status"),
    [
        ({KeyError: 404}, KeyError(), 404),
        ({LookupError: 404}, KeyError(), 404),
        ({LookupError: 404, KeyError: 410}, KeyError(), 410),
        ({LookupError: 404, OutOfStock: later}, Sold(), 410),
        ({"builtins:KeyError": 404}, KeyError(), 404),
        ({"tests.problem_details.test_handlers:OutOfStock": 404}, Sold(), 404),
        ({Exception: 503}, KeyError(), 503),
        ({KeyError: 404}, LookupError(), 500),
        ({KeyError: 404}, ExceptionGroup("", [ExceptionGroup("", [KeyError()])]), 404),
        ({KeyError: 404}, ExceptionGroup("", [KeyError(), KeyError()]), 500),
        ({ExceptionGroup: 404}, ExceptionGroup("", [KeyError(), KeyError()]), 404),
        ({OutOfStock: lambda *_: None}, OutOfStock(), 500),
        ({}, HTTPException(404), 404),
        ({HTTPException: 418}, HTTPException(404), 418),
        ({}, HTTPException(304), 500),
        ({}, HTTPException(999), 500),
    ],
)
async def test_the_nearest_class_counts(handlers: Any, error: Exception, status: int) -> None:
    response = await request(ProblemDetails(raising(error), handlers=handlers))
    assert (response.status, response.json()["status"]) == (status, status)


async def test_a_function_describes_the_problem() -> None:
    app = ProblemDetails(raising(OutOfStock(2)), handlers={OutOfStock: of_stock})
    response = await request(app, path="/tea")
    assert response.status == 409
    assert response.json() == {
        "type": "https://shop.example/problems/out-of-stock",
        "title": "Out of stock",
        "status": 409,
        "detail": "Only 2 of /tea are left.",
        "instance": "/orders/7",
        "left": 2,
    }


def fails(connection: Any, error: Exception) -> Any:
    raise RuntimeError("hunter2")


async def fails_later(connection: Any, error: Exception) -> Any:
    raise RuntimeError("hunter2")


def giving(found: Any) -> Callable[..., Any]:
    return lambda *_: found


CYCLE: dict[str, Any] = {"status": 400}
CYCLE["cycle"] = CYCLE


@pytest.mark.parametrize(
    "handler",
    [
        fails,
        fails_later,
        lambda: 404,
        giving(200),
        giving(True),
        giving("404"),
        giving(object()),
        giving({"status": 302}),
        giving({"status": "404"}),
        giving({"status": 404, "title": 7}),
        giving({"status": 404, "detail": None}),
        giving({"status": 404, "x-y": 1}),
        giving({"status": 404, "ab": 1}),
        giving({"status": 404, "1ab": 1}),
        giving({"status": 404, 7: 1}),
        giving({"status": 404, "size": float("nan")}),
        giving({"status": 404, "thing": object()}),
        giving(CYCLE),
    ],
)
async def test_a_function_that_makes_no_sense_falls_back(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What the application raised is logged all the same."""
    response = await request(ProblemDetails(raising(OutOfStock()), handlers={OutOfStock: handler}))
    assert response.status == 500
    assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "raised OutOfStock" in caplog.text


@pytest.mark.parametrize(("status", "is_logged"), [(404, False), (499, False), (500, True), (503, True)])
async def test_only_failures_are_logged_published_and_raised_again(
    status: int, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    error, exchange = OutOfStock(), Exchange()

    async def channel(message: Any = None) -> Any:
        return None

    layer = ProblemDetails(raising(error), handlers={OutOfStock: status})
    with caplog.at_level(logging.WARNING):
        await layer({**http_scope(), EXCHANGE: exchange}, channel, channel)
    assert bool(caplog.records) is is_logged
    assert (exchange.error is error) is is_logged
    layer = ProblemDetails(raising(error), handlers={OutOfStock: status}, reraise=True)
    response = await request(layer, raise_exceptions=False)
    assert (response.status, response.exception is error) == (status, is_logged)


# -- HTTPException of Starlette, which FastAPI derives its own from


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (HTTPException(404), {}),
        (HTTPException(404, "No tea."), {"detail": "No tea."}),
        (HTTPException(404, {"left": 0}), {"errors": {"left": 0}}),  # type: ignore[arg-type]  # FastAPI allows it
        (HTTPException(404, object()), {}),  # type: ignore[arg-type]  # what users get wrong
    ],
)
async def test_an_http_exception_says_what_it_was_made_to_say(error: HTTPException, members: dict[str, Any]) -> None:
    response = await request(ProblemDetails(raising(error)))
    assert response.json() == {"type": "about:blank", "title": "Not Found", "status": 404, **members}


async def test_its_headers_are_sent_but_those_of_another_body() -> None:
    headers = {"WWW-Authenticate": "Bearer", "Content-Type": "text/plain", "Content-Length": "7", "Vary": "Cookie"}
    response = await request(ProblemDetails(raising(HTTPException(401, headers=headers))))
    assert response.header("www-authenticate") == "Bearer"
    assert response.values("content-type") == ["application/problem+json"]
    assert response.values("content-length") == [str(len(response.body))]
    assert response.values("vary") == ["Cookie, Accept"]


async def test_headers_that_cannot_be_sent_cost_no_answer() -> None:
    response = await request(ProblemDetails(raising(HTTPException(401, headers={"x": "\u20ac"}))))
    assert response.status == 500


async def test_a_handshake_is_denied_with_the_status() -> None:
    app = ProblemDetails(raising(KeyError()), handlers={KeyError: 404})
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(app, extensions=["websocket.http.response"]):
            pass
    assert caught.value.response.status == 404
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(app, extensions=()):
            pass
    assert caught.value.code == 1008
