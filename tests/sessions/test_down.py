"""A store that does not answer: the declared policy, no hang, and no login that only looks saved."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import CORS, Sessions
from middlewares.stores import StoreUnavailable
from middlewares.stores.memory import MemoryStore
from middlewares.testing import WebSocketRefused, lifespan, request, websocket
from tests.sessions.sites import KEY, Site
from tests.stores.valkey import Server

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares import Session
    from middlewares.asgi import Receive, Scope, Send


class Failing:
    """A store some calls of which fail, once it is told so."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.fails: set[str] = set()
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if name in self.fails:
                raise StoreUnavailable(f"{name}: down")
            return found(*arguments, **options)

        return call

    async def aclose(self) -> None:
        self.closed += 1


READS = {"get", "get_now"}
WRITES = {"create", "replace", "delete", "touch"}


def login(session: Session) -> None:
    session["user_id"] = 7


def look(session: Session) -> None:
    session.get("user_id")


@pytest.fixture
def store() -> Failing:
    return Failing()


async def test_a_request_that_needs_its_session_gets_503(store: Failing) -> None:
    browser = Site(store=store).browser()
    await browser.visit(login)
    store.fails = READS
    response = await browser.visit(look)
    assert response.status == 503
    assert response.header("retry-after") == "1"
    assert response.header("cache-control") == "no-store"
    assert response.header("set-cookie") is None


