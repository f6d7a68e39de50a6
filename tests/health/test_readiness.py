"""Checks run at the same time, once for all who ask, and nothing that a check does keeps anybody waiting."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from middlewares import Health
from middlewares.testing import Driver, ManualClock, http_scope, request
from tests.virtual_time import run_virtually

from .apps import check, shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test on both."""
    return str(request.param)


@pytest.fixture
def door() -> Iterator[threading.Event]:
    """What threads wait for; it is open at the end, so that none is left."""
    event = threading.Event()
    yield event
    event.set()


class Counting:
    """A check that waits until it is told to go on, and counts how often it was started and cancelled."""

    def __init__(self) -> None:
        self.starts = self.cancels = 0
        self.door = anyio.Event()

    async def __call__(self) -> None:
        self.starts += 1
        try:
            await self.door.wait()
        except anyio.get_cancelled_exc_class():
            self.cancels += 1
            raise


async def ready(layer: Health) -> Any:
    response = await request(layer, path="/readyz")
    return response.json().get("checks", {}) and {
        name: found[0].get("output", found[0]["status"]) for name, found in response.json()["checks"].items()
    }


def debugged(**checks: Callable[[], Any]) -> Health:
    return Health(shop, checks=checks, debug=True, max_age=0)


# -- what a check may do


def giving(value: Any) -> Callable[[], Any]:
    return lambda: value


def raising(error: BaseException) -> Callable[[], Any]:
    def raise_it() -> None:
        raise error

    return raise_it


def async_raising(error: BaseException) -> Callable[[], Any]:
    async def raise_it() -> None:
        raise error

    return raise_it


class Odd:
    """A result that cannot be judged."""

    def __bool__(self) -> bool:
        raise ValueError("neither")


class Wordless(Exception):
    """An exception that cannot be told."""

    def __str__(self) -> str:
        raise SystemExit


async def later(value: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return value


class Pool:
    async def ping(self) -> bool:
        return True

    async def __call__(self) -> bool:
        return False


FAILS = "said that it fails"
CHECKS: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (giving(None), "pass"),
    "true": (giving(True), "pass"),
    "one": (giving(1), "pass"),
    "words": (giving("PONG"), "pass"),
    "false": (giving(False), FAILS),
    "zero": (giving(0), FAILS),
    "empty": (giving(()), FAILS),
    "odd": (giving(Odd()), "raised ValueError: neither"),
    "async": (check, "pass"),
    "async partial": (partial(later, True), "pass"),
    "async false": (partial(later, False), FAILS),
    "async method": (Pool().ping, "pass"),
    "async object": (Pool(), FAILS),
    "returns a coroutine": (lambda: later(0), FAILS),
    "returns a class": (giving(Pool), "pass"),
    "raises": (raising(KeyError("a\r\nb")), r"raised KeyError: 'a\r\nb'"),
    "raises lines": (raising(OSError("a\r\n b")), "raised OSError: a b"),
    "raises at length": (raising(OSError("x" * 10_000)), "raised OSError: " + "x" * 300),
    "raises without words": (raising(TimeoutError()), "raised TimeoutError"),
    "raises with a surrogate": (raising(OSError("\udcff")), "raised OSError: \udcff"),
    "raises wordless": (raising(Wordless()), "raised Wordless"),
    "raises StopIteration": (raising(StopIteration(7)), "raised RuntimeError: coroutine raised StopIteration"),
    "exits": (raising(SystemExit(1)), "raised SystemExit: 1"),
    "is interrupted": (raising(KeyboardInterrupt()), "raised KeyboardInterrupt"),
    "exits, async": (async_raising(SystemExit(1)), "raised SystemExit: 1"),
    "is interrupted, async": (async_raising(KeyboardInterrupt()), "raised KeyboardInterrupt"),
    "is a generator at its end": (async_raising(GeneratorExit()), "raised GeneratorExit"),
    "raises a group": (
        raising(BaseExceptionGroup("both", [SystemExit(1)])),
        "raised BaseExceptionGroup: both (1 sub-exception)",
    ),
    "takes arguments": (lambda name: name, "raised TypeError"),  # type: ignore[misc, dict-item]  # what users get wrong
}


