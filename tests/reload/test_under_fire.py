"""A real server loses nothing while its configuration changes again and again, often to something that is wrong."""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.interop.servers import RunningServer, serve
from tests.reload.served import FILE, PARTS

if TYPE_CHECKING:
    from collections.abc import Callable

UNCHANGED = """
[[middleware]]
use = "rate_limit"
limit = "1000000/second"

[[middleware]]
use = "tests.reload.served:Named"
name = "unchanged"
"""
OTHERS = ('use = "cors"\nallow_origins = ["https://a.example"]', 'use = "gzip"', 'use = "timeout"', 'use = "drain"')
REQUEST = b"GET /%b HTTP/1.1\r\nhost: localhost\r\n\r\n"
CONNECTIONS = 8
STREAMS = 10


def configuration(number: int) -> str:
    """Return a configuration that says its number, with layers around and inside that come and go."""
    named = f'[[middleware]]\nuse = "tests.reload.served:Named"\nname = "{number}"\n'
    other = f"[[middleware]]\n{OTHERS[number % len(OTHERS)]}\n"
    return "\n".join([named, UNCHANGED, other] if number % 2 else [other, UNCHANGED, named])


class Fire:
    """Clients that ask without pause."""

    def __init__(self, server: RunningServer, requests: int) -> None:
        self.server = server
        self.requests = requests
        """How many there are to be at least."""
        self.answered = 0
        self.is_over = False
        self.seen: set[str] = set()
        """The configurations that answered."""

    @property
    def goes_on(self) -> bool:
        return not self.is_over or self.answered < self.requests

    async def ask(self) -> None:
        """Send requests on one connection, and check each answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        while self.goes_on:
            writer.write(REQUEST % b"")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert await reader.readexactly(5) == b"hello"
            assert b"x-stack: unchanged\r\n" in head
            self.answered += 1
            self.seen |= {match.decode() for match in re.findall(rb"x-stack: (\d+)\r\n", head)}
        writer.close()

    async def stream(self) -> None:
        """Read a long response to its end."""
        while self.goes_on:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(REQUEST % b"stream")
            body = await reader.readuntil(b"0\r\n\r\n")
            assert body.count(b"part\n") == PARTS
            writer.close()

    async def talk(self, ws: ClientConnection) -> None:
        """Be answered on one connection all the time."""
        number = 0
        while self.goes_on:
            number += 1
            await ws.send(f"{number}")
            assert await ws.recv() == f"{number}"
            await asyncio.sleep(0.1)

    async def wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)


def write(file: Path, number: int, draw: random.Random) -> None:
    """Bring a configuration to the path in one of the ways in which that is done."""
    text = configuration(number)
    if draw.random() < 0.5:
        file.write_text(text)
        return
    other = file.with_suffix(".next")
    other.write_text(text)
    other.rename(file)


def spoil(file: Path, draw: random.Random) -> None:
    """Leave something at the path that cannot be a configuration."""
    text = configuration(draw.randrange(1000, 2000))
    way = draw.randrange(4)
    if way == 0:
        file.write_text(text[: text.rindex("name =") + 7])  # half of it
    elif way == 1:
        file.write_text(text.replace("limit =", "limits ="))
    elif way == 2:
        file.rename(file.with_suffix(".gone"))
    else:
        file.write_text("")


@pytest.mark.parametrize(
    ("requests", "changes", "sockets"),
    [(3_000, 9, 20), pytest.param(50_000, 100, 100, marks=pytest.mark.sweep)],
)
@pytest.mark.timeout(240)
async def test_nothing_is_lost(
    requests: int, changes: int, sockets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request fails, no stream is cut, memory stays, and each layer that went was closed once."""
    draw = random.Random(requests)  # noqa: S311 - the same each time
    file = tmp_path / "middlewares.toml"
    file.write_text(configuration(0))
    monkeypatch.setenv(FILE, str(file))
    with serve("uvicorn", "tests.reload.served:served", "--factory", "--log-config", str(LOGGING)) as server:
        fire = Fire(server, requests)
        url = server.url.replace("http", "ws", 1)
        async with asyncio.TaskGroup() as tasks:
            talks = [await connect(url) for _ in range(sockets)]
            for task in (
                *(fire.ask() for _ in range(CONNECTIONS)),
                *(fire.stream() for _ in range(STREAMS)),
                *(fire.talk(ws) for ws in talks),
            ):
                tasks.create_task(task)
            good = bad = 0
            memory: list[int] = []
            for change in range(changes):
                if change % 3 == 1:
                    bad += 1
                    spoil(file, draw)
                    await fire.wait(partial(complained, server, bad))
                else:
                    good += 1
                    write(file, good, draw)
                    await fire.wait(partial(fire.seen.__contains__, str(good)))
                if change >= changes // 4:
                    memory.append(resident(server.process.pid))
            fire.is_over = True
        for ws in talks:
            await ws.close()
        output = server.stop()
    assert fire.answered >= requests
    assert max(memory) - memory[0] < 8 * 1024, "KiB more than after a quarter of the changes"
    for name in ("unchanged", *map(str, range(good + 1))):
        lines = re.findall(rf"^{name} lifespan\.(\w+)$", output, re.MULTILINE)
        assert lines == ["startup", "shutdown"], name
    assert re.findall(r"^application (\w+)$", output, re.MULTILINE) == ["startup", "shutdown"]
    assert "Traceback" not in output


def complained(server: RunningServer, times: int) -> bool:
    return server.output().count("was not loaded anew") == times


def resident(pid: int) -> int:
    """Return the memory of a process, in KiB."""
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found)


LOGGING = Path(__file__).with_name("logging.json")
