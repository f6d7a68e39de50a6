"""What takes long is encoded in one of a few threads, and nobody waits for it who was cancelled."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from middlewares import Brotli
from middlewares.compression.codecs import BrotliCodec, GZipCodec, ZstdCodec
from middlewares.compression.offload import LOOP_SECONDS, EncodingThreads, is_quick
from middlewares.testing import request
from tests.compression.answers import streaming

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE = 10
LONG = 2 * LOOP_SECONDS


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run the tests of this module on both event loops."""
    backend: str = request.param
    return backend


def where(_: bytes) -> bytes:
    """Return the thread that this is called in."""
    return str(threading.get_ident()).encode()


@pytest.mark.parametrize(("seconds", "is_here"), [(0.0, True), (LOOP_SECONDS, True), (LONG, False), (9.0, False)])
async def test_what_takes_long_is_done_in_a_thread(seconds: float, is_here: bool) -> None:
    assert is_quick(seconds) is is_here
    assert (await EncodingThreads().encode(where, b"", seconds) == where(b"")) is is_here


async def test_what_encoding_raises_is_raised() -> None:
    def fail(data: bytes) -> bytes:
        raise ValueError(data)

    for seconds in (0, LONG):
        with pytest.raises(ValueError, match="body"):
            await EncodingThreads().encode(fail, b"body", seconds)


class Gate:
    """Something slow to encode with, that tells who is in and lets them out."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.left = threading.Semaphore(0)
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def encode(self, data: bytes) -> bytes:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.opened.wait(DEADLINE)
        with self._lock:
            self.inside -= 1
        self.left.release()
        return data

    async def until(self, semaphore: threading.Semaphore, count: int = 1) -> None:
        for _ in range(count):
            assert await anyio.to_thread.run_sync(lambda: semaphore.acquire(timeout=DEADLINE))


async def test_there_are_never_more_threads() -> None:
    """Those who exceed the number wait for their turn, and the event loop goes on meanwhile."""
    threads, gate, out = EncodingThreads(2), Gate(), list[bytes]()

    async def encode(data: bytes) -> None:
        out.append(await threads.encode(gate.encode, data, LONG))

    async with anyio.create_task_group() as tasks:
        for n in range(6):
            tasks.start_soon(encode, b"%d" % n)
        await gate.until(gate.entered, 2)
        assert gate.inside == 2
        gate.opened.set()
    assert gate.most == 2
    assert sorted(out) == [b"%d" % n for n in range(6)]


async def test_what_was_cancelled_before_its_turn_never_begins() -> None:
    threads, gate, begun = EncodingThreads(1), Gate(), list[bytes]()

    def encode(data: bytes) -> bytes:
        begun.append(data)
        return data

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.encode, gate.encode, b"first", LONG)
        await gate.until(gate.entered)
        async with anyio.create_task_group() as others:
            for _ in range(3):
                others.start_soon(threads.encode, encode, b"other", LONG)
            await anyio.lowlevel.checkpoint()
            others.cancel_scope.cancel()
        gate.opened.set()
    assert await threads.encode(encode, b"last", LONG) == b"last"
    assert begun == [b"last"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
@pytest.mark.parametrize("cancel", [lambda task, scope: task.cancel(), lambda task, scope: scope.cancel()])
async def test_a_thread_that_works_for_nobody_is_still_counted(
    cancel: Callable[[asyncio.Task[None], anyio.CancelScope], object],
) -> None:
    """Whoever is cancelled goes on at once; a client that hangs up again and again gets no more threads by it."""
    threads, gate = EncodingThreads(1), Gate()
    scope = anyio.CancelScope()

    async def encode() -> None:
        with scope:
            await threads.encode(gate.encode, b"first", LONG)

    task = asyncio.create_task(encode())
    await gate.until(gate.entered)
    cancel(task, scope)
    with suppress(asyncio.CancelledError):
        await task
    assert gate.inside == 1
    waiting = asyncio.create_task(threads.encode(gate.encode, b"second", LONG))
    await asyncio.sleep(0)
    assert gate.most == 1
    gate.opened.set()
    assert await asyncio.wait_for(waiting, DEADLINE) == b"second"
    assert gate.most == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
async def test_threads_end_with_their_layer() -> None:
    threads, names = EncodingThreads(1), list[threading.Thread]()

    def name(data: bytes) -> bytes:
        names.append(threading.current_thread())
        return data

    await threads.encode(name, b"", LONG)
    assert names[0].name.startswith("middlewares.compression")
    del threads
    gc.collect()
    await asyncio.to_thread(names[0].join, DEADLINE)
    assert not names[0].is_alive()


@pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
async def test_a_forked_process_has_its_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads of the parent are not there, and an executor would wait for them for ever."""
    threads = EncodingThreads(1)
    parent = await threads.encode(where, b"", LONG)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert await threads.encode(where, b"", LONG) != parent


def test_there_are_as_many_threads_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, most in ((None, 1), (1, 1), (3, 3), (64, 4)):
        monkeypatch.setattr(os, "cpu_count", lambda count=processors: count)
        assert EncodingThreads().limit == most


@pytest.mark.parametrize(
    ("codec", "quick", "long"),
    [
        (GZipCodec(backend="fast"), 50_000, 130_000),
        (GZipCodec(backend="zlib"), 20_000, 60_000),
        (BrotliCodec(), 30_000, 130_000),
        (ZstdCodec(), 100_000, 400_000),
        (GZipCodec(9, backend="zlib"), 5_000, 20_000),
        (BrotliCodec(11), -1, 500),
        (ZstdCodec(19), -1, 20_000),
    ],
)
def test_small_bodies_are_quick_and_large_ones_are_not(
    codec: GZipCodec | BrotliCodec | ZstdCodec, quick: int, long: int
) -> None:
    assert quick < 0 or is_quick(codec.seconds(quick))
    assert not is_quick(codec.seconds(long))


@pytest.mark.parametrize(("quality", "is_slow"), [(None, False), (5, False), (10, True), (11, True)])
async def test_small_chunks_leave_the_loop_only_at_the_slowest_levels(quality: int | None, is_slow: bool) -> None:
    """Half a millisecond for each event would add up, since nothing else has its turn between them."""
    layer = Brotli(streaming([b"data: 1\n\n"] * 3, content_type="text/event-stream"), quality=quality)
    await request(layer, headers={"accept-encoding": "br"})
    threads = layer._plan.threads
    assert (threads._pool is not None or threads._limiter is not None) is is_slow
