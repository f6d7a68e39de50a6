"""Whatever happens to requests on real servers, a metric, a span and a line say so, once each."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from tests.interop.servers import RunningServer, serve
from tests.observability.chaos_app import LEDGER

KINDS = ("ok", "raise", "silent", "slow-inside", "slow-outside", "leave", "half", "raise-late", "stream", "cancel")
CONNECTIONS = 24


async def ask(server: RunningServer, kind: str, draw: random.Random) -> None:
    """Send one request on a connection of its own, and leave before the answer if that is what it is about."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(b"GET /%b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % kind.encode())
        await writer.drain()
        if kind == "leave" or (kind == "stream" and draw.random() < 0.5):
            await asyncio.sleep(draw.random() * 0.005)
        else:
            async with asyncio.timeout(20):
                await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def ledger(server: RunningServer) -> dict[str, Any]:
    """Return what the observers of a server have counted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % LEDGER.encode())
    answer = await reader.read()
    writer.close()
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


@pytest.mark.parametrize("requests", [600, pytest.param(20_000, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian"])
@pytest.mark.timeout(240)
async def test_every_request_is_counted_once_by_each(name: str, requests: int) -> None:
    draw = random.Random(requests)  # noqa: S311 - the same each time
    kinds = [draw.choice(KINDS) for _ in range(requests)]
    with serve(name, "tests.observability.chaos_app:watched") as server:
        before = await ledger(server)

        async def client() -> None:
            while kinds:
                await ask(server, kinds.pop(), draw)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(client())
        async with asyncio.timeout(20):
            after = await ledger(server)
            while after["active"] or after["lines"] != after["reached"] or after["tasks"] > before["tasks"]:
                await asyncio.sleep(0.1)
                after = await ledger(server)
        output = server.stop()
    assert after["reached"] > 0.9 * requests, "a request that its client takes back at once may not arrive"
    assert after["metrics"] == after["spans"] == after["lines"] == after["reached"]
    assert after["active"] == 0
    assert after["complaints"] == []
    assert after["tasks"] <= before["tasks"]
    assert "Failed to detach" not in output
