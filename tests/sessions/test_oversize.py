"""Sessions that do not fit into a cookie: an error, two cookies, or the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from middlewares.sessions import SessionTooLarge
from tests.sessions.sites import Site

if TYPE_CHECKING:
    from middlewares import Session

NAME = "__Host-session"


def is_empty(session: Session) -> None:
    assert dict(session) == {}


async def test_too_much_for_a_cookie_is_an_error_that_says_so() -> None:
    site = Site()
    with pytest.raises(SessionTooLarge, match="oversize"):
        await site.visit(lambda session: session.update(text="x" * 5000))


class TestChunks:
    async def test_two_cookies_hold_what_one_cannot(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        assert [*browser.cookies] == [NAME, f"{NAME}.1"]
        assert all(len(name) + len(value) <= 4096 for name, value in browser.cookies.items())
        assert await browser.data() == {"text": "x" * 4000}

    async def test_a_part_that_is_not_needed_any_more_is_deleted(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        await browser.visit(lambda session: session.update(text="x"))
        assert [*browser.cookies] == [NAME]
        assert await browser.data() == {"text": "x"}

    async def test_all_parts_are_deleted_in_the_end(self) -> None:
        browser = Site(oversize="chunk").browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        await browser.visit(lambda session: session.clear())
        assert browser.cookies == {}

    async def test_parts_of_two_writes_do_not_fit_together(self) -> None:
        site = Site(oversize="chunk")
        one, two = site.browser(), site.browser()
        await one.visit(lambda session: session.update(text="x" * 4000))
        await two.visit(lambda session: session.update(text="y" * 4000))
        one.cookies[f"{NAME}.1"] = two.cookies[f"{NAME}.1"]
        assert await one.data() == {}

    @pytest.mark.parametrize("length", [6000, 50_000])
    async def test_there_is_a_bound(self, length: int) -> None:
        """Servers in front take some 8 KB for all cookies."""
        site = Site(oversize="chunk")
        with pytest.raises(SessionTooLarge):
            await site.visit(lambda session: session.update(text="x" * length))

    async def test_a_planted_part_makes_no_session(self) -> None:
        site = Site(oversize="chunk")
        browser = site.browser()
        await browser.visit(lambda session: session.update(text="x" * 4000))
        response = await site.visit(is_empty, f"{browser.header}; {NAME}.1=planted")
        assert response.status == 200


class TestSpill:
    async def test_what_is_too_large_goes_into_the_store(self) -> None:
        from middlewares.stores.memory import MemoryStore

        store = MemoryStore()
        browser = Site(oversize="spill", store=store).browser()
        await browser.visit(lambda session: session.update(text="x"))
        assert browser.cookies[NAME][0] == "S"
        assert len(store) == 0
        await browser.visit(lambda session: session.update(text="x" * 5000))
        assert browser.cookies[NAME][0] == "I"
        assert await browser.data() == {"text": "x" * 5000}
        assert len(store) == 1

    async def test_a_new_session_may_be_too_large_at_once(self) -> None:
        browser = Site(oversize="spill", store="memory://").browser()
        await browser.visit(lambda session: session.update(text="x" * 5000))
        await browser.visit(lambda session: session.update(more=1))
        assert await browser.data() == {"text": "x" * 5000, "more": 1}
