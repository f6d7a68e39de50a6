"""Requests that overlap: nothing gets lost, and nothing that was ended comes back, in whatever order they step."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Sessions
from middlewares.sessions import SessionError
from middlewares.stores.memory import MemoryStore
from middlewares.testing import ManualClock, http_scope
from tests.sessions.sites import KEY, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from middlewares import Session
    from middlewares.asgi import Message, Receive, Scope, Send


class Stepping:
    """A store whose every call is a point at which somebody else may go on."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "get_now":
            raise AttributeError(name)  # so that loading has to wait too
        found = getattr(self._store, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            await _Step()
            return await found(*arguments, **options)

        return call


class _Step:
    def __await__(self) -> Generator[None, None, None]:
        yield


def save(session: Session) -> None:
    session["saved"] = True


def grow(session: Session) -> None:
    session["much"] = "x" * 6000


SPILLING: dict[str, Any] = {"revocations": True, "oversize": "spill"}


def read(session: Session) -> None:
    session.get("user_id")


def regenerate(session: Session) -> None:
    session.regenerate()


def logout(session: Session) -> None:
    session.invalidate()


def leave(session: Session) -> None:
    session.pop("user_id", None)


class World:
    """One logged-in session, and requests with its cookie that go on step by step as a schedule says."""

    def __init__(self, *acts: Callable[[Session], Any], **options: Any) -> None:
        self.clock = ManualClock(1_000_000)
        self.store = MemoryStore(clock=self.clock)
        self.handed: list[str] = []
        options = {"store": Stepping(self.store), **options}
        if options.get("revocations"):
            spills = options.get("oversize") == "spill"
            options |= {"store": Stepping(self.store) if spills else None, "revocations": Stepping(self.store)}
        self.layer = Sessions(self._app, secret_key=KEY, clock=self.clock, **options)
        self.layer._keeper._patience = None  # it takes an event loop, which would make steps of its own
        self.act: Callable[[Session], Any] = lambda session: session.update(user_id=7)
        _run(self.request(None, self.act))
        self.cookie = self.handed[0]
        self.clock.advance(1000)
        self.running = {number: self.request(self.cookie, act) for number, act in enumerate(acts)}

    async def request(self, cookie: str | None, act: Callable[[Session], Any]) -> None:
        headers = [] if cookie is None else [(b"cookie", cookie.encode())]
        scope = {**http_scope(headers=headers), "act": act}
        await self.layer(scope, _receive, self._send)

    def step(self, number: int) -> bool:
        """Let a request go on to its next call; return whether it has ended."""
        try:
            self.running[number].send(None)
        except StopIteration:
            del self.running[number]
            return True
        return False

    def alive(self) -> list[dict[str, Any]]:
        """Return what can be read with any cookie that was ever handed out."""
        found: list[dict[str, Any]] = []
        for cookie in {*self.handed}:
            _run(self.request(cookie, lambda session: found.append(dict(session))))
        return [data for data in found if data]

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["act"](scope["session"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def _send(self, message: Message) -> None:
        for name, value in message.get("headers", ()):
            if name == b"set-cookie" and b"Max-Age=0" not in value:
                self.handed.append(value.split(b";")[0].decode())


async def _receive() -> Message:
    return {"type": "http.request"}


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return


def schedules(make: Callable[[], World], most: int = 1000) -> Generator[World, None, None]:
    """Yield the world at the end of the orders in which its requests can step: of all, or of so many drawn by lot."""
    waiting: list[tuple[int, ...]] = [()]
    lots = Random(20_010_101)  # noqa: S311 - repeatable on purpose
    for _ in range(most):
        if not waiting:
            return
        prefix = waiting.pop(lots.randrange(len(waiting)))
        world = make()
        for number in prefix:
            world.step(number)
        while world.running:
            first, *others = world.running
            waiting.extend((*prefix, number) for number in others)
            prefix = (*prefix, first)
            world.step(first)
        yield world


@pytest.mark.parametrize("end", [logout, lambda session: session.clear()], ids=["invalidate", "clear"])
@pytest.mark.parametrize(
    ("acts", "options"),
    [
        pytest.param((save,), {}, id="save"),
        pytest.param((read,), {"max_age": 2000}, id="touch"),
        pytest.param((regenerate,), {}, id="regenerate"),
        pytest.param((read,), {"renewal_age": 10}, id="a new id by its age"),
        pytest.param((save, regenerate), {}, id="save and regenerate"),
        pytest.param((read, regenerate), {"max_age": 2000}, id="touch and regenerate"),
        pytest.param((save,), {"revocations": True}, id="save in a cookie"),
        pytest.param((regenerate,), {"revocations": True}, id="regenerate in a cookie"),
        pytest.param((regenerate, save), {"revocations": True}, id="both in a cookie"),
        pytest.param((grow,), SPILLING, id="grow out of a cookie"),
        pytest.param((grow, regenerate), SPILLING, id="grow out of a cookie and regenerate"),
        pytest.param((grow, grow), SPILLING, id="grow out of a cookie twice"),
    ],
)
def test_no_order_of_steps_brings_back_what_was_ended(
    acts: tuple[Any, ...], options: dict[str, Any], end: Callable[[Session], None]
) -> None:
    count = 0
    for world in schedules(lambda: World(*acts, end, **options), most=300):
        count += 1
        # Who comes after the end may begin anew, as nobody.
        assert not any("user_id" in data for data in world.alive())
    assert count > 2


def test_the_orders_are_many_and_the_check_can_fail() -> None:
    worlds = [*schedules(lambda: World(save, read))]
    assert len(worlds) > 5
    assert all(world.alive() == [{"user_id": 7, "saved": True}] for world in worlds)


def test_leaving_the_user_ends_the_old_id_in_every_order() -> None:
    for world in schedules(lambda: World(leave, save)):
        assert all("user_id" not in data for data in world.alive())


def test_revoking_all_sessions_of_a_user_catches_those_that_get_a_new_id() -> None:
    for options in ({}, {"renewal_age": 10}):
        for world in schedules(lambda options=options: _revoking(options)):  # type: ignore[misc]  # bound per loop
            assert world.alive() == []
    for world in schedules(lambda: _revoking({"revocations": True})):
        assert world.alive() == []
    for world in schedules(lambda: _revoking(SPILLING)):
        assert not any("user_id" in data for data in world.alive())


def _revoking(options: dict[str, Any]) -> World:
    act = read if "renewal_age" in options else grow if "oversize" in options else regenerate
    world = World(act, **options)
    world.running[1] = world.layer._keeper.revoke_all(7)  # type: ignore[assignment]  # a coroutine like the others
    return world


def test_saves_that_overlap_are_both_kept_in_every_order() -> None:
    def one(session: Session) -> None:
        session["one"] = 1

    def two(session: Session) -> None:
        session["two"] = 2
        session.pop("user_id", None)

    for world in schedules(lambda: World(one, save, user_key=None)):
        assert world.alive() == [{"user_id": 7, "one": 1, "saved": True}]
    for world in schedules(lambda: World(one, two, user_key=None)):
        assert world.alive() == [{"one": 1, "two": 2}]


async def test_a_hundred_requests_with_keys_of_their_own_are_all_kept(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(lambda session: session.update(begun=True))
    header = browser.header
    ready = asyncio.Event()
    arrived = 0

    def put(key: str) -> Callable[[Session], Any]:
        async def act(session: Session) -> None:
            nonlocal arrived
            session[key] = 1
            arrived += 1
            if arrived == 100:
                ready.set()
            await ready.wait()

        return act

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(store_site.visit(put(f"k{number}"), header, timeout=60))
    assert await browser.data() == {"begun": True} | {f"k{number}": 1 for number in range(100)}


async def test_a_hundred_additions_are_all_counted(store_site: Site) -> None:
    browser = store_site.browser()
    await browser.visit(lambda session: session.update(hits=0))
    header = browser.header

    async def act(session: Session) -> None:
        session.get("hits")
        await session.add("hits")

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(store_site.visit(act, header, timeout=60))
    assert await browser.data() == {"hits": 100}


@pytest.mark.parametrize(("rule", "expected"), [("last", "second"), ("first", "first")])
async def test_which_of_two_that_change_the_same_key_wins_is_declared(rule: str, expected: str) -> None:
    site = Site(store="memory://", conflicts=rule)
    browser = site.browser()
    await browser.visit(lambda session: session.update(a="begun"))

    async def act(session: Session) -> None:
        session["a"] = "second"
        await browser.visit(lambda session: session.update(a="first"))

    await site.visit(act, browser.header)
    assert await browser.data() == {"a": expected}


async def test_two_that_change_the_same_key_may_be_an_error() -> None:
    site = Site(store="memory://", conflicts="error")
    browser = site.browser()
    await browser.visit(lambda session: session.update(a="begun"))

    async def act(session: Session) -> None:
        session["a"] = "second"
        await browser.visit(lambda session: session.update(a="first"))

    with pytest.raises(SessionError, match="'a'"):
        await site.visit(act, browser.header)
    assert await browser.data() == {"a": "first"}