@pytest.mark.parametrize("preload", [True, False])
async def test_a_page_of_an_allowed_origin_reads_the_503(store: Failing, preload: bool) -> None:
    page = "https://page.example"
    fails = store.fails

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if fails:
            try:
                await scope["session"].load()
            except StoreUnavailable as error:
                raise RuntimeError("no visitor") from error
        login(scope["session"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    options: dict[str, Any] = {"secret_key": KEY, "store": store, "preload": preload}
    layer = Sessions(CORS(app, allow_origins=[page]), **options)
    cookie = (await request(layer, headers={"origin": page})).header("set-cookie")
    assert cookie is not None
    fails.update(READS)
    headers = {"origin": page, "cookie": cookie.partition(";")[0]}
    response = await request(layer, headers=headers, raise_exceptions=False)
    assert response.status == 503
    assert response.header("access-control-allow-origin") == page
    headers["access-control-request-method"] = "POST"
    assert (await request(layer, "OPTIONS", headers=headers)).status == 204


async def test_a_request_that_does_not_is_answered(store: Failing) -> None:
    browser = Site(store=store).browser()
    await browser.visit(login)
    store.fails = READS | WRITES
    assert (await browser.visit()).status == 200
    assert (await Site(store=store).visit(look)).status == 200  # no cookie: nothing to ask for


@pytest.mark.parametrize("when_down", ["503", "anonymous"])
async def test_no_login_only_looks_saved(store: Failing, when_down: str) -> None:
    site = Site(store=store, when_down=when_down)
    store.fails = WRITES
    response = await site.visit(login)
    assert response.status == 503
    assert response.header("set-cookie") is None


async def test_a_visitor_may_be_treated_as_nobody(store: Failing) -> None:
    site = Site(store=store, when_down="anonymous")
    browser = site.browser()
    await browser.visit(login)
    store.fails = READS
    found: list[Any] = []
    response = await browser.visit(lambda session: found.append(dict(session)))
    assert (response.status, found) == (200, [{}])
    assert response.header("set-cookie") is None
    assert (await browser.visit(lambda session: session.update(a=1))).status == 503
    store.fails = set()
    assert await browser.data() == {"user_id": 7}


async def test_a_logout_that_failed_is_told(store: Failing) -> None:
    browser = Site(store=store).browser()
    await browser.visit(login)
    store.fails = WRITES
    response = await browser.visit(lambda session: session.invalidate())
    assert response.status == 503
    assert browser.cookies


async def test_an_application_may_answer_itself(store: Failing) -> None:
    """It sees the error where it asks, or when it answers."""
    site = Site(store=store)
    store.fails = WRITES

    async def commit(session: Session) -> None:
        session["a"] = 1
        with pytest.raises(StoreUnavailable):
            await session.commit()
        session.clear()

    response = await site.visit(commit)
    assert response.status == 200
    assert response.header("set-cookie") is None


async def test_a_store_of_the_application_is_its_own_business() -> None:
    def fail(session: Session) -> None:
        raise StoreUnavailable("of the application")

    with pytest.raises(StoreUnavailable, match="of the application"):
        await Site().visit(fail)


async def test_an_error_of_its_own_passes_though_the_store_has_failed_before(store: Failing) -> None:
    store.fails = WRITES

    async def act(session: Session) -> None:
        session["a"] = 1
        with suppress(StoreUnavailable):
            await session.commit()
        try:
            raise KeyError("its own")
        finally:
            session.clear()

    with pytest.raises(KeyError, match="its own"):
        await Site(store=store).visit(act)


@pytest.mark.parametrize("how", ["cause", "context", "group"])
async def test_what_frameworks_make_of_the_error_is_known(store: Failing, how: str) -> None:
    site = Site(store=store)
    browser = site.browser()
    await browser.visit(login)
    store.fails = READS

    def act(session: Session) -> None:
        try:
            session["user_id"]
        except StoreUnavailable as error:
            if how == "cause":
                raise RuntimeError("handled") from error
            if how == "group":
                raise ExceptionGroup("tasks", [error]) from None
            raise RuntimeError("while handling")  # noqa: B904 - this is what is tested

    assert (await browser.visit(act)).status == 503


async def test_a_websocket_is_refused(store: Failing) -> None:
    site = Site(store=store)
    browser = site.browser()
    await browser.visit(login)
    store.fails = READS
    site._acts["x"] = look
    with pytest.raises(WebSocketRefused) as caught:
        async with websocket(site.layer, headers={"cookie": browser.header, "x-act": "x"}):
            pass
    assert caught.value.code == 1013


async def test_a_store_that_was_opened_here_is_closed_here() -> None:
    site = Site(store="memory://")
    given = Failing()
    closed = Failing()
    object.__setattr__(site.layer, "_stores", (closed,))
    async with lifespan(_with_lifespan(site)):
        assert closed.closed == 0
    assert closed.closed >= 1
    async with lifespan(_with_lifespan(Site(store=given))):
        pass
    assert given.closed == 0


def _with_lifespan(site: Site) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            message = await receive()
            await send({"type": f"{message['type']}.complete"})

    object.__setattr__(site.layer, "app", app)
    return site.layer


async def test_no_request_waits_longer_than_the_deadline_for_a_frozen_server(tmp_path: Path) -> None:
    """And the server is back in use as soon as it goes on; a session that is lost means a visitor without one."""
    server = Server(tmp_path)
    server.start()
    try:
        site = Site(store=server.url, store_deadline=0.2)
        browser = site.browser()
        await browser.visit(login)
        server.freeze()
        started = time.monotonic()
        assert (await browser.visit(look)).status == 503
        assert time.monotonic() - started < 2
        server.thaw()
        assert await browser.data() == {"user_id": 7}
        server.kill()
        assert (await browser.visit(look)).status == 503
        server.start()
        assert await browser.data() == {}
        await browser.visit(login)
        assert await browser.data() == {"user_id": 7}
        await site.layer._close()
    finally:
        server.kill()


async def test_with_redis_nothing_is_loaded_for_a_request_without_a_genuine_cookie(tmp_path: Path) -> None:
    """Nobody listens there: a call would be an error."""
    site = Site(store="redis://127.0.0.1:1/0")
    assert (await site.visit(look)).status == 200
    assert (await site.visit(look, f"{site.cookie}=I{'A' * 40}")).status == 200
    site._acts["x"] = look
    assert (await request(site.layer, headers={"x-act": "x", "cookie": "theme=dark"})).status == 200


ORIGIN = "https://shop.example"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", None])
async def test_pages_that_a_policy_inside_permits_can_read_why_they_are_refused(
    store: Failing, url: str | None
) -> None:
    """Without the headers of the policy a browser would keep the answer from them, before and after the application."""
    browser = Site(store=store).browser()
    await browser.visit(login)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"].get("user_id")

    down = Site(store=url or store)
    store.fails = READS
    layer = Sessions(CORS(app, allow_origins=[ORIGIN]), secret_key=KEY, store=down.layer.store, clock=down.clock)
    response = await request(layer, headers={"cookie": browser.header, "origin": ORIGIN})
    assert response.status == 503
    assert response.header("access-control-allow-origin") == ORIGIN
