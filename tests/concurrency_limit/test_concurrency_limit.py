"""Who is let in, who waits, who is refused; and that every permit comes back, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
import trio

from middlewares import ConcurrencyLimit, Middleware, OptionError
from middlewares.concurrency_limit import Load
from middlewares.testing import Driver, http_scope, request, websocket_scope
from middlewares.testing.driver import DEADLINE
from tests.readable import PREFLIGHT, Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

HOLDS: tuple[Literal["first_byte", "end"], ...] = ("first_byte", "end")
EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}


class Held:
    """An application that answers each request when the test says so, and keeps the order in which they came."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.bodies: list[bytes] = []
        self._doors: dict[str, anyio.Event] = {}

    def door(self, path: str) -> anyio.Event:
        return self._doors.setdefault(path, anyio.Event())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.arrived.append(path)
        await self.door(path).wait()
        if scope["type"] == "http":
            body, more = b"", True
            while more:
                event = await receive()
                body += event.get("body", b"")
                more = event.get("more_body", False)
            self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    with anyio.fail_after(DEADLINE):
        while not holds():
            await anyio.lowlevel.checkpoint()


class Clients:
    """Requests that are under way at the same time."""

    def __init__(self, layer: ConcurrencyLimit) -> None:
        self.layer = layer
        self.statuses: dict[str, int | None] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, path: str, **options: Any) -> None:
        """Send a request, and wait until it is in the application, in the line, or answered."""

        async def one() -> None:
            self.statuses[path] = (await request(self.layer, path=path, **options)).status

        self.tasks[path] = asyncio.ensure_future(one())
        for _ in range(30):
            await anyio.lowlevel.checkpoint()

    async def end(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.tasks.values(), return_exceptions=True), DEADLINE)


def loaded(**options: Any) -> tuple[Held, ConcurrencyLimit, Clients]:
    app = Held()
    layer = ConcurrencyLimit(app, **{"limit": 1, "max_wait": 60, **options})
    return app, layer, Clients(layer)


async def test_requests_up_to_the_limit_are_let_in_and_the_next_waits() -> None:
    app, layer, clients = loaded(limit=2)
    for path in ("/1", "/2", "/3"):
        await clients.ask(path)
    assert app.arrived == ["/1", "/2"]
    assert layer.load == Load(limit=2, in_flight=2, waiting=1)
    app.door("/3").set()
    app.door("/1").set()
    await clients.tasks["/3"]
    assert app.arrived == ["/1", "/2", "/3"]
    app.door("/2").set()
    await clients.end()
    assert layer.load == Load(limit=2, in_flight=0, waiting=0)
    assert clients.statuses == {"/1": 200, "/2": 200, "/3": 200}


async def test_a_refusal_says_when_to_come_back_and_why() -> None:
    app, _, clients = loaded(max_queue=0, retry_after=7)
    await clients.ask("/1")
    response = await request(clients.layer, path="/2")
    assert response.status == 503
    assert response.header("retry-after") == "7"
    assert response.json() == {
        "type": "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The service is busy. Please try again shortly.",
    }
    app.door("/1").set()
    await clients.end()


async def test_who_waits_too_long_is_refused() -> None:
    app, layer, clients = loaded(max_wait=0.01)
    await clients.ask("/1")
    assert (await request(layer, path="/2")).status == 503
    assert layer.load.waiting == 0
    app.door("/1").set()
    await clients.end()
    assert app.arrived == ["/1"]


async def served(clients: Clients, app: Held, first: str) -> list[str]:
    """Return the paths in the order in which they were let in."""
    for path in clients.tasks:
        app.door(path).set()
    await clients.end()
    return app.arrived[1:]


async def test_a_short_line_is_served_in_order() -> None:
    app, _, clients = loaded(max_queue=10)
    for path in ("/0", "/1", "/2", "/3"):
        await clients.ask(path)
    assert await served(clients, app, "/0") == ["/1", "/2", "/3"]


async def test_a_long_line_is_served_from_its_end() -> None:
    app, _, clients = loaded(max_queue=5)
    for path in ("/0", "/1", "/2", "/3", "/4"):
        await clients.ask(path)
    assert (await served(clients, app, "/0"))[:2] == ["/4", "/3"]


async def test_a_line_that_has_stood_for_long_is_served_from_its_end() -> None:
    now = [0.0]
    app, _, clients = loaded(max_queue=10, clock=lambda: now[0])
    for path in ("/0", "/1", "/2"):
        await clients.ask(path)
    now[0] = 61.0
    assert await served(clients, app, "/0") == ["/2", "/1"]


async def test_where_the_line_is_full_the_oldest_makes_room() -> None:
    app, _, clients = loaded(max_queue=2)
    for path in ("/0", "/1", "/2", "/3"):
        await clients.ask(path)
    assert clients.statuses == {"/1": 503}
    assert sorted(await served(clients, app, "/0")) == ["/2", "/3"]


