"""Moving over from Starlette and Flask: their cookies are read up to a day, and replaced by ours."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import Response
from starlette.routing import Route

from middlewares.testing import request
from tests.sessions.sites import KEY, Site

if TYPE_CHECKING:
    from starlette.requests import Request

    from middlewares import Session

OLD = "the short key of old"


async def by_starlette(key: str, data: dict[str, Any]) -> str:
    """Return the cookie that a real Starlette sends."""

    async def login(request: Request) -> Response:
        request.session.update(data)
        return Response()

    app = Starlette(routes=[Route("/", login)], middleware=[Middleware(SessionMiddleware, secret_key=key)])
    response = await request(app)
    return str(response.header("set-cookie")).split(";")[0]


async def by_flask(key: str, data: dict[str, Any]) -> str:
    """Return the cookie that a real Flask sends."""
    app = flask.Flask(__name__)
    app.secret_key = key

    @app.route("/")
    def login() -> str:
        flask.session.update(data)
        return ""

    return app.test_client().get("/").headers["set-cookie"].split(";")[0]


KINDS = pytest.mark.parametrize(
    ("make", "option"),
    [
        pytest.param(by_starlette, "accept_starlette_until", id="starlette"),
        pytest.param(by_flask, "accept_flask_until", id="flask"),
    ],
)
TODAY = datetime.now(UTC).date()
DATA = {"user_id": 7, "cart": ["lamp"] * 50}


def site_with(**options: Any) -> Site:
    """Return a site whose clock is right: the other side stamps its cookies with the time of day."""
    site = Site(**options)
    site.clock.advance(datetime.now(UTC).timestamp() - site.clock())
    return site


@KINDS
async def test_an_old_session_goes_on_in_a_cookie_of_ours(make: Any, option: str, site: Site) -> None:
    cookie = await make(KEY, DATA)
    store = site.layer._keeper.store
    options = {"encrypted": True} if site.layer.encrypted else {"store": store}
    moved = site_with(**{option: TODAY}, **options)
    browser = moved.browser()
    name, _, value = cookie.partition("=")
    browser.cookies[name] = value
    assert await browser.data() == DATA
    assert [*browser.cookies] == [moved.cookie], "the old cookie must go"
    assert await browser.data() == DATA


@KINDS
async def test_the_last_day_is_the_last(make: Any, option: str) -> None:
    cookie = await make(KEY, DATA)
    site = site_with(**{option: TODAY}, max_age=None, absolute_max_age=None)
    found: list[Any] = []
    midnight = datetime(TODAY.year, TODAY.month, TODAY.day, 23, 59, 59, tzinfo=UTC).timestamp()
    site.clock.advance(max(0, midnight - site.clock()))
    await site.visit(lambda session: found.append(dict(session)), cookie)
    site.clock.advance(2)
    await site.visit(lambda session: found.append(dict(session)), cookie)
    assert found == [DATA, {}]


@KINDS
async def test_nothing_is_read_unless_it_is_asked_for(make: Any, option: str) -> None:
    cookie = await make(KEY, DATA)
    other = {"accept_starlette_until": "accept_flask_until", "accept_flask_until": "accept_starlette_until"}[option]
    found: list[Any] = []
    for options in ({}, {other: TODAY}):
        site = site_with(**options)
        await site.visit(lambda session: found.append(dict(session)), cookie)
    assert found == [{}, {}]


@KINDS
async def test_the_old_key_may_be_another(make: Any, option: str) -> None:
    cookie = await make(OLD, DATA)
    found: list[Any] = []
    for options in ({}, {"old_secret_key": OLD}):
        site = site_with(**{option: TODAY}, **options)
        await site.visit(lambda session: found.append(dict(session)), cookie)
    assert found == [{}, DATA]


@KINDS
async def test_a_session_of_ours_comes_first(make: Any, option: str) -> None:
    site = site_with(**{option: TODAY})
    browser = site.browser()
    await browser.visit(lambda session: session.update(user_id=8))
    found: list[Any] = []
    await site.visit(lambda session: found.append(dict(session)), f"{await make(KEY, DATA)}; {browser.header}")
    assert found == [{"user_id": 8}]


@pytest.mark.parametrize("value", ["", "x", "e30=.x.y", ".eJw.x.y", "a" * 100_000, "\xff.\xff"])
async def test_junk_is_nothing(value: str) -> None:
    site = site_with(accept_starlette_until=TODAY, accept_flask_until=TODAY)
    found: list[Any] = []
    await site.visit(lambda session: found.append(dict(session)), f"session={value}")
    assert found == [{}]


async def test_what_starlette_signed_may_be_no_session() -> None:
    """It answers 500 to such a cookie of its own, again and again."""
    from base64 import b64encode

    from itsdangerous import TimestampSigner

    site = site_with(accept_starlette_until=TODAY)
    found: list[Any] = []
    for payload in (b"[]", b"null", b"{", b"[" * 3000):
        value = TimestampSigner(KEY).sign(b64encode(payload)).decode()
        await site.visit(lambda session: found.append(dict(session)), f"session={value}")
    assert found == [{}] * 4


def test_a_day_is_a_date() -> None:
    assert site_with(accept_starlette_until=date(2030, 1, 31)).layer.accept_starlette_until == date(2030, 1, 31)


def _leave(session: Session) -> None:
    session.clear()


async def _leave_after_a_commit(session: Session) -> None:
    session["a"] = 1
    await session.commit()
    session["b"] = 2


@KINDS
@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("act", [_leave, _leave_after_a_commit])
async def test_a_logout_ends_what_an_old_cookie_says(make: Any, option: str, secure: bool, act: Any) -> None:
    """A browser that kept it would be logged in again."""
    browser = site_with(**{option: TODAY}, secure=secure).browser()
    name, _, value = (await make(KEY, DATA)).partition("=")
    browser.cookies[name] = value
    await browser.visit(act)
    if browser.cookies:
        await browser.visit(_leave)
    assert browser.cookies == {}


async def test_an_old_cookie_may_be_read_late() -> None:
    site = site_with(accept_starlette_until=TODAY)
    found: list[Any] = []
    site.late = lambda session: found.append(session.get("user_id"))
    await site.visit(cookies=await by_starlette(KEY, DATA))
    assert found == [7]
