"""The connections to an SQLite file: among threads, after a fork, and where somebody else meddles with the file."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from middlewares.stores import StoreUnavailable
from middlewares.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path


async def test_threads_may_read_while_the_loop_writes(tmp_path: Path) -> None:
    """As sessions are read in `def` endpoints, which frameworks run in worker threads."""
    store = SQLiteStore(str(tmp_path / "records.db"))
    names = [f"key{number}" for number in range(20)]
    start = threading.Barrier(4)

    def read() -> list[bytes | None]:
        start.wait(10)
        return [store.get_now(name) for name in names * 20]

    found: list[list[bytes | None]] = []
    async with anyio.create_task_group() as tasks:

        async def reading() -> None:
            found.append(await anyio.to_thread.run_sync(read))

        for name in names:
            await store.create(name, name.encode(), 60)
        await store.aclose()  # so that all find it closed, and open it at once
        for _ in range(4):
            tasks.start_soon(reading)
        for number in range(400):
            await store.replace(names[number % 20], None, names[number % 20].encode(), 60)
            await anyio.lowlevel.checkpoint()
    assert found == [[name.encode() for name in names * 20]] * 4


async def test_a_file_that_stays_busy_does_not_pile_up_threads(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "records.db"), deadline=0.05)
    await store.create("key", b"1", 60)
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = threading.active_count()

        async def create(number: int) -> None:
            with pytest.raises(StoreUnavailable):
                await store.create(f"{number}", b"1", 60)

        for _ in range(15):  # callers give up in time, and others come
            async with anyio.create_task_group() as tasks:
                for number in range(4):
                    tasks.start_soon(create, number)
        assert threading.active_count() - before <= 16
        other.execute("ROLLBACK")
    assert await store.delete("key")


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_deleted_or_replaced_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """Others see the new file: what went on in the old one, such as a logout, would be for this process alone."""
    monkeypatch.setattr("middlewares.stores.database._LOOK_AGAIN", 0.0)
    path = tmp_path / "records.db"
    store = SQLiteStore(str(path))
    await store.create("key", b"1", 60)
    await store.delete("another")
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    if replaced:
        path.touch(0o600)
    assert await store.get("key") is None
    assert await store.create("new", b"1", 60)
    assert await SQLiteStore(str(path)).get("new") == b"1"
    assert not await store.delete("key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_fork_while_the_file_is_in_use_leaves_the_child_a_lock_of_its_own(tmp_path: Path) -> None:
    store = SQLiteStore(str(tmp_path / "records.db"))
    await store.create("key", b"1", 60)
    in_use, may_end = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        in_use.set()
        may_end.wait(10)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: store._database.do(hold, durable=True))
        await anyio.to_thread.run_sync(in_use.wait, 10)
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os._exit(0 if store._database._patient.use(lambda connection: connection.total_changes, 0) == 0 else 1)
            os._exit(2)
        _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
        may_end.set()
        assert os.waitstatus_to_exitcode(status) == 0


async def test_another_process_that_closes_the_file_does_not_take_the_log_away(tmp_path: Path) -> None:
    """It would, as soon as this process opened and closed the file once more, and so lost its locks on it."""
    path = tmp_path / "records.db"
    store = SQLiteStore(str(path))
    await store.create("key", b"1", 60)
    await store.delete("another")  # through another connection
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM records'); c.close()"
    await anyio.run_process([sys.executable, "-c", script, str(path)])
    assert path.with_name("records.db-wal").exists()
    await store.create("later", b"1", 60)
    assert await SQLiteStore(str(path)).get("later") == b"1"