def by_header(connection: Any) -> int:
    return int(connection.headers.get("x-priority", 0))


async def by_header_later(connection: Any) -> int:
    await anyio.lowlevel.checkpoint()
    return by_header(connection)


@pytest.mark.parametrize("priority", [by_header, by_header_later])
async def test_higher_priorities_go_first_and_lower_ones_make_room(priority: Any) -> None:
    app, _, clients = loaded(max_queue=2, priority=priority)
    for path, wanted in (("/0", "0"), ("/low", "-1"), ("/mid", "5"), ("/high", "9"), ("/late", "1")):
        await clients.ask(path, headers={"x-priority": wanted})
    assert clients.statuses == {"/low": 503, "/late": 503}
    assert await served(clients, app, "/0") == ["/high", "/mid"]


async def test_a_priority_that_cannot_be_told_fails_the_request_alone() -> None:
    app, layer, clients = loaded(priority=lambda connection: 1 // 0)
    await clients.ask("/0")
    with pytest.raises(ZeroDivisionError):
        await request(layer)
    assert layer.load == Load(limit=1, in_flight=1, waiting=0)
    await served(clients, app, "/0")


# -- leaving


async def test_a_client_that_leaves_the_line_frees_its_place() -> None:
    app, layer, clients = loaded(max_queue=1)
    await clients.ask("/0")
    async with Driver(layer, http_scope(path="/gone")) as call:
        await call.send(EMPTY)
        assert layer.load.waiting == 1
        call.disconnect()
        await call.finish()
    assert layer.load.waiting == 0
    assert call.messages[-1].message["type"] == "http.disconnect", "nothing is said to whom is gone"
    assert await served(clients, app, "/0") == []


async def test_the_body_of_a_request_that_waited_is_whole() -> None:
    """What is received while waiting is kept, and no more than one part."""
    app, layer, clients = loaded()
    await clients.ask("/0")
    async with Driver(layer, http_scope("POST", path="/up")) as call:
        call.feed({"type": "http.request", "body": b"a", "more_body": True})
        call.feed({"type": "http.request", "body": b"b", "more_body": True})
        await until(lambda: layer.load.waiting == 1)
        app.door("/up").set()
        call.feed({"type": "http.request", "body": b"c"})
        app.door("/0").set()
        await call.finish()
    await clients.end()
    assert app.bodies == [b"", b"abc"]


async def test_what_receiving_raises_while_waiting_is_raised_in_the_application() -> None:
    app, layer, clients = loaded()
    await clients.ask("/0")

    async def receive() -> Message:
        raise OSError("the line is dead")

    async def send(message: Message) -> None:
        """Take nothing."""

    app.door("/up").set()
    call: Awaitable[None] = asyncio.ensure_future(layer(http_scope("POST", path="/up"), receive, send))
    await until(lambda: layer.load.waiting == 1)
    app.door("/0").set()
    with pytest.raises(OSError, match="the line is dead"):
        await call
    await clients.end()
    assert layer.load.in_flight == 0


async def test_permits_come_back_after_thousands_of_cancellations_at_any_moment() -> None:
    """Requests that wait, work, fail, stream, or whose client leaves are cancelled after a random number of steps."""
    random = Random(5)  # noqa: S311 - to be repeated

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(random.randrange(6)):
            await anyio.lowlevel.checkpoint()
        if random.random() < 0.2:
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        await anyio.lowlevel.checkpoint()

    def client() -> Receive:
        events = [EMPTY] * random.randrange(2)
        is_leaving = random.random() < 0.3

        async def receive() -> Message:
            await anyio.lowlevel.checkpoint()
            if events:
                return events.pop()
            if not is_leaving:
                await anyio.sleep_forever()
            return {"type": "http.disconnect"}

        return receive

    before = len(asyncio.all_tasks())
    for hold in HOLDS:
        layer = ConcurrencyLimit(app, limit=3, max_queue=5, max_wait=0.002, hold=hold)
        running: list[asyncio.Future[None]] = []
        for _ in range(4000):
            running.append(asyncio.ensure_future(layer(http_scope(), client(), send)))
            for _ in range(random.randrange(3)):
                await anyio.lowlevel.checkpoint()
            if random.random() < 0.5:
                random.choice(running[-12:]).cancel()
            assert layer.load.in_flight <= 3
            assert layer.load.waiting <= 5
        with contextlib.suppress(ZeroDivisionError):
            await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 10)
        assert layer.load == Load(limit=3, in_flight=0, waiting=0)
    assert len(asyncio.all_tasks()) == before, "tasks were left behind"


# -- until when a request counts


def streaming(content_type: bytes) -> tuple[ASGIApp, anyio.Event]:
    ends = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await ends.wait()
        await send({"type": "http.response.body", "body": b""})
        await anyio.sleep_forever()  # work after the response

    return app, ends


