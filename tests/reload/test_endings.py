"""Whatever happens to lifespans while stacks are exchanged: nothing hangs, nothing leaks, and all ends once."""

from __future__ import annotations

import gc
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from middlewares import ConcurrencyLimit, Drain, Health, Middleware, RateLimit, Sessions, Stack, When
from middlewares.asgi import ASGIApp
from middlewares.core.layer import Layer
from middlewares.errors import OptionError
from middlewares.reload import ReloadingApp
from middlewares.reload.app import Loaded
from middlewares.reload.lifespans import StartupFailed
from middlewares.testing import Driver, LifespanFailed, http_scope, lifespan, request

from .test_reloading import App, Counting, Foreign, Source, seen, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from middlewares.asgi import Receive, Scope, Send


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test on both event loops."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Foreign.built.clear()


class Hanging(Foreign):
    """Not ours: its lifespan never answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await anyio.sleep_forever()
        await super().__call__(scope, receive, send)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Failing(Layer):
    """Ours: cannot start."""

    app: ASGIApp = field(kw_only=False)
    raises: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        if self.raises:
            raise ValueError("no disk")
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})


def unbuildable(_app: ASGIApp) -> Any:
    return None


async def test_what_is_served_again_is_started_again() -> None:
    inner = App()
    app = ReloadingApp(inner, Source(Middleware(Foreign), Middleware(Counting)))
    for times in (1, 2):
        async with lifespan(app):
            assert await seen(app) == [f"count {times}", f"foreign {times}"]
        assert Foreign.built[0].events == ["startup", "shutdown"] * times
        assert inner.events == ["startup", "shutdown"] * times


async def test_stacks_from_before_are_forgotten_where_no_lifespan_runs() -> None:
    source = Source(Middleware(Foreign))
    inner = App()
    app = ReloadingApp(inner, source)
    joint = app._current.foreign[0].joint
    async with Driver(app, http_scope(path="/stream")) as call:
        await call.receive()
        for number in range(5):
            source.entries = (Middleware(Counting, name=str(number)), Middleware(Foreign))
            assert await app.reload()
        assert len(joint.inside) == 2
        inner.go_on.set()
        await call.finish()
    assert call.sent[-1]["body"] == b"2"
    assert [*joint.inside] == [app._current]


@pytest.mark.parametrize("bad", [Middleware(Failing), Middleware(Foreign, fails=True), Middleware(unbuildable)])
async def test_a_stack_that_failed_is_forgotten(bad: Middleware) -> None:
    source = Source(Middleware(Foreign))
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        source.entries = (bad, Middleware(Foreign))
        for _ in range(3):
            with pytest.raises((StartupFailed, OptionError)):
                await app.reload()
        joint = app._current.foreign[0].joint
        assert [*joint.inside] == [app._current]
        assert [*app._runs] == [app._current]


async def test_what_is_loaded_cannot_end_the_process(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """It may import modules that do not know where they are."""
    file = tmp_path / "stack"
    file.write_text("1")

    def load() -> Loaded:
        if file.read_text() == "2":
            sys.exit("usage: …")
        return Loaded(Stack(Middleware(Counting)), (str(file),))

    app = ReloadingApp(App(), load, watch=True, interval=0.001)
    async with lifespan(app):
        file.write_text("2")
        await until(lambda: "usage: …" in caplog.text)
        assert await seen(app) == ["count 1"]


async def test_a_layer_that_raises_while_it_starts_changes_nothing() -> None:
    source = Source(Middleware(Counting))
    app = ReloadingApp(App(), source)
    async with lifespan(app):
        source.entries = (Middleware(Failing, raises=True),)
        with pytest.raises(StartupFailed, match="no disk"):
            await app.reload()
        assert await seen(app) == ["count 1"]


async def test_a_failed_start_does_not_count_as_one_that_has_to_end() -> None:
    """The shutdown is still held back for what is under way."""
    inner = App()
    source = Source(Middleware(Drain))
    app = ReloadingApp(inner, source)
    drain: Any = app._current.layers[0][1]
    async with anyio.create_task_group() as tasks, Driver(app, http_scope(path="/stream")) as call:
        async with lifespan(app):
            source.entries = (Middleware(Drain), Middleware(Failing))
            with pytest.raises(StartupFailed):
                await app.reload()
            await call.receive()

            async def land() -> None:
                await until(lambda: drain._flights.is_closing)
                inner.events.append("request")
                inner.go_on.set()

            tasks.start_soon(land)
        await call.finish()
    assert inner.events == ["startup", "request", "shutdown"]


async def test_the_application_outlives_the_requests_of_all_stacks() -> None:
    inner = App()
    source = Source(Middleware(Drain))
    app = ReloadingApp(inner, source)
    async with anyio.create_task_group() as tasks, Driver(app, http_scope(path="/stream")) as call:
        async with lifespan(app):
            await call.receive()
            source.entries = (Middleware(Counting), Middleware(Drain))
            await app.reload()
            drain: Any = app._current.layers[0][1]

            async def land() -> None:
                await until(lambda: drain._flights.is_closing)
                inner.events.append("request")
                inner.go_on.set()

            tasks.start_soon(land)
        await call.finish()
    assert inner.events == ["startup", "request", "shutdown"]


async def test_who_gives_up_a_reload_that_hangs_may_try_another() -> None:
    source = Source(Middleware(Counting))
    app = ReloadingApp(App(), source)
    with anyio.fail_after(5):
        async with lifespan(app):
            source.entries = (Middleware(Hanging), Middleware(Foreign))
            with anyio.move_on_after(0.01):
                await app.reload()
            assert await seen(app) == ["count 1"]
            assert [foreign.events for foreign in Foreign.built] == [["startup", "shutdown"], []]
            source.entries = (Middleware(Counting, name="new"),)
            assert await app.reload()
            assert await seen(app) == ["new 1"]


async def test_a_reload_that_hangs_does_not_hold_up_the_end() -> None:
    inner = App()
    source = Source(Middleware(Counting))
    app = ReloadingApp(inner, source)
    failures: list[Exception] = []

    async def reload() -> None:
        try:
            await app.reload()
        except StartupFailed as error:
            failures.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, lifespan(app):
            source.entries = (Middleware(Hanging),)
            tasks.start_soon(reload)
            await until(lambda: len(Foreign.built) == 1)
            await anyio.sleep(0.01)
    assert len(failures) == 1
    assert inner.events == ["startup", "shutdown"]


async def test_an_application_that_failed_to_start_and_listens_on_is_not_waited_for() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.failed", "message": "no database"})

    with anyio.fail_after(5), pytest.raises(LifespanFailed, match="no database"):
        async with lifespan(ReloadingApp(app, Source(Middleware(Counting)))):
            pass


async def test_what_is_loaded_anew_while_the_application_starts_is_opened_and_closed() -> None:
    reloads: list[Callable[[], Any]] = []
    inner = App()

    async def starting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            assert await reloads.pop()()
        await inner(scope, receive, send)

    source = Source(Middleware(Counting), Middleware(Foreign, name="old"))
    app = ReloadingApp(starting, source)
    source.entries = (Middleware(Foreign, name="new"),)
    reloads.append(app.reload)
    with anyio.fail_after(5):
        async with lifespan(app):
            assert await seen(app) == ["new 1"]
            await until(lambda: len(app._runs) == 1)
    assert [foreign.events for foreign in Foreign.built] == [["startup", "shutdown"]] * 2
    assert inner.events == ["startup", "shutdown"]


async def test_what_is_loaded_anew_while_the_application_starts_and_cannot_start_is_not_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = App()
    source = Source(Middleware(Counting), Middleware(Foreign))
    first: list[ReloadingApp] = []

    async def starting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            source.entries = (Middleware(Failing), Middleware(Foreign))
            assert await first[0].reload()
        await inner(scope, receive, send)

    app = ReloadingApp(starting, source)
    first.append(app)
    with anyio.fail_after(5):
        async with lifespan(app):
            assert await seen(app) == ["foreign 1", "count 1"]
            assert "no disk" in caplog.text
            assert [*app._current.foreign[0].joint.inside] == [app._current]
    assert Foreign.built[0].events == inner.events == ["startup", "shutdown"]


async def test_a_stack_that_is_being_closed_at_the_end_is_waited_for() -> None:
    closing, closed = anyio.Event(), list[str]()

    class Slow(Foreign):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                closing.set()
                await anyio.sleep(0.02)
                closed.append("slowly")
                return await send({"type": "lifespan.shutdown.complete"})
            await super().__call__(scope, receive, send)

    source = Source(Middleware(Slow))
    app = ReloadingApp(App(), source)
    with anyio.fail_after(5):
        async with lifespan(app):
            source.entries = ()
            assert await app.reload()
            await closing.wait()
    assert closed == ["slowly"]


async def test_a_lifespan_that_is_cancelled_leaves_an_application_that_can_be_loaded_anew() -> None:
    source = Source(Middleware(Foreign))
    app = ReloadingApp(App(), source)
    with anyio.fail_after(5):
        async with Driver(app, {"type": "lifespan", "asgi": {"version": "3.0"}}) as call:
            call.feed({"type": "lifespan.startup"})
            await call.receive()
            await call.cancel()
        source.entries = (Middleware(Counting), Middleware(Foreign))
        assert await app.reload()
        assert await seen(app) == ["foreign 1", "count 1"]
        async with lifespan(app):
            pass
    assert Foreign.built[0].events == ["startup", "startup", "shutdown"]


async def test_a_request_that_a_foreign_layer_makes_meets_the_newest_stack() -> None:
    class Asking(Foreign):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope = http_scope(path=scope["path"])
            await self.app(scope, receive, send)

    app = ReloadingApp(App(), Source(Middleware(Asking), Middleware(Counting)))
    assert await seen(app) == ["count 1"]


def test_where_the_loop_is_not_in_the_main_thread_the_signal_is_left_alone() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"{sorted(scope['state'])}")(scope, receive, send)

    @asynccontextmanager
    async def stated(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": object()}

    source = Source(Middleware(Foreign), Middleware(Counting))
    reloading = ReloadingApp(Starlette(routes=[Mount("/", app)], lifespan=stated), source)

    async def serve() -> None:
        for _ in range(2):
            async with lifespan(reloading) as state:
                assert (await request(reloading, state=state)).text == "['pool']"
                source.entries = (Middleware(Foreign), *source.entries)
                assert await reloading.reload()
                assert (await request(reloading, state=state)).text == "['pool']"

    with ThreadPoolExecutor() as threads:
        threads.submit(anyio.run, serve).result(10)
    assert [foreign.events for foreign in Foreign.built] == [["startup", "shutdown"] * times for times in (2, 2, 1)]


async def test_hundreds_of_exchanges_leave_nothing_behind() -> None:
    source = Source()
    records = (
        Middleware(Foreign),
        When(Middleware(Foreign, name="b"), paths=["/*"]),
        Middleware(RateLimit, limit="100000/second"),
        Middleware(ConcurrencyLimit),
        Middleware(Sessions, secret_key=secrets.token_urlsafe(32), store="memory://", secure=False),
        Middleware(Health, checks={"a": seen}),
        Middleware(Drain),
    )
    source.entries = records
    app = ReloadingApp(App(), source)

    async def exchange(times: int) -> None:
        for number in range(times):
            source.entries = (*records, Middleware(Counting, name=str(number)))
            assert await app.reload()
            await request(app)
            if number % 3 == 0:
                source.entries = (*records, Middleware(Failing))
                with pytest.raises(StartupFailed):
                    await app.reload()
        await until(lambda: len(app._runs) == 1)

    def ours() -> int:
        Foreign.built.clear()
        gc.collect()
        return sum(type(found).__module__.startswith("middlewares") for found in gc.get_objects())

    async with lifespan(app):
        await exchange(20)
        before = ours()
        await exchange(100)
        assert ours() - before < 20
        assert len(app._current.foreign[0].joint.inside) == 1
