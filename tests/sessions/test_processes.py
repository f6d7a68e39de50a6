"""Four processes on one SQLite file, all in the same session."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from tests.sessions.sites import Site

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares import Session

_VISITS = 25

_WORKER = """
import asyncio, sys
from tests.sessions.sites import Site

async def main(url, cookies, worker, visits):
    site = Site(store=url, store_deadline=30.0)

    async def act(session, number):
        session[f"w{worker}-{number}"] = True
        await session.add("hits")

    async with asyncio.TaskGroup() as group:
        for number in range(visits):
            group.create_task(site.visit(lambda session, number=number: act(session, number), cookies, timeout=60))
    await site.layer._close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


async def test_nothing_that_four_processes_write_at_once_is_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sessions.db"
    site = Site(store=url, store_deadline=30.0)
    browser = site.browser()

    def begin(session: Session) -> None:
        session["hits"] = 0

    await browser.visit(begin)
    commands = [(sys.executable, "-c", _WORKER, url, browser.header, str(worker), str(_VISITS)) for worker in range(4)]
    workers = [await asyncio.create_subprocess_exec(*command) for command in commands]
    async with asyncio.timeout(60):
        assert [await worker.wait() for worker in workers] == [0] * 4
    data = await browser.data()
    assert data.pop("hits") == 4 * _VISITS
    assert set(data) == {f"w{worker}-{number}" for worker in range(4) for number in range(_VISITS)}
    await site.layer._close()
