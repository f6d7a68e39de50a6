"""The SQLite store among several processes, and beside a writer that takes its time."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

import pytest

from middlewares.stores import StoreUnavailable
from middlewares.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

COUNTER = """
import asyncio, os, sys
from middlewares.stores.sqlite import SQLiteStore

async def main():
    store = SQLiteStore(sys.argv[1], deadline=20)
    for number in range(250):
        held = await store.get("count")
        while True:
            wanted = b"%d:%d:%d" % (int(held.split(b":")[0]) + 1, os.getpid(), number)
            held = await store.replace("count", held, wanted, 60)
            if held == wanted:
                break

asyncio.run(main())
"""


async def test_four_processes_count_to_a_thousand(tmp_path: Path) -> None:
    """Each adds one 250 times by comparing and replacing, while the others do: no increment is lost."""
    path = str(tmp_path / "store.db")
    store = SQLiteStore(path)
    await store.create("count", b"0:", 60)
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", COUNTER, path) for _ in range(4)]
    async with asyncio.timeout(60):
        assert [await process.wait() for process in processes] == [0, 0, 0, 0]
    assert (await store.get("count") or b"").split(b":")[0] == b"1000"
    await store.aclose()


async def test_a_busy_file_holds_up_nobody_else(tmp_path: Path) -> None:
    """While another process writes, a call waits in a thread: the event loop goes on, and reads are answered."""
    store = SQLiteStore(str(tmp_path / "store.db"), deadline=10)
    await store.create("a", b"one", 60)
    writer = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(store.create("b", b"two", 60))
    turns = 0
    started = time.monotonic()
    while time.monotonic() - started < 0.05:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 50
    assert not waiting.done()
    assert await store.get("a") == b"one"
    writer.execute("COMMIT")
    assert await waiting
    writer.close()
    await store.aclose()


async def test_a_file_that_stays_busy_is_given_up(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "store.db"), deadline=0.05)
    await store.create("a", b"one", 60)
    writer = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"store\.db"):
        await store.create("b", b"two", 60)
    writer.execute("ROLLBACK")
    writer.close()
    assert await store.create("b", b"two", 60)
    await store.aclose()


async def test_a_file_that_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "no such folder" / "store.db"))
    with pytest.raises(StoreUnavailable, match="no such folder"):
        await store.get("a")


async def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("a letter, not a database " * 100)
    store = SQLiteStore(str(path))
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.get("a")


async def test_the_files_are_for_their_user_alone(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "store.db"))
    await store.create("a", b"one", 60)
    modes = [stat.S_IMODE((tmp_path / f"store.db{end}").stat().st_mode) for end in ("", "-wal", "-shm")]
    assert modes == [0o600] * 3
    await store.aclose()


async def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "store.db"))
    await store.create("a", b"one", 60)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if asyncio.new_event_loop().run_until_complete(store.replace("a", b"one", b"two", 60)) else 1
        finally:
            os._exit(status)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await store.get("a") == b"two"
    await store.aclose()


async def test_ended_records_are_collected(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "store.db"), clock=iter(range(10_000)).__next__)
    for number in range(300):
        await store.create(str(number), b"", 1)
    assert await store.collect() < 200, "creating removes some by and by"
    assert [item async for item in store.items()] == []
    await store.aclose()


async def test_the_log_is_copied_back_into_the_file(tmp_path: Path) -> None:
    """Without checkpoints the write-ahead log would grow with every write."""
    store = SQLiteStore(str(tmp_path / "store.db"))
    async with asyncio.timeout(20):
        for number in count():
            await store.create(str(number), b"x" * 500, 60)
            if number % 1000 == 0 and (tmp_path / "store.db").stat().st_size > 1_000_000:
                break
    await store.aclose()


def test_a_table_name_is_checked() -> None:
    with pytest.raises(ValueError, match="table must be"):
        SQLiteStore("x.db", table="records; DROP TABLE records")


async def test_reading_at_once_from_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreUnavailable):
        SQLiteStore(str(tmp_path / "store.db")).get_now("a")


async def test_a_record_is_read_within_15_microseconds(tmp_path: Path) -> None:
    """The median of the calmest of many moments: what else the machine does is none of the store's business."""
    store = SQLiteStore(str(tmp_path / "store.db"))
    keys = [f"key {number}" for number in range(1000)]
    for key in keys:
        await store.create(key, bytes(300), 60)
    medians: list[float] = []
    for start in range(0, len(keys), 50):
        took: list[int] = []
        for key in keys[start : start + 50]:
            began = time.perf_counter_ns()
            assert await store.get(key) is not None
            took.append(time.perf_counter_ns() - began)
        medians.append(median(took) / 1000)
    await store.aclose()
    assert min(medians) <= 15
