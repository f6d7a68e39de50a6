"""``middlewares bench``: what the stack of a file costs a request on this machine."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from middlewares.asgi import ASGIApp

from .common import aligned, answer, config_options, configuration_of, json_option, refusing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import Message, Receive, Scope, Send
    from middlewares.config import Configuration

__all__ = ("bench",)

_WINDOW = 200
"""Requests that are timed at once; of all windows the quickest counts, since others waited for other programs."""
_CLIENTS = 1000
_SHORTEST, _LONGEST = 0.01, 60.0


@dataclass(slots=True)
class _Candidate:
    name: str
    app: ASGIApp
    best: float = float("inf")
    """Seconds for a request."""
    statuses: dict[int, int] | None = None


@click.command(short_help="Measure what a stack costs a request here.")
@config_options
@click.option(
    "--seconds",
    default=0.3,
    show_default=True,
    type=click.FloatRange(_SHORTEST, _LONGEST),
    help="How long each layer is measured.",
)
@click.option("--size", default=2000, show_default=True, type=click.IntRange(0, 10_000_000), help="Bytes of the body.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of the requests.")
@click.option("--stores", is_flag=True, help="Ask the stores of the file; without it they are kept in memory.")
@json_option
def bench(
    config: str | None,
    profile: str | None,
    seconds: float,
    size: int,
    headers: tuple[str, ...],
    stores: bool,
    as_json: bool,
) -> None:
    """Measure what each layer of a file costs a request, and all of them together, without a server or a network.

    The application is a stand-in that answers at once; each number is the time above it. Requests come from 1000
    addresses. Layers that answer themselves, such as a rate limit that is reached, are said to.
    """
    with refusing():
        configuration = configuration_of(config, profile)
    given = [_header(line) for line in headers]
    found = asyncio.run(_measured(configuration, seconds, size, given, with_stores=stores))
    bare, *layers = found
    rows = [(one.name, round((one.best - bare.best) * 1e6, 2), one.statuses or {}) for one in layers]
    if as_json:
        answer(
            {"bare": round(bare.best * 1e6, 2), "layers": [{"name": n, "us": us, "statuses": s} for n, us, s in rows]}
        )
        return
    table = [("LAYER", "µs PER REQUEST", ""), ("the stand-in alone", f"{bare.best * 1e6:.2f}", "")]
    table += [(name, f"+{us:.2f}", _remark(statuses)) for name, us, statuses in rows]
    click.echo("\n".join(aligned(table)))


def _header(line: str) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(":")
    if not colon:
        raise click.UsageError(f"-H must be a name and a value, as in 'Accept-Encoding: gzip'; got {line!r}")
    return name.strip().lower().encode("latin-1", "replace"), value.strip().encode("latin-1", "replace")


def _remark(statuses: dict[int, int]) -> str:
    total = sum(statuses.values())
    others = {status: count for status, count in statuses.items() if status != 200}
    return ", ".join(f"{count * 100 // total} % answered {status}" for status, count in others.items())


async def _measured(
    configuration: Configuration, seconds: float, size: int, headers: list[tuple[bytes, bytes]], *, with_stores: bool
) -> list[_Candidate]:
    candidates = _candidates(configuration, size, with_stores=with_stores)
    requests = _requests(headers)
    rounds = max(1, int(seconds * 10))
    with click.progressbar(length=rounds * len(candidates), label="measuring", file=sys.stderr) as progress:
        # In turns, so that what else the machine does meets all alike.
        for _ in range(rounds):
            for one in candidates:
                await _windows(one, requests, 0.1)
                progress.update(1)
    return candidates


def _candidates(configuration: Configuration, size: int, *, with_stores: bool) -> list[_Candidate]:
    """Return the stand-in alone, inside each layer, and inside all of them."""
    from middlewares import Stack

    from .meeting import harmless

    stand_in = _stand_in(size)
    enabled = [entry for entry in configuration.entries if entry.enabled]
    records = list(configuration.stack) if with_stores else [harmless(entry) for entry in enabled]
    found = [_Candidate("the stand-in alone", stand_in)]
    found += [_Candidate(entry.label, Stack(record)(stand_in)) for entry, record in zip(enabled, records, strict=True)]
    return [*found, _Candidate("all together", Stack(*records)(stand_in))]


def _stand_in(size: int) -> ASGIApp:
    line = b'{"id": %d, "name": "a product of the shop", "price": %d}\n'
    body = b"".join(line % (number, number * 7 % 1000) for number in range(size // 48 + 1))[:size]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


def _requests(headers: list[tuple[bytes, bytes]]) -> Iterator[Scope]:
    """Yield scopes from different clients, one for each request, without end."""
    base: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "server": ("127.0.0.1", 8000),
    }
    sent = [(b"host", b"127.0.0.1:8000"), (b"accept-encoding", b"gzip, br, zstd"), *headers]
    for number in cycle(range(_CLIENTS)):
        client = (f"10.0.{number // 250}.{number % 250 + 1}", 40_000)
        yield {**base, "headers": list(sent), "client": client}


async def _windows(one: _Candidate, requests: Iterator[Scope], seconds: float) -> None:
    """Time windows of requests for so long."""
    statuses = one.statuses = one.statuses or {}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            statuses[status] = statuses.get(status, 0) + 1

    end = perf_counter() + seconds
    while perf_counter() < end:
        scopes = [next(requests) for _ in range(_WINDOW)]
        begin = perf_counter()
        for scope in scopes:
            await one.app(scope, receive, send)
        one.best = min(one.best, (perf_counter() - begin) / _WINDOW)