@pytest.mark.parametrize(
    ("hold", "content_type", "in_flight"),
    [("first_byte", b"text/csv", 0), ("end", b"text/csv", 1), ("end", b"text/event-stream; charset=utf-8", 0)],
)
async def test_a_stream_counts_until_it_begins_or_ends(hold: Any, content_type: bytes, in_flight: int) -> None:
    app, ends = streaming(content_type)
    layer = ConcurrencyLimit(app, limit=1, hold=hold)
    async with Driver(layer, http_scope()) as call:
        await call.receive()
        await call.receive()
        assert layer.load.in_flight == in_flight
        ends.set()
        await call.receive()
        assert layer.load.in_flight == 0


@pytest.mark.parametrize("extensions", [(), ("websocket.http.response",)])
async def test_a_websocket_counts_until_it_is_accepted_and_is_refused_as_one(extensions: tuple[str, ...]) -> None:
    doors = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await doors.wait()
        await send({"type": "websocket.accept"})
        await anyio.sleep_forever()

    layer = ConcurrencyLimit(app, limit=1, max_queue=1, max_wait=0.01)
    scope = websocket_scope(extensions=extensions)
    async with Driver(layer, scope) as first:
        await first.send({"type": "websocket.connect"})
        assert layer.load.in_flight == 1
        async with Driver(layer, scope) as second:
            await second.send({"type": "websocket.connect"})
            denial = await second.receive()
            assert denial.get("status", denial.get("code")) == (503 if extensions else 1013)
            if extensions:
                await second.receive()
        doors.set()
        await first.receive()
        assert layer.load.in_flight == 0


@pytest.mark.parametrize("path", ["/healthz", "/metrics/x"])
async def test_exempt_paths_are_served_under_any_load(path: str) -> None:
    app, layer, clients = loaded(max_queue=0, exempt_paths=["/healthz", "/metrics/*"])
    await clients.ask("/0")
    app.door(path).set()
    assert (await request(layer, path=path)).status == 200
    assert layer.load.in_flight == 1
    await served(clients, app, "/0")


async def test_preflights_of_a_policy_inside_pass_and_refusals_are_readable() -> None:
    app = Held()
    layer = ConcurrencyLimit(Policy(app), limit=1, max_queue=0)
    clients = Clients(layer)
    await clients.ask("/0")
    assert (await request(layer, "OPTIONS", headers=PREFLIGHT)).status == 204
    refusal = await request(layer, headers={"origin": "https://page.example"})
    assert (refusal.status, refusal.header("access-control-allow-origin")) == (503, "*")
    await served(clients, app, "/0")


async def test_other_scopes_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    scope: Scope = {"type": "lifespan"}
    await ConcurrencyLimit(app)(scope, app, app)  # type: ignore[arg-type]  # nobody calls them
    assert (seen[0][0] is scope, seen[0][1] is app, seen[0][2] is app) == (True, True, True)


def test_on_trio_too() -> None:
    async def run() -> None:
        app = Held()
        layer = ConcurrencyLimit(app, limit=1, max_queue=2, max_wait=60)
        statuses: list[int | None] = []

        async def ask(path: str) -> None:
            statuses.append((await request(layer, path=path)).status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "/0")
            await until(lambda: layer.load.in_flight == 1)
            nursery.start_soon(ask, "/1")
            await until(lambda: layer.load.waiting == 1)
            async with Driver(layer, http_scope(path="/gone")) as call:
                await call.send(EMPTY)
                assert layer.load.waiting == 2
                call.disconnect()
                await call.finish()
            assert layer.load.waiting == 1
            app.door("/1").set()
            app.door("/0").set()
        assert statuses == [200, 200]
        assert layer.load == Load(limit=1, in_flight=0, waiting=0)

    trio.run(run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, 'ConcurrencyLimit: limit must be at least 1, or "auto"; got 0'),
        ({"limit": "many"}, "ConcurrencyLimit: limit must be an integer or one of 'auto'; got 'many'"),
        ({"min_limit": 0}, "ConcurrencyLimit: min_limit must be at least 1; got 0"),
        ({"min_limit": 9, "max_limit": 8}, "ConcurrencyLimit: max_limit must be at least min_limit; got 8"),
        ({"max_queue": -1}, "ConcurrencyLimit: max_queue must not be negative; got -1"),
        ({"max_wait": 0}, 'ConcurrencyLimit: max_wait must be a positive number of seconds, or "auto"; got 0'),
        ({"max_wait": float("nan")}, "ConcurrencyLimit: max_wait must be a positive number"),
        ({"retry_after": 0}, "ConcurrencyLimit: retry_after must be at least 1; got 0"),
        ({"exempt_paths": ["x"]}, "ConcurrencyLimit: exempt_paths must hold patterns that begin with '/'; got 'x'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as raised:
        Middleware(ConcurrencyLimit, **options)
    assert message in str(raised.value)
