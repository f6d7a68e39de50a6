"""Load that is offered whether or not it is answered, and what becomes of it at the ASGI boundary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from middlewares.testing import http_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("WORKERS", "WORK_SECONDS", "Outcome", "offer", "pooled")

WORKERS = 10
WORK_SECONDS = 0.01


def pooled(
    workers: int = WORKERS, seconds: float | Callable[[], float] = WORK_SECONDS, *, random: Random | None = None
) -> ASGIApp:
    """Return an application that awaits one of some workers, as of a pool of database connections."""
    pool = asyncio.Semaphore(workers)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with pool:
            mean = seconds() if callable(seconds) else seconds
            await asyncio.sleep(mean if random is None else random.expovariate(1 / mean))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    return app


@dataclass
class Outcome:
    """What became of the load."""

    seconds: float
    took: list[float] = field(default_factory=list[float])
    """How long each admitted request took from its arrival to its end, in the order of their ends."""
    refused: int = 0

    @property
    def goodput(self) -> float:
        """Requests served in good time, ten times what one takes alone, in a second."""
        return sum(took <= 10 * WORK_SECONDS for took in self.took) / self.seconds

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 admitted requests were served."""
        return sorted(self.took)[int(len(self.took) * 0.99)]


async def offer(app: ASGIApp, rate: float, seconds: float, *, warm_up: float = 0.0, random: Random) -> Outcome:
    """Offer requests at random moments, ``rate`` in a second; those that arrive while it warms up are not counted."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcome = Outcome(seconds)
    running: set[asyncio.Task[None]] = set()
    arrival = began
    while arrival < began + warm_up + seconds:
        arrival += random.expovariate(rate)
        # Also where it is late: whoever offers load must not hold up those who bear it.
        await asyncio.sleep(max(0.0, arrival - loop.time()))
        counted = outcome if arrival - began > warm_up else Outcome(warm_up)
        task = loop.create_task(_ask(app, loop.time(), counted))
        running.add(task)
        task.add_done_callback(running.discard)
    for task in [*running]:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return outcome


async def _ask(app: ASGIApp, arrived: float, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    events: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    statuses: list[int] = []

    async def receive() -> Message:
        if not events:
            await loop.create_future()  # the client stays
        return events.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(http_scope(), receive, send)
    if statuses == [200]:
        outcome.took.append(loop.time() - arrived)
    else:
        outcome.refused += 1
