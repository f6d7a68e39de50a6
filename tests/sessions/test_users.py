"""All sessions of a user: listed, and ended one by one or together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares.sessions import SessionError
from tests.sessions.sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session


def put(**values: Any) -> Callable[[Session], None]:
    return lambda session: session.update(values)


class TestUsers:
    async def test_all_sessions_of_a_user_can_be_listed(self, store_site: Site) -> None:
        browsers = [store_site.browser() for _ in range(3)]
        for number, browser in enumerate(browsers):
            await browser.visit(put(user_id=7 if number else 8, device=number))
            store_site.clock.advance(1)
        found: list[Any] = []

        async def act(session: Session) -> None:
            found.extend(await session.list_sessions(7))

        await browsers[1].visit(act)
        assert [info.data["device"] for info in found] == [2, 1]
        assert [info.is_current for info in found] == [False, True]
        assert found[0].created == 1_000_002

    async def test_all_sessions_of_a_user_can_be_revoked(self, store_site: Site) -> None:
        browsers = [store_site.browser() for _ in range(3)]
        for number, browser in enumerate(browsers):
            await browser.visit(put(user_id=7 if number else 8))
        counts: list[int] = []

        async def act(session: Session) -> None:
            counts.append(await session.revoke_all(7))

        await browsers[0].visit(act)
        assert counts == [2]
        assert [await browser.data() for browser in browsers] == [{"user_id": 8}, {}, {}]

    async def test_all_but_this_one(self, store_site: Site) -> None:
        browsers = [store_site.browser() for _ in range(3)]
        for browser in browsers:
            await browser.visit(put(user_id=7))

        async def act(session: Session) -> None:
            await session.revoke_all(7, keep_current=True)

        await browsers[1].visit(act)
        assert [await browser.data() for browser in browsers] == [{}, {"user_id": 7}, {}]

    async def test_one_can_be_revoked_but_only_of_this_user(self, store_site: Site) -> None:
        browsers = [store_site.browser() for _ in range(2)]
        for browser in browsers:
            await browser.visit(put(user_id=7))

        async def act(session: Session) -> None:
            (other,) = [info for info in await session.list_sessions(7) if not info.is_current]
            assert not await session.revoke(8, other.key)
            assert await session.revoke(7, other.key)

        await browsers[0].visit(act)
        assert [await browser.data() for browser in browsers] == [{"user_id": 7}, {}]

    async def test_cookies_of_a_user_are_revoked_by_their_time(self) -> None:
        site = Site(revocations="memory://")
        alice, bob = site.browser(), site.browser()
        await alice.visit(put(user_id="alice"))
        await bob.visit(put(user_id="bob"))
        site.clock.advance(1)

        async def act(session: Session) -> None:
            await session.revoke_all("alice")

        await bob.visit(act)
        assert await alice.data() == {}
        assert await bob.data() == {"user_id": "bob"}
        site.clock.advance(1)
        await alice.visit(put(user_id="alice"))
        assert await alice.data() == {"user_id": "alice"}

    async def test_a_new_login_after_revoking_works(self, store_site: Site) -> None:
        browser = store_site.browser()
        await browser.visit(put(user_id=7))

        async def act(session: Session) -> None:
            await session.revoke_all(7)

        await browser.visit(act)
        store_site.clock.advance(1)
        await browser.visit(put(user_id=7))
        await browser.visit(lambda session: session.regenerate())
        assert await browser.data() == {"user_id": 7}

    @pytest.mark.parametrize("call", ["list_sessions", "revoke_all"])
    async def test_without_a_store_it_is_told(self, call: str) -> None:
        async def act(session: Session) -> None:
            await getattr(session, call)(7)

        with pytest.raises(SessionError, match="store"):
            await Site().visit(act)