@pytest.mark.parametrize(("function", "outcome"), CHECKS.values(), ids=CHECKS)
async def test_whatever_a_check_does_is_a_yes_or_a_no(function: Any, outcome: str) -> None:
    found = await ready(debugged(this=function, other=check))
    assert found["other"] == "pass"
    assert found["this"].startswith(outcome) if "TypeError" in outcome else found["this"] == outcome


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_check_that_raises_the_cancellation_of_asyncio_has_failed() -> None:
    for function in (raising(asyncio.CancelledError()), async_raising(asyncio.CancelledError())):
        assert await ready(debugged(this=function, other=check)) == {"this": "was cancelled", "other": "pass"}


# -- at the same time, within the time


async def test_checks_run_at_the_same_time() -> None:
    """Each waits for the other: one after the other they would wait for ever."""
    met = threading.Barrier(2, timeout=5)
    first, second = anyio.Event(), anyio.Event()

    async def one() -> None:
        first.set()
        await second.wait()

    async def two() -> None:
        await first.wait()
        second.set()

    layer = debugged(a=one, b=two, c=met.wait, d=met.wait)
    found = await ready(layer)
    assert (found["a"], found["b"]) == ("pass", "pass")
    assert "BrokenBarrierError" not in str(found)


def test_a_check_that_hangs_has_failed_when_its_time_is_up(door: threading.Event) -> None:
    async def hangs() -> None:
        await anyio.sleep_forever()

    async def is_deaf() -> None:
        while not door.is_set():
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                deaf.append(True)

    deaf: list[bool] = []

    async def main() -> None:
        layer = Health(shop, checks={"ok": check, "a": hangs, "b": is_deaf}, timeout=3, debug=True, max_age=0)
        began = anyio.current_time()
        late = "did not end in time"
        assert await ready(layer) == {"ok": "pass", "a": late, "b": late}
        assert anyio.current_time() - began == pytest.approx(3)
        # What is deaf is not started again: it would be one more each time.
        for _ in range(3):
            busy = "has not ended since it was started before"
            assert await ready(layer) == {"ok": "pass", "a": late, "b": busy}
        assert len(deaf) == 1
        door.set()
        with anyio.fail_after(100):
            while (await ready(layer))["b"] != "pass":  # noqa: ASYNC110 - a check that is deaf tells nobody
                await anyio.sleep(1)

    run_virtually(main())


