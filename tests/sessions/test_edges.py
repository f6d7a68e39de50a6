"""What is easily missed: changes by another name, damaged records, requests that are given up, odd text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.sessions import SessionTooLate
from middlewares.stores import StoreUnavailable
from middlewares.stores.memory import MemoryStore
from tests.sessions.sites import Site, nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session


@dataclass
class Cart:
    items: list[int] = field(default_factory=list[int])


def login(session: Session) -> None:
    session["user_id"] = 7


# -- changes


@pytest.mark.parametrize("hand_over", [lambda s, value: s.update(a=value), lambda s, value: s.__ior__({"a": value})])
async def test_what_was_put_in_may_change_after_it_was_saved(site: Site, hand_over: Callable[..., Any]) -> None:
    """The application still holds the list that it has put in."""
    browser = site.browser()
    numbers = [1]

    async def act(session: Session) -> None:
        hand_over(session, numbers)
        await session.commit()
        numbers.append(2)

    await browser.visit(act)
    assert await browser.data() == {"a": [1, 2]}


async def test_what_was_put_in_may_change_after_the_headers_have_left(store_site: Site) -> None:
    browser = store_site.browser()
    numbers = [1]
    store_site.late = lambda _: numbers.append(2)
    await browser.visit(lambda session: session.update(a=numbers))
    store_site.late = nothing
    assert await browser.data() == {"a": [1, 2]}


async def test_in_a_cookie_that_is_too_late_and_said_so() -> None:
    site = Site()
    numbers = [1]
    site.late = lambda _: numbers.append(2)
    with pytest.raises(SessionTooLate):
        await site.visit(lambda session: session.update(a=numbers))


async def test_lists_inside_of_typed_objects_are_saved(site: Site) -> None:
    """The object shares them with the data, so that comparing both tells nothing."""
    browser = site.browser()
    await browser.visit(lambda session: session.update(cart={"items": [1]}))
    await browser.visit(lambda session: session.typed(Cart, "cart").items.append(2))
    assert await browser.data() == {"cart": {"items": [1, 2]}}


async def test_halves_of_surrogate_pairs_are_kept(site: Site) -> None:
    """JSON of a client may hold them, and must not make its requests fail."""
    browser = site.browser()
    await browser.visit(lambda session: session.update({"user_id": "\ud800", "a": {"\udc00": "\u00e9"}}))
    assert await browser.data() == {"user_id": "\ud800", "a": {"\udc00": "\u00e9"}}


# -- damaged records


@pytest.mark.parametrize(
    "value", [b"", b">", b">\xff", b"+\xff", b"\x00", bytes(25), bytes(25) + b"[1]", b"\x02?", b">s:x"]
)
async def test_a_damaged_record_is_an_empty_session(value: bytes) -> None:
    store = MemoryStore()
    browser = Site(store=store).browser()
    await browser.visit(login)
    for item in [item async for item in store.items()]:
        await store.replace(item.key, None, value, 60)
    assert await browser.data() == {}
    assert (await browser.visit(lambda session: session.clear())).status == 200
    await browser.visit(login)
    assert await browser.data() == {"user_id": 7}


@pytest.mark.parametrize("value", [b"", b"x", b">\xff", b"-1"])
async def test_a_damaged_revocation_revokes(value: bytes) -> None:
    store = MemoryStore()
    site = Site(revocations=store)
    browser = site.browser()
    await browser.visit(login)
    await site.visit(lambda session: session.revoke_all(7))
    for item in [item async for item in store.items()]:
        await store.replace(item.key, None, value, 60)
    assert await browser.data() == {}


# -- ends that must not be missed


class Slow(MemoryStore):
    """A store that hangs in one call, once it is told so."""

    hangs_in = ""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def replace(self, *arguments: Any, **options: Any) -> bytes | None:
        if self.hangs_in == "replace":
            self.hangs_in = ""
            self.reached.set()
            await asyncio.Event().wait()
        return await super().replace(*arguments, **options)


async def test_a_request_that_is_given_up_within_a_change_of_id_ends_the_old_one() -> None:
    store = Slow()
    browser = Site(store=store).browser()
    await browser.visit(login)
    thief = browser.copy()
    store.hangs_in = "replace"
    visit = asyncio.create_task(browser.visit(lambda session: session.regenerate()))
    await asyncio.wait_for(store.reached.wait(), 5)
    visit.cancel()
    await asyncio.gather(visit, return_exceptions=True)
    assert await thief.data() == {}


class Down(MemoryStore):
    is_down = False

    def get_now(self, key: str) -> bytes | None:
        if self.is_down:
            raise StoreUnavailable("down")
        return super().get_now(key)


@pytest.mark.parametrize(
    "leave",
    [
        lambda session: session.invalidate(),
        lambda session: session.clear(),
        lambda session: session.pop("user_id", None),
        lambda session: session.regenerate(),
    ],
)
async def test_no_logout_only_looks_done_where_visitors_are_nobody_without_the_store(
    leave: Callable[[Session], Any],
) -> None:
    store = Down()
    browser = Site(store=store, when_down="anonymous").browser()
    await browser.visit(login)
    store.is_down = True
    assert (await browser.visit(leave)).status == 503
    assert (await browser.visit(lambda session: session.get("user_id"))).status == 200


async def test_who_logs_in_again_right_after_all_sessions_were_revoked_is_logged_in() -> None:
    """Both happen within a millisecond."""
    site = Site(revocations=MemoryStore(), clock=time.time)
    browser = site.browser()

    async def renew(session: Session) -> None:
        await session.revoke_all(7)
        session.invalidate()
        login(session)

    await browser.visit(login)
    thief = browser.copy()
    await browser.visit(renew)
    assert await browser.data() == {"user_id": 7}
    assert await thief.data() == {}


# -- from a cookie into the store


def grow(session: Session) -> None:
    session["much"] = "x" * 6000


def spilling() -> Site:
    return Site(store=MemoryStore(), oversize="spill", revocations=MemoryStore())


async def test_growing_out_of_a_cookie_brings_nothing_back() -> None:
    browser = spilling().browser()
    await browser.visit(login)
    slow = browser.copy()

    async def overlap(session: Session) -> None:
        session["a"] = 1
        await browser.visit(lambda other: other.invalidate())
        grow(session)

    await slow.visit(overlap)
    assert await slow.data() == {}


async def test_revoking_all_counts_for_what_grows_out_of_a_cookie_just_then() -> None:
    site = spilling()
    browser = site.browser()
    await browser.visit(login)

    async def overlap(session: Session) -> None:
        session["a"] = 1
        await site.visit(lambda other: other.revoke_all(7))
        grow(session)

    await browser.visit(overlap)
    assert await browser.data() == {}


async def test_who_logs_out_with_the_cookie_ends_what_has_grown_out_of_it() -> None:
    browser = spilling().browser()
    await browser.visit(login)
    slow = browser.copy()

    async def overlap(session: Session) -> None:
        session["user_id"]
        await browser.visit(grow)
        session.invalidate()

    await slow.visit(overlap)
    assert await browser.data() == {}


async def test_what_grows_out_of_a_cookie_is_as_old_as_it_was() -> None:
    site = Site(store=MemoryStore(), oversize="spill", absolute_max_age=100)
    browser = site.browser()
    await browser.visit(login)
    site.clock.advance(60)
    await browser.visit(grow)
    site.clock.advance(50)
    assert await browser.data() == {}


# -- what responses say


async def test_a_list_of_sessions_is_for_one_visitor() -> None:
    site = Site(store=MemoryStore())
    response = await site.visit(lambda session: session.list_sessions(7))
    assert response.header("vary") == "Cookie"
