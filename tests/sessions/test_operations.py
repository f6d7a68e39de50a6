"""Ends and new beginnings: timeouts, new ids, logouts, and all the sessions of one user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares.stores.memory import MemoryStore
from tests.sessions.sites import Counting, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session

HOUR = 3600


def put(**values: Any) -> Callable[[Session], None]:
    return lambda session: session.update(values)


def read(session: Session) -> None:
    session.get("a")


def options_of(kind: str) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {
        "signed": {},
        "encrypted": {"encrypted": True},
        "memory": {"store": "memory://"},
    }
    return options[kind]


KINDS = pytest.mark.parametrize("kind", ["signed", "encrypted", "memory"])


class TestTimeouts:
    @KINDS
    async def test_a_session_that_is_not_used_ends_to_the_second(self, kind: str) -> None:
        """For clients that ignore Max-Age too."""
        site = Site(max_age=HOUR, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        site.clock.advance(HOUR - 1)
        assert await browser.copy().data() == {"a": 1}
        site = Site(max_age=HOUR, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        site.clock.advance(HOUR)
        assert await browser.copy().data() == {}

    @KINDS
    async def test_a_session_that_is_used_lives_on(self, kind: str) -> None:
        site = Site(max_age=HOUR, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        for _ in range(5):
            site.clock.advance(HOUR / 2)
            await browser.visit(read)
        assert await browser.data() == {"a": 1}

    @KINDS
    async def test_a_session_ends_however_much_it_is_used(self, kind: str) -> None:
        site = Site(max_age=HOUR, absolute_max_age=3 * HOUR, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        for _ in range(5):
            site.clock.advance(HOUR / 2)
            await browser.visit(put(b=site.clock()))
        assert (await browser.data())["a"] == 1
        site.clock.advance(HOUR / 2)
        assert await browser.data() == {}

    @KINDS
    async def test_a_cookie_does_not_outlive_its_session(self, kind: str) -> None:
        site = Site(max_age=HOUR, absolute_max_age=HOUR + 100, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        site.clock.advance(HOUR - 1)
        response = await browser.visit(read)
        assert "Max-Age=101;" in str(response.header("set-cookie"))

    @KINDS
    async def test_uses_are_noted_at_most_once_in_a_share_of_the_time(self, kind: str) -> None:
        site = Site(max_age=1000, refresh=0.1, **options_of(kind))
        browser = site.browser()
        await browser.visit(put(a=1))
        noted = 0
        for _ in range(100):
            site.clock.advance(10)
            noted += (await browser.visit(read)).header("set-cookie") is not None
        assert noted == 10

    async def test_reading_writes_nothing_to_the_store(self) -> None:
        store = Counting(MemoryStore())
        browser = Site(store=store).browser()
        await browser.visit(put(a=1))
        store.calls.clear()
        await browser.visit(read)
        assert store.calls == ["get_now"]

    async def test_a_session_gets_a_new_id_after_its_time(self) -> None:
        """Requests that are under way with the old one still find it, and are not logged out."""
        site = Site(store="memory://", renewal_age=HOUR)
        browser = site.browser()
        await browser.visit(put(a=1, user_id=7))
        late = browser.copy()
        site.clock.advance(HOUR)
        await browser.visit(read)
        assert browser.cookies != late.cookies
        assert await late.data() == {"a": 1, "user_id": 7}
        await late.visit(put(b=2))
        assert await browser.data() == {"a": 1, "user_id": 7, "b": 2}

    async def test_a_logout_by_a_former_id_ends_the_session(self) -> None:
        site = Site(store="memory://", renewal_age=HOUR)
        browser = site.browser()
        await browser.visit(put(a=1))
        late = browser.copy()
        site.clock.advance(HOUR)
        await browser.visit(read)
        await late.visit(lambda session: session.invalidate())
        assert await browser.data() == {}


class TestNewIds:
    async def test_the_old_id_dies(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(put(a=1))
        thief = browser.copy()
        await browser.visit(lambda session: session.regenerate())
        assert thief.cookies != browser.cookies
        assert await browser.data() == {"a": 1}
        assert await thief.data() == {}

    @pytest.mark.parametrize("after", ["fails", "answers 500"])
    async def test_the_old_id_dies_though_the_request_fails(self, store_site: Site, after: str) -> None:
        browser = store_site.browser()
        await browser.visit(put(a=1))

        def act(session: Session) -> None:
            session.regenerate()
            if after == "fails":
                raise KeyError(after)

        store_site.status = 500
        if after == "fails":
            with pytest.raises(KeyError):
                await browser.visit(act)
        else:
            await browser.visit(act)
        store_site.status = 200
        assert await browser.data() == {}

    async def test_the_old_id_dies_together_with_clear(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(put(a=1))
        thief = browser.copy()

        def act(session: Session) -> None:
            session.clear()
            session.regenerate()
            session["b"] = 2

        await browser.visit(act)
        assert await browser.data() == {"b": 2}
        assert await thief.data() == {}

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(put(user_id=2), id="another user"),
            pytest.param(lambda session: session.pop("user_id") and None, id="nobody"),
        ],
    )
    async def test_another_user_means_another_id(self, store_site: Site, change: Callable[[Session], Any]) -> None:
        browser = store_site.browser()
        await browser.visit(put(cart=["lamp"], user_id=1))
        thief = browser.copy()
        await browser.visit(change)
        assert (await browser.data())["cart"] == ["lamp"]
        assert await thief.data() == {}

    async def test_the_key_of_the_user_is_an_option(self) -> None:
        browser = Site(store="memory://", user_key="login").browser()
        await browser.visit(put(a=1))
        before = {**browser.cookies}
        await browser.visit(put(user_id=1))
        assert browser.cookies == before
        await browser.visit(put(login=1))
        assert browser.cookies != before

    async def test_a_new_id_for_nobody_is_nothing(self, site: Site) -> None:
        response = await site.visit(lambda session: session.regenerate())
        assert response.header("set-cookie") is None


class TestLogout:
    async def test_a_copied_cookie_is_worth_nothing_after_a_logout(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(put(user_id=1))
        thief = browser.copy()
        await browser.visit(lambda session: session.invalidate())
        assert browser.cookies == {}
        assert await thief.data() == {}

    @pytest.mark.parametrize("encrypted", [False, True])
    async def test_so_it_is_for_cookies_with_a_store_of_revocations(self, encrypted: bool) -> None:
        site = Site(encrypted=encrypted, revocations="memory://")
        browser = site.browser()
        await browser.visit(put(user_id=1))
        thief = browser.copy()
        await browser.visit(lambda session: session.clear())
        assert await thief.data() == {}

    async def test_what_is_set_after_invalidating_begins_a_new_session(self, site: Site) -> None:
        browser = site.browser()
        await browser.visit(put(user_id=1, a=1))
        before = {**browser.cookies}

        def act(session: Session) -> None:
            session.invalidate()
            session["user_id"] = 1

        await browser.visit(act)
        assert browser.cookies != before
        assert await browser.data() == {"user_id": 1}

    async def test_a_logout_counts_though_the_request_fails(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(put(user_id=1))

        def act(session: Session) -> None:
            session.invalidate()
            raise KeyError("later")

        with pytest.raises(KeyError):
            await browser.visit(act)
        assert await browser.data() == {}
