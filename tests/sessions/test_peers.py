"""The attacks that sessions here withstand, carried out on others: controls, which show that they are attacks.

What is shown is true of the versions named here. Of others nothing is claimed: where they have mended it, all the
better.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from base64 import b64encode
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from itsdangerous import TimestampSigner
from starlette.middleware.sessions import SessionMiddleware
from starsessions import InMemoryStore
from starsessions import SessionMiddleware as Starsessions

from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from tests.stores.valkey import Server

KEY = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"
SHOWN = {"starlette": "1.10.0", "starsessions": "2.2.1", "litestar": "2.25.0", "flask-session": "0.8.0"}
USER = {"user_id": "victim"}
ADMIN = {"user_id": "admin"}


def shown_of(peer: str) -> pytest.MarkDecorator:
    """Return a mark by which a test fails only for the version that it shows something of."""
    is_other = version(peer) != SHOWN[peer]
    return pytest.mark.xfail(is_other, reason=f"{peer} is not {SHOWN[peer]}", strict=False)


class Peer:
    """A site with the sessions of another package."""

    def __init__(self, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
        self._act: Callable[[Any], Any] = lambda session: None
        self._app = wrap(self._answer)

    async def visit(self, cookies: str, act: Callable[[Any], Any]) -> str:
        """Let the application do something with the session; return the cookie afterwards."""
        self._act = act
        response = await request(self._app, headers={"cookie": cookies} if cookies else {})
        return (response.header("set-cookie") or cookies).partition(";")[0]

    async def data(self, cookies: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        await self.visit(cookies, lambda session: found.append(dict(session)))
        found[0].pop("__metadata__", None)
        return found[0]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        act = self._act
        if "session_handler" in scope:
            await scope["session_handler"].load()
        waited = act(scope["session"])
        if waited is not None:
            await waited
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def login(session: Any) -> None:
    session.update(USER)


def logout(session: Any) -> None:
    session.clear()


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def starsessions(store: InMemoryStore) -> Peer:
    return Peer(lambda app: Starsessions(app, store=store, lifetime=3600))


@pytest.fixture
def starlette() -> Peer:
    return Peer(lambda app: SessionMiddleware(app, secret_key=KEY))


def signed(data: dict[str, Any], key: str = KEY) -> str:
    """Return what the application signs with its key elsewhere, such as a link in a letter."""
    return TimestampSigner(key).sign(b64encode(json.dumps(data).encode())).decode()


@shown_of("starlette")
class TestStarlette:
    async def test_a_copied_cookie_outlives_the_logout(self, starlette: Peer) -> None:
        stolen = await starlette.visit("", login)
        await starlette.visit(stolen, logout)
        assert await starlette.data(stolen) == USER

    async def test_a_token_of_another_use_of_the_key_is_a_session(self, starlette: Peer) -> None:
        assert await starlette.data(f"session={signed(ADMIN)}") == ADMIN

    async def test_an_empty_key_lets_anybody_sign(self) -> None:
        peer = Peer(lambda app: SessionMiddleware(app, secret_key=""))
        assert await peer.data(f"session={signed(ADMIN, '')}") == ADMIN

    async def test_of_two_cookies_the_planted_one_can_win(self, starlette: Peer) -> None:
        own = await starlette.visit("", login)
        planted = await starlette.visit("", lambda session: session.update(user_id="attacker"))
        assert await starlette.data(f"{own}; {planted}") == {"user_id": "attacker"}

    async def test_junk_of_a_neighbour_logs_the_visitor_out(self, starlette: Peer) -> None:
        own = await starlette.visit("", login)
        assert await starlette.data(f"{own}; session=junk") == {}

    async def test_a_session_too_large_is_sent_all_the_same(self, starlette: Peer) -> None:
        cookie = await starlette.visit("", lambda session: session.update(cart="x" * 6000))
        assert len(cookie) > 4096  # browsers drop it, and nobody is told

    async def test_a_change_deep_inside_is_lost(self, starlette: Peer) -> None:
        cookie = await starlette.visit("", lambda session: session.update(cart=[]))
        cookie = await starlette.visit(cookie, lambda session: session["cart"].append("lamp"))
        assert await starlette.data(cookie) == {"cart": []}


@shown_of("starsessions")
class TestStarsessions:
    async def test_an_id_that_somebody_made_up_becomes_a_session(self, starsessions: Peer) -> None:
        await starsessions.visit("session=abc", login)
        assert await starsessions.data("session=abc") == USER

    async def test_a_planted_session_is_the_one_logged_in(self, starsessions: Peer) -> None:
        planted = await starsessions.visit("", lambda session: session.update(cart=["lamp"]))
        await starsessions.visit(planted, login)
        assert (await starsessions.data(planted))["user_id"] == "victim"

    async def test_a_slow_request_brings_back_what_was_logged_out(self, starsessions: Peer) -> None:
        cookie = await starsessions.visit("", login)
        is_read, may_save = asyncio.Event(), asyncio.Event()

        async def save(session: Any) -> None:
            session["late"] = session["user_id"]
            is_read.set()
            await may_save.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(starsessions.visit(cookie, save))
            await is_read.wait()
            await starsessions.visit(cookie, logout)
            may_save.set()
        assert (await starsessions.data(cookie))["user_id"] == "victim"

    async def test_overlapping_requests_lose_what_the_first_has_saved(self, starsessions: Peer) -> None:
        cookie = await starsessions.visit("", login)
        is_read, may_save = asyncio.Event(), asyncio.Event()

        async def save(session: Any) -> None:
            session["slow"] = True
            is_read.set()
            await may_save.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(starsessions.visit(cookie, save))
            await is_read.wait()
            await starsessions.visit(cookie, lambda session: session.update(quick=True))
            may_save.set()
        assert "quick" not in await starsessions.data(cookie)

    async def test_whoever_reads_the_store_can_log_in(self, starsessions: Peer, store: InMemoryStore) -> None:
        await starsessions.visit("", login)
        [key] = store.data
        assert await starsessions.data(f"session={key}") == USER

    async def test_an_invented_id_costs_a_look_into_the_store(self, store: InMemoryStore) -> None:
        asked: list[str] = []
        read = store.read

        async def counted(session_id: str, lifetime: int) -> bytes:
            asked.append(session_id)
            return await read(session_id, lifetime)

        store.read = counted  # type: ignore[method-assign]  # watched
        await Peer(lambda app: Starsessions(app, store=store)).data("session=invented")
        assert asked == ["invented"]

    async def test_a_session_that_was_only_read_is_written(self, starsessions: Peer, store: InMemoryStore) -> None:
        cookie = await starsessions.visit("", login)
        before = dict(store.data)
        await starsessions.data(cookie)
        assert store.data != before


@shown_of("litestar")
async def test_of_litestar_visitors_without_cookies_fill_the_store() -> None:
    """Each gets a record of 14 days, for nothing but a look."""
    from litestar import Litestar
    from litestar import Request as LitestarRequest
    from litestar.handlers import get
    from litestar.middleware.session.server_side import ServerSideSessionConfig
    from litestar.stores.memory import MemoryStore

    async def look(request: LitestarRequest[Any, Any, Any]) -> str:
        return str(request.session.get("user_id"))

    look.__annotations__ = {"request": LitestarRequest, "return": str}
    records = MemoryStore()
    middleware = [ServerSideSessionConfig().middleware]
    app: Any = Litestar([get("/")(look)], middleware=middleware, stores={"sessions": records})
    for _ in range(10):
        assert (await request(app)).text == "None"
    assert len(records._store) == 10


class Code:
    """What runs something when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (self._folder,)


@shown_of("flask-session")
def test_flask_session_falls_back_to_a_decoder_that_runs_code(valkey: Server, tmp_path: Path) -> None:
    """What neither msgpack nor JSON can be is given to pickle: whoever writes to the store runs what they like."""
    import flask
    import flask_session  # type: ignore[import-untyped]  # has no annotations
    from redis import Redis

    app = flask.Flask("shop")
    client = Redis.from_url(valkey.url)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client, SESSION_SERIALIZATION_FORMAT="json")
    flask_session.Session(app)

    @app.get("/")
    def look() -> str:
        return str(flask.session.get("user_id"))

    ran = tmp_path / "ran"
    client.set("session:abc", pickle.dumps(Code(str(ran))))
    browser = app.test_client()
    browser.set_cookie("session", "abc")
    browser.get("/")
    client.close()
    assert ran.is_dir()
