"""A request waits for its store no longer than the deadline, however many calls it takes; in made-up time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.sessions.patience import Patience
from middlewares.stores import StoreUnavailable
from middlewares.stores.memory import MemoryStore
from middlewares.testing import http_scope
from tests.sessions.sites import Site
from tests.stores.valkey import Server
from tests.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from middlewares import Session
    from middlewares.asgi import Message

DEADLINE = 0.25
NEARLY = DEADLINE * 0.8
"""What a call may take by itself, and two may not."""
GRACE = 0.02
FOREVER = 3600.0


class Slow:
    """A store on a network: its calls take as long as it is told."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.takes = 0.0
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name == "get_now":
            raise AttributeError(name)
        found = getattr(self._store, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            await asyncio.sleep(self.takes)
            return await found(*arguments, **options)

        return call


def login(session: Session) -> None:
    session["user_id"] = 7


def look(session: Session) -> None:
    session.get("user_id")


async def _visited(site: Site, cookie: str, act: Callable[[Session], Any]) -> tuple[int, Any, Any]:
    """Return the status of a request, and the seconds until it was answered and until it was over."""
    loop = asyncio.get_running_loop()
    site._acts["now"] = act
    starts: list[tuple[int, float]] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append((message["status"], loop.time()))

    began = loop.time()
    headers = [(b"x-act", b"now"), (b"cookie", cookie.encode())]
    await site.layer({**http_scope(), "headers": headers}, receive, send)
    [(status, answered)] = starts
    return status, answered - began, loop.time() - began


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey of this test's own."""
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


async def _site(store: Slow, **options: Any) -> tuple[Site, str]:
    """Return a site, and the cookie of somebody who is logged in."""
    site = Site(**{"store": store, "store_deadline": DEADLINE, **options})
    browser = site.browser()
    await browser.visit(login)
    return site, browser.header


def test_loading_and_saving_have_one_deadline_together(store: Slow) -> None:
    async def main() -> None:
        site, cookie = await _site(store)
        store.takes = NEARLY
        status, answered, _ = await _visited(site, cookie, look)
        assert (status, answered) == (200, pytest.approx(NEARLY))
        status, answered, _ = await _visited(site, cookie, lambda session: session.update(visits=1))
        assert status == 503
        assert answered == pytest.approx(DEADLINE, abs=GRACE)

    run_virtually(main())


@pytest.mark.parametrize(("when_down", "expected"), [("503", 503), ("anonymous", 200)])
def test_so_has_loading_that_takes_several_calls(store: Slow, when_down: str, expected: int) -> None:
    """The session got a new id meanwhile, which the former one leads to."""

    async def main() -> None:
        site, cookie = await _site(store, renewal_age=10, when_down=when_down)
        site.clock.advance(20)
        await _visited(site, cookie, look)  # which gives it a new id
        store.takes = NEARLY / 2
        assert (await _visited(site, cookie, look))[:2] == (200, pytest.approx(NEARLY))
        store.takes = NEARLY
        status, answered, _ = await _visited(site, cookie, look)
        assert status == expected
        assert answered == pytest.approx(DEADLINE, abs=GRACE)

    run_virtually(main())


ENDS = {
    "logout": lambda session: session.invalidate(),
    "new id": lambda session: session.regenerate(),
}


@pytest.mark.parametrize("act", ENDS.values(), ids=ENDS)
def test_a_store_that_freezes_in_between_costs_one_deadline_until_the_answer(store: Slow, act: Any) -> None:
    """What was to end is tried once more after it, when nobody waits any longer."""

    async def main() -> None:
        site, cookie = await _site(store)

        def freeze(session: Session) -> None:
            act(session)
            store.takes = FOREVER
            store.calls.clear()

        status, answered, over = await _visited(site, cookie, freeze)
        assert status == 503
        assert answered == pytest.approx(DEADLINE, abs=GRACE)
        assert over == pytest.approx(2 * DEADLINE, abs=2 * GRACE)
        assert len(store.calls) == 2

    run_virtually(main())


def test_what_was_to_end_has_ended_where_the_store_came_back_for_that(store: Slow) -> None:
    async def main() -> None:
        site, cookie = await _site(store)

        def freeze(session: Session) -> None:
            session.invalidate()
            store.takes = FOREVER
            asyncio.get_running_loop().call_later(DEADLINE, setattr, store, "takes", 0.0)

        assert (await _visited(site, cookie, freeze))[0] == 503
        found: list[dict[str, Any]] = []
        assert (await _visited(site, cookie, lambda session: found.append(dict(session))))[0] == 200
        assert found == [{}]

    run_virtually(main())


def test_once_the_headers_have_left_saving_has_a_deadline_of_its_own(store: Slow) -> None:
    async def main() -> None:
        site, cookie = await _site(store)
        store.takes = NEARLY
        site.late = lambda session: session.update(visits=1)
        status, answered, over = await _visited(site, cookie, look)
        assert (status, answered, over) == (200, pytest.approx(NEARLY), pytest.approx(2 * NEARLY))

    run_virtually(main())


def test_what_the_application_asks_for_itself_is_not_counted(store: Slow) -> None:
    """Somebody with many sessions, or a long report that commits again and again, is not to fail for that."""

    async def act(session: Session) -> None:
        for number in range(10):
            session["step"] = number
            await session.commit()

    async def main() -> None:
        site, cookie = await _site(store)
        store.takes = NEARLY / 2
        assert (await _visited(site, cookie, act))[0] == 200

    run_virtually(main())


def test_the_log_says_what_took_too_long(store: Slow, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        site, cookie = await _site(store)
        store.takes = FOREVER
        await _visited(site, cookie, look)

    run_virtually(main())
    assert "the store took more than 0.25 s of one request" in caplog.text


async def test_a_real_server_that_freezes_within_a_request_costs_one_deadline(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """And the store says that it was it, before the request loses its patience."""
    site = Site(store=server.url, store_deadline=DEADLINE)
    browser = site.browser()
    await browser.visit(login)

    def freeze(session: Session) -> None:
        session.invalidate()
        server.freeze()

    status, answered, _ = await _visited(site, browser.header, freeze)
    server.thaw()
    assert status == 503
    assert DEADLINE <= answered < 1.9 * DEADLINE
    assert f"127.0.0.1:{server.port}/0: no answer within 0.25 s" in caplog.text
    await site.layer._close()


def test_what_is_waited_for_at_the_same_time_counts_once() -> None:
    """Tasks of one request may ask for its session side by side."""

    async def ask() -> None:
        patience = Patience(DEADLINE)
        for share in (0.5, 0.4):
            await asyncio.gather(*(patience.wait_for(asyncio.sleep(DEADLINE * share)) for _ in range(3)))
        with pytest.raises(StoreUnavailable):
            await patience.wait_for(asyncio.sleep(DEADLINE * 0.2))

    run_virtually(ask())
