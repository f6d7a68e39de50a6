"""Changes after the headers have left, WebSockets, and stores on the network that are not waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Sessions
from middlewares.sessions import SessionNotLoaded, SessionTooLate
from middlewares.stores.memory import MemoryStore
from middlewares.testing import Driver, WebSocketRefused, http_scope, websocket
from tests.sessions.sites import KEY, Counting, Site
from tests.sessions.test_concurrency import Stepping

if TYPE_CHECKING:
    from middlewares import Session
    from middlewares.asgi import Message, Receive, Scope, Send


async def _sent(send: Send, message: Message) -> None:
    await send(message)


def put(session: Session) -> None:
    session["late"] = True


async def test_a_store_saves_late_changes(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(lambda session: session.update(a=[1]))
    store_site.late = lambda session: session["a"].append(2)
    await browser.visit()
    store_site.late = put
    await browser.visit()
    store_site.late = lambda session: None
    assert await browser.data() == {"a": [1, 2], "late": True}


async def test_a_late_logout_counts(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(lambda session: session.update(user_id=7))
    store_site.late = lambda session: session.invalidate()
    await browser.visit()
    store_site.late = lambda session: None
    assert await browser.data() == {}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put, id="set"),
        pytest.param(lambda session: session["a"].append(2), id="inside of a list"),
        pytest.param(lambda session: session.clear(), id="clear"),
    ],
)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_cookie_cannot_be_changed_late_and_says_so(encrypted: bool, change: Any) -> None:
    site = Site(encrypted=encrypted)
    browser = site.browser()
    await browser.visit(lambda session: session.update(a=[1]))
    site.late = change
    with pytest.raises(SessionTooLate):
        await browser.visit()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put, id="a new session"),
        pytest.param(lambda session: session.update(user_id=7), id="a login"),
    ],
)
async def test_what_needs_a_cookie_of_its_own_cannot_begin_late(store_site: Site, change: Any) -> None:
    store_site.late = change
    with pytest.raises(SessionTooLate):
        await store_site.visit()


async def test_a_late_login_into_a_session_is_refused_too(store_site: Site) -> None:
    """Its id would have to change, and the client cannot be told."""
    browser = store_site.browser()
    await browser.visit(lambda session: session.update(a=1))
    store_site.late = lambda session: session.update(user_id=7)
    with pytest.raises(SessionTooLate):
        await browser.visit()
    store_site.late = lambda session: None
    assert await browser.data() == {"a": 1}


async def test_late_reading_is_fine(site: Site) -> None:
    browser = site.browser()
    await browser.visit(lambda session: session.update(a=[1]))
    site.late = lambda session: session["a"] and None
    assert (await browser.visit()).header("set-cookie") is None


async def test_nothing_overtakes_a_start_that_waits_for_the_store() -> None:
    may_go = asyncio.Event()

    class Slow(MemoryStore):
        async def create(self, *arguments: Any, **options: Any) -> bool:
            await may_go.wait()
            return await super().create(*arguments, **options)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["a"] = 1
        async with asyncio.TaskGroup() as group:
            group.create_task(_sent(send, {"type": "http.response.start", "status": 200, "headers": []}))
            await asyncio.sleep(0)
            group.create_task(_sent(send, {"type": "http.response.body", "body": b"x"}))

    async with Driver(Sessions(app, secret_key=KEY, store=Slow()), http_scope()) as call:
        await call.assert_silent()
        may_go.set()
        assert (await call.receive())["type"] == "http.response.start"
        assert (await call.receive())["body"] == b"x"
        await call.finish()


async def test_reading_what_is_not_loaded_says_what_to_do() -> None:
    site = Site(store=Stepping(MemoryStore()), preload=False)
    browser = site.browser()
    await browser.visit(lambda session: session.update(a=1))
    with pytest.raises(SessionNotLoaded, match=r"session\.load"):
        await browser.visit(lambda session: session.get("a") and None)

    async def load(session: Session) -> None:
        await session.load()
        assert session["a"] == 1

    await browser.visit(load)


async def test_without_preload_a_session_that_nobody_asks_for_costs_no_call() -> None:
    store = Counting(MemoryStore())
    site = Site(store=store)
    object.__setattr__(site.layer, "_preloads", False)
    browser = site.browser()
    await browser.visit(lambda session: session.update(a=1))
    store.calls.clear()
    await browser.visit()
    assert store.calls == []


class Sockets:
    """A WebSocket application that changes its session before or after it accepts."""

    def __init__(self, before: Any = lambda session: None, after: Any = lambda session: None, **options: Any) -> None:
        self.before, self.after = before, after
        self.answer: dict[str, Any] = {"type": "websocket.accept"}
        self.site = Site(**options)
        object.__setattr__(self.site.layer, "app", self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.before(scope["session"])
        await send(self.answer)
        if self.answer["type"] == "websocket.accept":
            self.after(scope["session"])
            await send({"type": "websocket.close"})


def cookie_of(headers: Any) -> str:
    return str(dict(headers)[b"set-cookie"].split(b";")[0].decode())


async def test_a_websocket_tells_of_its_session_when_it_accepts() -> None:
    app = Sockets(put)
    async with websocket(app.site.layer) as socket:
        cookie = cookie_of(socket.headers)
    seen: list[Any] = []
    app.before = lambda session: seen.append(dict(session))
    async with websocket(app.site.layer, headers={"cookie": cookie}) as socket:
        assert [*socket.headers] == []
    assert seen == [{"late": True}]


async def test_a_websocket_that_does_not_ask_leaves_no_trace() -> None:
    app = Sockets()
    async with websocket(app.site.layer) as socket:
        assert [*socket.headers] == []


async def test_what_a_websocket_changes_later_goes_to_the_store() -> None:
    app = Sockets(put, store="memory://")
    async with websocket(app.site.layer) as socket:
        cookie = cookie_of(socket.headers)
    app.before, app.after = (lambda session: None), (lambda session: session.update(more=1))
    async with websocket(app.site.layer, headers={"cookie": cookie}):
        pass
    seen: list[Any] = []
    app.before, app.after = (lambda session: seen.append(dict(session))), (lambda session: None)
    async with websocket(app.site.layer, headers={"cookie": cookie}):
        pass
    assert seen == [{"late": True, "more": 1}]


async def test_a_websocket_that_is_refused_keeps_nothing() -> None:
    app = Sockets(put, store="memory://")
    app.answer = {"type": "websocket.close"}
    with pytest.raises(WebSocketRefused):
        async with websocket(app.site.layer):
            pass
    store = app.site.layer._keeper.store
    assert store is not None
    assert [item async for item in store.items()] == []
