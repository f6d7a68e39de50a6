"""A stack is exchanged while it serves: what is under way stays with the old one, what did not change lives on."""

from __future__ import annotations

import gc
import secrets
import signal
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from middlewares import CORS, ConcurrencyLimit, Drain, Health, Middleware, RateLimit, Sessions, Stack, When
from middlewares.asgi import ASGIApp
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.layer import Layer, freeze
from middlewares.core.lifetime import Lifetime
from middlewares.errors import ConfigError, OptionError
from middlewares.reload import ReloadingApp
from middlewares.reload.app import Loaded
from middlewares.reload.lifespans import StartupFailed
from middlewares.testing import Driver, LifespanFailed, http_scope, lifespan, request, websocket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from middlewares.asgi import Message, Receive, Scope, Send


KEY = secrets.token_urlsafe(32)


class Resource:
    """Something that is opened by a lifespan, counts, and is to be closed once."""

    def __init__(self) -> None:
        self.lifetime = Lifetime()
        self.hits = self.closed = 0


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Counting(Layer):
    """Ours: tells in a header how often it was asked."""

    app: ASGIApp = field(kw_only=False)
    name: str = "count"
    resource: Resource = field(init=False, repr=False)

    kept: ClassVar = ("resource",)

    def __post_init__(self) -> None:
        freeze(self, resource=Resource())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resource = self.resource
        if scope["type"] == "lifespan":
            resource.lifetime.enter()
            try:
                return await self.app(scope, receive, send)
            finally:
                if resource.lifetime.leave():
                    resource.closed += 1
        resource.hits += 1
        hits = resource.hits
        await self.app(scope, receive, naming(send, self.name, hits))


