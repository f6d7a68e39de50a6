"""An application that takes too long is cancelled; its client gets a 504, or a response that breaks off."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware

from middlewares import Middleware, OptionError, Timeout
from middlewares.testing import Driver, http_scope, request, websocket_scope
from middlewares.timeout import ResponseTimeout
from tests.readable import Policy
from tests.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

LATE = 0.3
"""A call expires late by no more than a quarter of a second."""


class Slow:
    """Sends parts of a response after given pauses, and notes how it ended."""

    def __init__(self, *pauses: float, after: float = 0.0, content_type: str = "text/plain") -> None:
        self.pauses = pauses
        self.after = after
        self.content_type = content_type
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.answer(send)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("returned")

    async def answer(self, send: Send) -> None:
        first, *rest = self.pauses
        await anyio.sleep(first)
        headers = [(b"content-type", self.content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for pause in rest:
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
            await anyio.sleep(pause)
        await send({"type": "http.response.body", "body": b"end"})
        await anyio.sleep(self.after)


class Sent(list[Any]):
    """What a call sent, and when."""

    error: BaseException | None = None
    took = 0.0

    @property
    def status(self) -> int | None:
        return self[0]["status"] if self else None

    @property
    def is_complete(self) -> bool:
        return bool(self) and self[-1]["type"] == "http.response.body" and not self[-1].get("more_body", False)


def call(app: ASGIApp, scope: Scope | None = None) -> Sent:
    """Return what comes of one call, in made-up time."""

    async def make() -> Sent:
        sent = Sent()

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            if scope and scope["type"] == "websocket":
                return {"type": "websocket.connect"}
            return {"type": "http.request", "body": b"", "more_body": False}

        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await app(scope or http_scope(), receive, send)
        except BaseException as error:  # noqa: BLE001 - to be looked at by the test
            sent.error = error
        sent.took = loop.time() - began
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "a cancellation was left on the task"
        return sent

    return run_virtually(make())


IN_TIME: dict[str, tuple[dict[str, Any], Slow]] = {
    "a first byte just in time": ({"first_byte": 2}, Slow(1.9)),
    "no limit": ({"first_byte": 0}, Slow(9000)),
    "a long stream with short pauses": ({"first_byte": 2, "idle": 2}, Slow(1.9, *[1.9] * 9)),
    "work after the response": ({"first_byte": 1, "total": 1, "idle": 1}, Slow(0.5, after=100)),
    "an event stream, past the total": ({"total": 5}, Slow(1, 10, content_type="text/event-stream; charset=utf-8")),
    "a stream where only the start is limited": ({"first_byte": 2}, Slow(1, 500)),
}


@pytest.mark.parametrize(("options", "app"), IN_TIME.values(), ids=IN_TIME)
def test_what_is_in_time_is_left_alone(options: dict[str, Any], app: Slow) -> None:
    sent = call(Timeout(app, **options))
    assert sent.error is None
    assert (sent.status, sent.is_complete) == (200, True)
    assert app.ended == ["returned"]


TOO_LATE: dict[str, tuple[dict[str, Any], Slow, float, str]] = {
    "no first byte": ({"first_byte": 2}, Slow(50), 2, "first_byte"),
    "no first byte within the total": ({"first_byte": 20, "total": 3}, Slow(50), 3, "total"),
}


@pytest.mark.parametrize(("options", "app", "seconds", "limit"), TOO_LATE.values(), ids=TOO_LATE)
def test_before_the_start_the_client_gets_504(options: dict[str, Any], app: Slow, seconds: float, limit: str) -> None:
    sent = call(Timeout(app, **options))
    assert sent.error is None
    assert (sent.status, sent.is_complete) == (504, True)
    assert seconds <= sent.took <= seconds + LATE
    assert app.ended == ["CancelledError"]


CUT: dict[str, tuple[dict[str, Any], Slow, float, str]] = {
    "a stream that falls silent": ({"first_byte": 2, "idle": 3}, Slow(1, 1, 50), 5, "idle"),
    "a stream that takes too long": ({"total": 5}, Slow(1, *[1] * 50), 5, "total"),
    "a silent stream that would take too long": ({"idle": 9, "total": 5}, Slow(1, 50), 5, "total"),
    "an event stream that falls silent": ({"idle": 3}, Slow(1, 50, content_type="Text/Event-Stream"), 4, "idle"),
    "an event stream, if it is limited": (
        {"total": 5, "limit_event_streams": True},
        Slow(1, 50, content_type="text/event-stream"),
        5,
        "total",
    ),
}


@pytest.mark.parametrize(("options", "app", "seconds", "limit"), CUT.values(), ids=CUT)
def test_after_the_start_the_response_breaks_off(
    options: dict[str, Any], app: Slow, seconds: float, limit: str
) -> None:
    sent = call(Timeout(app, **options))
    assert isinstance(sent.error, ResponseTimeout)
    assert limit in str(sent.error)
    assert (sent.status, sent.is_complete) == (200, False)
    assert seconds <= sent.took <= seconds + LATE
    assert app.ended == ["CancelledError"]


def test_the_application_is_waited_for_while_it_cleans_up() -> None:
    cleaned = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(50)
        finally:
            await asyncio.sleep(1)
            cleaned.append(True)

    sent = call(Timeout(app, first_byte=1))
    assert cleaned == [True]
    assert sent.status == 504
    assert sent.took >= 2


def test_an_application_that_goes_on_cannot_answer_any_more() -> None:
    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(50)
        await Slow(0).answer(send)

    sent = call(Timeout(stubborn, first_byte=1))
    assert sent.error is None
    assert [message.get("status") for message in sent] == [504, None]


def test_an_application_that_swallows_the_cancellation_and_returns_gets_its_504_all_the_same() -> None:
    async def swallowing(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(50)

    sent = call(Timeout(swallowing, first_byte=1))
    assert (sent.error, sent.status) == (None, 504)


def test_what_an_application_raises_instead_goes_on_after_the_504() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            raise ZeroDivisionError from None

    sent = call(Timeout(failing, first_byte=1))
    assert isinstance(sent.error, ZeroDivisionError)
    assert sent.status == 504


async def _outcome(layer: ASGIApp, after: float) -> tuple[str, int]:
    """Return how a call ended that somebody cancels, and how many answers it sent."""
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request"}

    async def make() -> None:
        await layer(http_scope(), receive, send)

    task = asyncio.ensure_future(make())
    await asyncio.sleep(after)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return "cancelled" if task.cancelled() else "returned", len(statuses)


def test_a_cancellation_from_outside_stays_one() -> None:
    app = Slow(50)
    assert run_virtually(_outcome(Timeout(app, first_byte=5), after=1)) == ("cancelled", 0)
    assert app.ended == ["CancelledError"]


def test_a_cancellation_from_outside_wins_over_the_timeout() -> None:
    """It comes while the application still cleans up after the other."""

    async def cleaning(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(50)
        finally:
            await asyncio.sleep(1)

    assert run_virtually(_outcome(Timeout(cleaning, first_byte=1), after=1.7)) == ("cancelled", 0)


def test_a_timeout_inside_asyncio_timeout_leaves_it_intact() -> None:
    async def make() -> list[int]:
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async with asyncio.timeout(10):
            await Timeout(Slow(50), first_byte=1)(http_scope(), send, send)  # type: ignore[arg-type]  # not received
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await Timeout(Slow(50), first_byte=5)(http_scope(), send, send)  # type: ignore[arg-type]  # the same
        return statuses

    assert run_virtually(make()) == [504]


def test_nested_timeouts_answer_once() -> None:
    for outer, inner in ((1, 5), (5, 1)):
        sent = call(Timeout(Timeout(Slow(50), first_byte=inner), first_byte=outer))
        assert [message.get("status") for message in sent] == [504, None]
        assert 1 <= sent.took <= 1 + 2 * LATE


RULES = [
    {"paths": ["/reports/*"], "first_byte": 20},
    {"paths": ["/free"], "first_byte": 0},
    {"paths": ["/reports/{id}"], "first_byte": 1},
]


@pytest.mark.parametrize(
    ("path", "root_path", "seconds", "status"),
    [
        ("/other", "", 5, 504),
        ("/reports/1", "", 10, 200),
        ("/reports/1", "", 50, 504),
        ("/free", "", 500, 200),
        ("/v1/free", "/v1", 500, 200),
    ],
)
def test_the_first_rule_that_matches_counts(path: str, root_path: str, seconds: float, status: int) -> None:
    scope = http_scope(path=path, root_path=root_path)
    assert call(Timeout(Slow(seconds), first_byte=2, rules=RULES), scope).status == status


def test_no_timer_is_left_behind() -> None:
    async def make() -> int:
        loop: Any = asyncio.get_running_loop()
        layer = Timeout(Slow(0.1), first_byte=30, total=60)

        async def send(message: Message) -> None:
            """Take it."""

        for _ in range(50):
            await layer(http_scope(), send, send)  # type: ignore[arg-type]  # nothing is received
        await asyncio.sleep(60)
        return len([handle for handle in loop._scheduled if not handle.cancelled() and "Watch" in repr(handle)])

    assert run_virtually(make()) == 0


async def test_one_layer_serves_one_loop_after_another() -> None:
    layer = Timeout(Slow(50), first_byte=0.02)
    assert (await request(layer)).status == 504
    assert await anyio.to_thread.run_sync(lambda: call(layer).status) == 504


async def test_loops_of_two_threads_do_not_lose_each_others_calls() -> None:
    entered = anyio.Event()
    found: list[int | None] = []

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        if not entered.is_set():
            entered.set()
        await anyio.sleep(50)

    layer = Timeout(stuck, first_byte=0.2)

    async def ask() -> None:
        found.append((await request(layer)).status)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await entered.wait()
            assert await anyio.to_thread.run_sync(lambda: call(layer).status) == 504
    assert found == [504]
    assert not layer._watch.calls


async def test_the_answer_is_readable_for_pages_of_a_policy_inside() -> None:
    response = await request(Timeout(Policy(Slow(50)), first_byte=0.02))
    assert response.status == 504
    assert response.header("access-control-allow-origin") == "*"
    assert response.json()["title"] == "Gateway Timeout"


async def test_a_framework_with_background_tasks_of_its_own_is_cancelled() -> None:
    ended: list[str] = []

    class Plain(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    async def endpoint(request: Any) -> Any:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("endpoint")

    app = Starlette(middleware=[Middleware(Timeout, first_byte=0.02), Middleware(Plain)])
    app.add_route("/", endpoint)
    response = await request(app)
    assert (response.status, ended) == (504, ["endpoint"])


# -- WebSockets


def socket(*steps: float) -> Callable[..., Awaitable[None]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        first, *rest = steps
        await anyio.sleep(first)
        await send({"type": "websocket.accept"})
        for pause in rest:
            await anyio.sleep(pause)
            await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close"})

    return app


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [(["websocket.http.response"], "websocket.http.response.start"), ([], "websocket.close")],
)
def test_a_handshake_that_is_not_answered_is_denied(extensions: list[str], expected: str) -> None:
    sent = call(Timeout(socket(50), first_byte=1), websocket_scope(extensions=extensions))
    assert sent.error is None
    assert sent[0]["type"] == expected
    assert sent[0].get("status", sent[0].get("code")) in (504, 1013)


@pytest.mark.parametrize(
    ("options", "is_cut"),
    [
        ({"total": 5, "idle": 2}, False),
        ({"total": 5, "limit_websockets": True}, True),
        ({"idle": 2, "limit_websockets": True}, True),
        ({"idle": 20, "limit_websockets": True}, False),
    ],
)
def test_an_open_websocket_is_only_limited_if_asked_for(options: dict[str, Any], is_cut: bool) -> None:
    sent = call(Timeout(socket(0.1, 1, 9, 1), **options), websocket_scope())
    assert isinstance(sent.error, ResponseTimeout) is is_cut


async def test_other_scopes_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    scope: Scope = {"type": "lifespan"}
    await Timeout(app)(scope, app, app)  # type: ignore[arg-type]  # nobody calls them
    assert seen[0][0] is scope
    assert seen[0][1] is app


# -- Trio


def test_on_trio_too() -> None:
    async def make() -> None:
        response = await request(Timeout(Slow(50), first_byte=0.05))
        assert response.status == 504
        assert (await request(Timeout(Slow(0, 0.01), first_byte=1, idle=1, total=5))).text == "partend"
        for layer in (Timeout(Slow(0, 50), idle=0.05), Timeout(Slow(0, 50), total=0.05)):
            async with Driver(layer, http_scope()) as driver:
                with pytest.raises(ResponseTimeout):
                    await driver.finish()

    trio.run(make)


# -- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_byte": -1}, "Timeout: first_byte must be a number of seconds, or 0 for no limit; got -1"),
        ({"total": float("nan")}, "Timeout: total must be a number of seconds, or 0 for no limit; got nan"),
        ({"idle": float("inf")}, "Timeout: idle must be a number of seconds, or 0 for no limit; got inf"),
        ({"idle": "5"}, "Timeout: idle must be a number; got '5'"),
        ({"rules": [{"first_byte": 1}]}, "Timeout: rules[1].paths must be a list of path patterns; got"),
        ({"rules": [{"paths": "/a"}]}, "Timeout: rules[1].paths must be a list of path patterns; got"),
        ({"rules": [{"paths": ["a"]}]}, "Timeout: rules[1].paths must hold patterns that begin with '/'; got 'a'"),
        ({"rules": [{"paths": ["/a"], "totl": 1}]}, "Timeout: rules[1].totl is unknown (did you mean 'total'?)"),
        ({"rules": [{"paths": ["/a"], "total": "1"}]}, "Timeout: rules[1].total must be a number; got '1'"),
        ({"rules": [{"paths": ["/a"], "idle": -2}]}, "Timeout: rules[1].idle must be a number of seconds"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as raised:
        Middleware(Timeout, **options)
    assert message in str(raised.value)