def test_a_check_that_hangs_lets_the_process_end() -> None:
    """Threads that are waited for at the end of a process would hold up each shutdown until it is killed."""
    code = """
import threading, anyio
from middlewares import Health
from middlewares.testing import request
app = Health(lambda scope, receive, send: None, checks={"hangs": threading.Event().wait}, timeout=0.01)
print(anyio.run(request, app, "GET", "/readyz").status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "503\n", done.stderr


async def test_no_thread_left_is_a_check_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    app = Health(shop, checks={"sync": lambda: True}, max_age=0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert (await request(app, path="/readyz")).status == 503
    assert (await request(app, path="/readyz")).status == 200


async def test_only_as_many_threads_hang_as_there_are_checks(door: threading.Event) -> None:
    started: list[int] = []

    def hangs() -> None:
        started.append(1)
        door.wait()

    layer = Health(shop, checks={"a": hangs}, timeout=0.05, max_age=0)
    for _ in range(5):
        assert (await request(layer, path="/readyz")).status == 503
    assert len(started) == 1


# -- once for all


async def test_ten_thousand_who_ask_at_once_are_answered_by_one_run() -> None:
    counting = Counting()
    layer = Health(shop, checks={"a": counting})
    answers: list[int] = []

    async def ask() -> None:
        async def send(message: Any) -> None:
            if "status" in message:
                answers.append(message["status"])

        await layer(http_scope(path="/readyz"), send, send)  # type: ignore[arg-type]  # nothing is received

    async with anyio.create_task_group() as group:
        for _ in range(10_000):
            group.start_soon(ask)
        while not counting.starts:
            await anyio.lowlevel.checkpoint()
        counting.door.set()
    assert (counting.starts, answers) == (1, [200] * 10_000)


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    """Not the first either, who has started the checks."""
    counting = Counting()
    layer = Health(shop, checks={"a": counting})
    async with Driver(layer, http_scope(path="/readyz")) as first:
        await first.assert_silent()
        async with Driver(layer, http_scope(path="/readyz")) as second:
            await second.assert_silent()
            await first.cancel()
            await second.assert_silent()
            counting.door.set()
            assert (await second.receive())["status"] == 200
            await second.finish()
    assert (counting.starts, counting.cancels) == (1, 0)


async def test_once_all_have_left_the_checks_end_and_the_next_starts_them_again() -> None:
    counting = Counting()
    layer = Health(shop, checks={"a": counting})
    for count in (1, 2):
        async with Driver(layer, http_scope(path="/readyz")) as call:
            await call.assert_silent()
            await call.cancel()
        with anyio.fail_after(5):
            while counting.cancels < count:
                await anyio.lowlevel.checkpoint()
    counting.door.set()
    assert (await request(layer, path="/readyz")).status == 200
    assert (counting.starts, counting.cancels) == (3, 2)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_leaves_before_a_check_has_begun_does_not_block_it() -> None:
    layer = debugged(a=check)
    task = asyncio.ensure_future(layer._readiness.answer())  # type: ignore[union-attr]  # it has checks
    await asyncio.sleep(0)  # the task of the check is made, and has not run
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ready(layer) == {"a": "pass"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_task_is_left() -> None:
    async def hangs() -> None:
        await anyio.sleep_forever()

    before = asyncio.all_tasks()
    layer = Health(shop, checks={"a": hangs, "b": check}, timeout=0.01)
    assert (await request(layer, path="/readyz")).status == 503
    await anyio.wait_all_tasks_blocked()
    assert asyncio.all_tasks() == before


# -- kept for a moment


@pytest.mark.parametrize("passes", [True, False])
async def test_what_was_found_is_given_again_for_a_moment(passes: bool) -> None:
    asked: list[int] = []

    async def asks() -> bool:
        asked.append(1)
        return passes

    clock = ManualClock()
    layer = Health(shop, checks={"a": asks}, max_age=10, clock=clock)
    status = 200 if passes else 503
    for advance, count in ((0, 1), (9.99, 1), (0.01, 2), (9.99, 2), (100, 3)):
        clock.advance(advance)
        assert (await request(layer, path="/readyz")).status == status
        assert len(asked) == count


def test_each_event_loop_asks_for_itself() -> None:
    """An answer that one waits for is nothing that another could wait for."""
    asked: list[int] = []
    layer = Health(shop, checks={"a": lambda: asked.append(1)}, max_age=1000)
    for _ in range(3):
        assert asyncio.run(_twice(layer)) == 200
    assert len(asked) == 3


async def _twice(layer: Health) -> int | None:
    await request(layer, path="/readyz")
    return (await request(layer, path="/readyz")).status


async def test_checks_of_one_request_see_nothing_of_it() -> None:
    """They are for all who wait: no id or span of the one who happened to be first."""
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="")
    seen: list[str] = []

    async def looks() -> None:
        seen.append(variable.get())

    variable.set("first")
    assert (await request(Health(shop, checks={"a": looks}), path="/readyz")).status == 200
    assert seen == [""]


async def test_the_log_is_told_of_each_change_once(caplog: pytest.LogCaptureFixture) -> None:
    healthy = [True, False, False, True, True, False]
    layer = Health(shop, checks={"database": lambda: healthy.pop(0)}, max_age=0)
    with caplog.at_level(logging.INFO, "middlewares"):
        for _ in range(6):
            await request(layer, path="/readyz")
    assert [record.getMessage() for record in caplog.records] == [
        "health: the check 'database' said that it fails",
        "health: the check 'database' passes again",
        "health: the check 'database' said that it fails",
    ]


async def test_a_log_that_fails_costs_no_answer() -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError("disk full")

    logger, broken = logging.getLogger("middlewares"), Broken()
    logger.addFilter(broken)
    try:
        assert await ready(debugged(a=giving(False))) == {"a": FAILS}
    finally:
        logger.removeFilter(broken)
