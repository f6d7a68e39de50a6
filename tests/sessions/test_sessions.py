"""What every session does, wherever it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares.sessions import SessionError
from tests.sessions.sites import KEY, Browser, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session


def put(**values: Any) -> Callable[[Session], None]:
    """Return what sets these values."""
    return lambda session: session.update(values)


async def test_what_is_put_in_is_there_at_the_next_request(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(cart=["lamp"], count=1))
    assert await browser.data() == {"cart": ["lamp"], "count": 1}


async def test_another_visitor_has_a_session_of_their_own(site: Site) -> None:
    alice, bob = site.browser(), site.browser()
    await alice.visit(put(name="alice"))
    await bob.visit(put(name="bob"))
    assert (await alice.data(), await bob.data()) == ({"name": "alice"}, {"name": "bob"})


async def test_a_session_that_nobody_asks_for_leaves_no_trace(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(count=1))
    response = await browser.visit()
    assert response.headers == []


async def test_a_visitor_for_whom_nothing_is_kept_gets_no_cookie(site: Site) -> None:
    response = await site.visit(lambda session: session.get("count"))
    assert response.header("set-cookie") is None
    assert response.header("vary") == "Cookie"


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda session: session["count"], id="by key"),
        pytest.param(lambda session: session.get("other"), id="a key that is not there"),
        pytest.param(lambda session: "count" in session, id="in"),
        pytest.param(len, id="len"),
        pytest.param(bool, id="bool"),
        pytest.param(list, id="keys"),
        pytest.param(lambda session: list(session.items()), id="items"),
        pytest.param(lambda session: session["cart"].copy(), id="something mutable"),
        pytest.param(lambda session: session.copy()["cart"], id="copy"),
        pytest.param(lambda session: session.is_new, id="is it new"),
        pytest.param(lambda session: session == {}, id="compared"),
    ],
)
async def test_what_is_only_read_is_not_sent_again(site: Site, read: Callable[[Session], Any]) -> None:
    browser = site.browser()
    await browser.visit(put(count=1, cart=["lamp"]))
    response = await browser.visit(lambda session: read(session) and None)
    assert response.header("vary") == "Cookie"
    assert response.header("set-cookie") is None
    assert response.header("cache-control") is None


def _clear_and_set(session: Session) -> None:
    session.clear()
    session["x"] = 1


def _there_and_back(session: Session) -> None:
    session["b"].append(2)
    session["b"].pop()


def _pop_item(session: Session) -> None:
    while session.popitem()[0] != "b":
        pass


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(put(a=2), {"a": 2, "b": [1], "c": {"d": {}}}, id="set"),
        pytest.param(lambda s: s.pop("a"), {"b": [1], "c": {"d": {}}}, id="pop"),
        pytest.param(lambda s: s.pop("z", 0), {"a": 1, "b": [1], "c": {"d": {}}}, id="pop of what is not there"),
        pytest.param(lambda s: s.__delitem__("a"), {"b": [1], "c": {"d": {}}}, id="del"),
        pytest.param(lambda s: s["b"].append(2), {"a": 1, "b": [1, 2], "c": {"d": {}}}, id="inside of a list"),
        pytest.param(
            lambda s: s["c"]["d"].update(e=1), {"a": 1, "b": [1], "c": {"d": {"e": 1}}}, id="deep inside of a table"
        ),
        pytest.param(
            lambda s: s.get("b").clear(), {"a": 1, "b": [], "c": {"d": {}}}, id="inside of what get has given"
        ),
        pytest.param(
            lambda s: next(v for v in s.values() if v == [1]).append(3),
            {"a": 1, "b": [1, 3], "c": {"d": {}}},
            id="inside of values()",
        ),
        pytest.param(
            lambda s: s.copy()["b"].append(4), {"a": 1, "b": [1, 4], "c": {"d": {}}}, id="inside of a shallow copy"
        ),
        pytest.param(
            lambda s: s.setdefault("f", []).append(1), {"a": 1, "b": [1], "c": {"d": {}}, "f": [1]}, id="setdefault"
        ),
        pytest.param(
            lambda s: s.setdefault("b", []).append(5), {"a": 1, "b": [1, 5], "c": {"d": {}}}, id="setdefault of old"
        ),
        pytest.param(lambda s: s.__ior__({"a": 9}), {"a": 9, "b": [1], "c": {"d": {}}}, id="|="),
        pytest.param(_clear_and_set, {"x": 1}, id="clear and set"),
        pytest.param(lambda s: s.clear(), {}, id="clear"),
        pytest.param(_pop_item, {"a": 1}, id="popitem"),
    ],
)
async def test_every_change_of_the_final_object_is_saved(
    site: Site, change: Callable[[Session], Any], expected: dict[str, Any]
) -> None:
    browser = site.browser()
    await browser.visit(put(a=1, b=[1], c={"d": {}}))
    await browser.visit(lambda session: change(session) and None)
    assert await browser.data() == expected


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(put(a=1), id="the same value"),
        pytest.param(lambda s: s.__setitem__("b", list(s["b"])), id="an equal list"),
        pytest.param(_there_and_back, id="and back again"),
    ],
)
async def test_a_rewrite_that_changes_nothing_is_no_write(site: Site, rewrite: Callable[[Session], Any]) -> None:
    browser = site.browser()
    await browser.visit(put(a=1, b=[1]))
    response = await browser.visit(lambda session: rewrite(session) and None)
    assert response.header("set-cookie") is None


async def test_one_and_true_are_not_the_same(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(a=1))
    await browser.visit(put(a=True))
    assert (await browser.data())["a"] is True


async def test_an_emptied_session_is_ended_and_its_cookie_deleted(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(a=1))
    response = await browser.visit(lambda session: session.clear())
    (line,) = response.values("set-cookie")
    attributes = line.split("; ")
    assert attributes[0] == "__Host-session="
    assert {"Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= {*attributes}
    assert any(attribute.startswith("Expires=Thu, 01 Jan 1970") for attribute in attributes)
    assert browser.cookies == {}


async def test_the_cookie_is_as_safe_as_cookies_can_be(site: Site) -> None:
    response = await site.visit(put(a=1))
    (line,) = response.values("set-cookie")
    name, *attributes = line.split("; ")
    assert name.startswith("__Host-session=")
    assert attributes == ["Max-Age=1209600", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"]


async def test_a_response_that_sets_a_cookie_is_not_to_be_stored(site: Site) -> None:
    response = await site.visit(put(a=1))
    assert response.header("cache-control") == "no-store"


async def test_what_the_application_says_of_caches_stays() -> None:
    headers = ((b"Cache-Control", b"private"), (b"vary", b"Accept"), (b"set-cookie", b"theme=dark"))
    response = await Site(headers=headers).visit(put(a=1))
    assert response.header("cache-control") == "private"
    assert response.header("vary") == "Accept, Cookie"
    assert response.values("set-cookie")[0] == "theme=dark"
    assert len(response.values("set-cookie")) == 2


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failed_request_changes_nothing(site: Site, status: int) -> None:
    browser = site.browser()
    await browser.visit(put(a=1))
    site.status = status
    response = await browser.visit(put(a=2))
    assert response.header("set-cookie") is None
    site.status = 200
    assert await browser.data() == {"a": 1}


async def test_what_raises_changes_nothing_and_passes_through(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(a=1))
    error = KeyError("mine")

    def fail(session: Session) -> None:
        session["a"] = 2
        raise error

    with pytest.raises(KeyError) as caught:
        await browser.visit(fail)
    assert caught.value is error
    assert await browser.data() == {"a": 1}


async def test_what_was_committed_is_kept_though_the_request_fails(site: Site) -> None:
    browser = site.browser()
    await browser.visit(put(a=1))

    async def commit(session: Session) -> None:
        session["a"] = 2
        await session.commit()
        session["a"] = 3

    site.status = 500
    await browser.visit(commit)
    site.status = 200
    assert await browser.data() == {"a": 2}


async def test_values_that_json_cannot_hold_are_told(site: Site) -> None:
    with pytest.raises(SessionError, match="only what JSON can"):
        await site.visit(put(a=object()))


async def test_flashes_are_shown_once(site: Site) -> None:
    browser = site.browser()
    shown: list[Any] = []
    await browser.visit(lambda session: session.flash("saved"))
    await browser.visit(lambda session: session.flash("careful", "warning"))
    await browser.visit(lambda session: shown.append(session.flashes("warning")))
    await browser.visit(lambda session: shown.append(session.flashes()))
    await browser.visit(lambda session: shown.append(session.flashes()))
    assert shown == [[("warning", "careful")], [("info", "saved")], []]
    assert browser.cookies == {}


async def test_adding_counts(site: Site) -> None:
    browser = site.browser()
    added: list[Any] = []

    async def add(session: Session) -> None:
        added.append(await session.add("hits"))
        added.append(await session.add("hits", 2))

    await browser.visit(add)
    await browser.visit(add)
    assert added == [1, 3, 4, 6]
    assert await browser.data() == {"hits": 6}


async def test_a_new_cookie_is_sent_under_the_first_key(site: Site) -> None:
    """Also for what was sealed under a former key, when it is read; keys that are gone are gone."""
    from tests.sessions.sites import OLD_KEY

    browser = site.browser()
    await browser.visit(put(a=1))
    store = site.layer._keeper.store
    options = {"encrypted": site.layer.encrypted} if store is None else {"store": store}
    rotated = Browser(Site(secret_key=[OLD_KEY, KEY], **options))
    rotated.cookies = {**browser.cookies}
    assert await rotated.data() == {"a": 1}
    assert rotated.cookies != browser.cookies
    alone = Browser(Site(secret_key=OLD_KEY, **options))
    alone.cookies = {**rotated.cookies}
    assert await alone.data() == {"a": 1}
    alone.cookies = {**browser.cookies}
    assert await alone.data() == {}