class Foreign:
    """Not ours: the same, as others write it."""

    built: ClassVar[list[Foreign]] = []

    def __init__(self, app: ASGIApp, name: str = "foreign", fails: bool = False) -> None:
        self.app, self.name, self.fails = app, name, fails
        self.hits, self.events = 0, list[str]()
        self.built.append(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":

            async def note() -> Message:
                event = await receive()
                self.events.append(event["type"].rpartition(".")[2])
                return event

            if self.fails:
                await receive()
                return await send({"type": "lifespan.startup.failed", "message": "no"})
            return await self.app(scope, note, send)
        self.hits += 1
        await self.app({**scope}, receive, naming(send, self.name, self.hits))


def naming(send: Send, name: str, hits: int) -> Send:
    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            line = (b"x-seen", f"{name} {hits}".encode())
            message = {**message, "headers": [*message.get("headers", ()), line]}
        await send(message)

    return send_named


@pytest.fixture(autouse=True)
def _forget() -> None:
    Foreign.built.clear()


class Source:
    """Where stacks come from."""

    def __init__(self, *entries: Any) -> None:
        self.entries: Any = entries
        self.files: tuple[str, ...] = ()

    def __call__(self) -> Loaded:
        if isinstance(self.entries, Exception):
            raise self.entries
        return Loaded(Stack(*self.entries), self.files)


class App:
    """The application: notes its lifespan, answers, and streams until it is let go."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.go_on = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{step}"
                self.events.append(step)
                await send({"type": f"lifespan.{step}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/stream":
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"2"})


async def seen(app: ASGIApp) -> list[str]:
    return (await request(app)).values("x-seen")


async def test_an_unchanged_stack_is_left_alone() -> None:
    source = Source(Middleware(Counting, name="a"), Middleware(Foreign))
    app = ReloadingApp(App(), source)
    assert await seen(app) == ["foreign 1", "a 1"]
    source.entries = (Middleware(Counting, name="a"), Middleware(Foreign))
    assert not await app.reload()
    assert await seen(app) == ["foreign 2", "a 2"]
    assert len(Foreign.built) == 1


@pytest.mark.parametrize("conditional", [False, True])
async def test_what_did_not_change_keeps_its_state_wherever_it_stands(conditional: bool) -> None:
    def maybe(record: Middleware) -> Middleware:
        return When(record, paths=["/*"]) if conditional else record

    source = Source(Middleware(Counting, name="a"), maybe(Middleware(Foreign)), maybe(Middleware(Counting, name="b")))
    app = ReloadingApp(App(), source)
    await seen(app)
    source.entries = (
        maybe(Middleware(Counting, name="b")),
        Middleware(Foreign, name="new"),
        maybe(Middleware(Foreign)),
        Middleware(Counting, name="c"),
    )
    assert await app.reload()
    assert await seen(app) == ["c 1", "foreign 2", "new 1", "b 2"]
    assert len(Foreign.built) == 2


async def test_a_nested_stack_counts_as_its_entries() -> None:
    source = Source(Stack(Middleware(Counting, name="a")))
    app = ReloadingApp(App(), source)
    await seen(app)
    source.entries = (Middleware(Counting, name="a"), Stack(Middleware(Foreign)))
    assert await app.reload()
    assert await seen(app) == ["foreign 1", "a 2"]


async def test_a_stream_finishes_on_the_stack_that_it_began_with() -> None:
    inner = App()
    source = Source(Middleware(Foreign, name="outer"), Middleware(Counting, name="old"))
    app = ReloadingApp(inner, source)
    async with lifespan(app):
        old: Any = app._current.layers[0][1]
        async with Driver(app, http_scope(path="/stream")) as call:
            start = await call.receive()
            assert (b"x-seen", b"old 1") in start["headers"]
            source.entries = (Middleware(Foreign, name="outer"), Middleware(Counting, name="new"))
            assert await app.reload()
            assert await seen(app) == ["new 1", "outer 2"]
            await call.settle()
            assert old.resource.closed == 0
            inner.go_on.set()
            await call.finish()
            assert call.sent[-1]["body"] == b"2"
            await until(lambda: old.resource.closed == 1)
    assert old.resource.closed == 1
    assert inner.events == ["startup", "shutdown"]


async def test_after_the_grace_the_old_stack_is_closed_and_its_requests_go_on() -> None:
    inner = App()
    source = Source(Middleware(Counting, name="old"))
    app = ReloadingApp(inner, source, grace=0.01)
    async with lifespan(app):
        old: Any = app._current.layers[0][1]
        async with Driver(app, http_scope(path="/stream")) as call:
            await call.receive()
            source.entries = ()
            await app.reload()
            await until(lambda: old.resource.closed == 1)
            inner.go_on.set()
            await call.finish()
            assert call.sent[-1]["body"] == b"2"
    assert old.resource.closed == 1


async def test_each_resource_is_closed_once_and_only_when_no_stack_has_it() -> None:
    source = Source(Middleware(Counting, name="a"), Middleware(Foreign, name="f"))
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        first: Any = app._current.layers[0][1]
        kept: Resource = first.resource
        for number in range(5):
            source.entries = (
                Middleware(Counting, name=f"other {number}"),
                Middleware(Counting, name="a"),
                Middleware(Foreign, name="f"),
                Middleware(Foreign, name=f"f{number}"),
            )
            assert await app.reload()
            await anyio.lowlevel.checkpoint()
        assert kept.closed == 0
        assert Foreign.built[0].events == ["startup"]
        await until(lambda: [foreign.events for foreign in Foreign.built[1:-1]] == [["startup", "shutdown"]] * 4)
    assert kept.closed == 1
    assert [foreign.events for foreign in Foreign.built] == [["startup", "shutdown"]] * 6


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        (ConfigError("line 3 is wrong"), ConfigError),
        ((Middleware(Foreign, fails=True), Middleware(Foreign, name="fine")), StartupFailed),
        ((Middleware(lambda _app: None),), OptionError),
    ],
)
async def test_what_cannot_be_loaded_built_or_started_changes_nothing(entries: Any, error: type[Exception]) -> None:
    source = Source(Middleware(Counting, name="a"))
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        before = app._current
        source.entries = entries
        with pytest.raises(error):
            await app.reload()
        assert app._current is before
        assert await seen(app) == ["a 1"]
        fine = [foreign.events for foreign in Foreign.built if foreign.name == "fine"]
        assert fine in ([], [["startup", "shutdown"]])
        source.entries = (Middleware(Counting, name="b"),)
        assert await app.reload()
        assert await seen(app) == ["b 1"]


async def test_an_application_that_cannot_start_says_so_to_the_server() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(LifespanFailed, match="no database"):
        async with lifespan(ReloadingApp(app, Source(Middleware(Counting)))):
            pass


async def test_an_application_without_lifespan_is_served() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    reloading = ReloadingApp(app, Source(Middleware(Counting)))
    async with lifespan(reloading):
        assert (await request(reloading)).status == 204


async def test_layers_outside_see_the_policy_of_the_newest_stack() -> None:
    source = Source(Middleware(CORS, allow_origins=["https://old.example"]), Middleware(Foreign))
    app = ReloadingApp(App(), source)
    inner = InnerPolicy(app)

    async def allowed(origin: str) -> bool:
        scope = http_scope(headers=[(b"origin", origin.encode())])
        return (b"access-control-allow-origin", origin.encode()) in await inner.readable(scope, [])

    assert await allowed("https://old.example")
    for place in (0, 1):
        source.entries = [Middleware(Foreign)]
        assert await app.reload()
        assert not await allowed("https://old.example")
        source.entries.insert(place, Middleware(CORS, allow_origins=["https://new.example"]))
        assert await app.reload()
        assert await allowed("https://new.example")


async def test_websockets_stay_with_their_stack() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})

    source = Source(Middleware(Foreign))
    app = ReloadingApp(echo, source)
    async with websocket(app) as ws:
        old = app._current
        source.entries = ()
        await app.reload()
        await ws.send_text("still here")
        assert await ws.receive_text() == "still here"
        assert old.in_flight == 1
        assert app._current.in_flight == 0
    assert old.in_flight == 0


async def test_the_order_of_opening_and_closing_is_that_of_the_stack() -> None:
    """What the application closes at shutdown serves those whom a layer still lets finish."""
    order: list[str] = []

    @dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
    class Waiting(Layer):
        app: ASGIApp = field(kw_only=False)

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def late() -> Message:
                event = await receive()
                order.append(f"layer {event['type']}")
                return event

            await self.app(scope, late, send)

    inner = App()
    inner.events = order
    async with lifespan(ReloadingApp(inner, Source(Middleware(Waiting)))):
        pass
    assert order == ["layer lifespan.startup", "startup", "layer lifespan.shutdown", "shutdown"]


async def test_a_file_that_changes_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "stack"
    file.write_text("1")
    source = Source(Middleware(Counting, name="1"))
    source.files = (str(file),)
    app = ReloadingApp(App(), source, watch=True, interval=0.01)
    async with lifespan(app):
        assert await seen(app) == ["1 1"]
        source.entries = ConfigError("line 3 is wrong")
        file.write_text("2")
        await until(lambda: "line 3 is wrong" in caplog.text)
        assert await seen(app) == ["1 2"]
        source.entries = (Middleware(Counting, name="3"),)
        file.write_text("3")
        first = app._current
        await until(lambda: app._current is not first)
        assert await seen(app) == ["3 1"]
    assert caplog.text.count("line 3 is wrong") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no such signal")
async def test_the_signal_loads_anew() -> None:
    source = Source(Middleware(Counting, name="1"))
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        first = app._current
        source.entries = ()
        await anyio.lowlevel.checkpoint()
        await until(lambda: signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL)
        signal.raise_signal(signal.SIGHUP)
        await until(lambda: app._current is not first)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not holds():  # noqa: ASYNC110 - what it waits for tells nobody
            await anyio.sleep(0.001)


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (Middleware(RateLimit, limit="2/hour"), "_engine"),
        (Middleware(ConcurrencyLimit), "_gate"),
        (Middleware(Drain), "_flights"),
        (
            Middleware(Sessions, secret_key=KEY, store="memory://", secure=False),
            "_stores",
        ),
    ],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
async def test_what_our_layers_count_and_keep_outlives_a_change_around_them(record: Middleware, state: str) -> None:
    """And is not closed with the stack that it came from."""
    source = Source(record)
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        before: Any = app._current.layers[0][1]
        await request(app)
        source.entries = (Middleware(Counting), record)
        assert await app.reload()
        after: Any = app._current.layers[0][1]
        assert after is not before
        assert getattr(after, state) is getattr(before, state)
        await until(lambda: len(app._runs) == 1)
        statuses = [(await request(app)).status for _ in range(2)]
        assert statuses == ([200, 429] if state == "_engine" else [200] * 2)
        if isinstance(after, Drain):
            assert not after._flights.is_closing


@pytest.mark.parametrize(
    "record",
    [
        Middleware(RateLimit, limit="2/hour"),
        Middleware(ConcurrencyLimit),
        Middleware(Drain),
        Middleware(Sessions, secret_key=KEY, store="memory://"),
        Middleware(Health, checks={"app": seen}),
    ],
    ids=lambda given: given.name,
)
def test_a_layer_that_goes_on_with_the_state_of_another_has_nothing_left_of_its_own(record: Middleware) -> None:
    """What it has computed from its own state would count beside the other's."""
    old, new = (record(App()) for _ in range(2))
    assert isinstance(old, Layer)
    assert isinstance(new, Layer)
    dropped = [getattr(new, name) for name in new.kept]
    new.take_over(old)
    left = reached(dropped).keys() & reached([new]).keys() - reached([old]).keys()
    assert [reached(dropped)[each] for each in left] == []


def reached(roots: list[Any]) -> dict[int, Any]:
    """Return the objects of ours that others lead to, by their identity."""
    found: dict[int, Any] = {}
    rest = [*roots]
    while rest:
        each = rest.pop()
        if id(each) not in found and not isinstance(each, (type, ModuleType, FunctionType)):
            found[id(each)] = each
            rest += gc.get_referents(each)
    return {key: each for key, each in found.items() if type(each).__module__.startswith("middlewares.")}
