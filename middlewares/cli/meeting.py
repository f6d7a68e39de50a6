"""What a request would meet: it is sent through the layers in this process, and watched between any two of them.

Nothing is asked outside: stores are replaced by memory, layers of third parties are left out, and in the place of the
application a stand-in answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from middlewares import Stack, When
from middlewares.asgi import ASGIApp, Message, Scope
from middlewares.config.costs import is_store_option
from middlewares.config.model import Entry
from middlewares.core.layer import is_self_checking
from middlewares.core.matching import compile_matchers
from middlewares.record import Middleware
from middlewares.testing import request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Receive, Send
    from middlewares.testing import Response

__all__ = ("Met", "harmless", "meet")

_BODY = b"The application answers with this text. " * 100
_Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Probe:
    """Watches what passes between two layers."""

    app: ASGIApp | None = None
    scope: Scope | None = None
    start: Message | None = None

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            self.scope = scope

            async def send_watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.start = {**message, "headers": [(bytes(k).lower(), bytes(v)) for k, v in message["headers"]]}
                await send(message)

            await app(scope, receive, send_watched)

        return watched


@dataclass(frozen=True, slots=True)
class Met:
    """What became of the request at one layer."""

    entry: Entry
    words: str
    """What it does: ``passes``, ``answers 403``, ``goes around``, ``is not reached``."""
    added: tuple[str, ...] = field(default=())
    """Header lines that it adds to the response, and ``-name`` for those that it takes away."""


def meet(
    entries: Iterable[Entry], method: str, path: str, query: bytes, headers: list[tuple[str, str]]
) -> tuple[list[Met], Response]:
    """Send a request through the layers of a configuration, and return what it met at each, and the response."""
    listed = list(entries)
    asked = [entry for entry in listed if entry.enabled and is_self_checking(entry.cls)]
    probes = [_Probe() for _ in range(len(asked) + 1)]
    inner = [part for entry, probe in zip(asked, probes[1:], strict=True) for part in (harmless(entry), probe)]
    app = Stack(probes[0], *inner)(_stand_in)

    async def ask() -> Response:
        return await request(app, method, path, query=query, headers=headers, raise_exceptions=False)

    response = anyio.run(ask)
    met = dict(zip(map(id, asked), _met(asked, probes), strict=True))
    return [met.get(id(entry)) or Met(entry, _left_out(entry)) for entry in listed], response


async def _stand_in(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in the place of the application."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})


def harmless(entry: Entry) -> Middleware:
    """Return the record of an entry with stores in memory."""
    options = {name: setting.value for name, setting in entry.options.items()}
    for name, value in options.items():
        if is_store_option(name) and isinstance(value, str):
            options[name] = "memory://"
    layer = Middleware(entry.cls, **options)
    matchers = {name: setting.value for name, setting in entry.when.items()}
    return When(layer, **matchers) if matchers else layer


def _left_out(entry: Entry) -> str:
    return "not asked: it is not ours" if entry.enabled else "not enabled"


def _met(entries: list[Entry], probes: list[_Probe]) -> Iterable[Met]:
    for entry, outer, inner in zip(entries, probes[:-1], probes[1:], strict=True):
        unmatched = () if outer.scope is None else _unmatched(entry, outer.scope)
        if outer.scope is None:
            yield Met(entry, "not reached")
        elif unmatched:
            yield Met(entry, f"goes around it: {', '.join(unmatched)} not matched")
        elif inner.scope is None:
            status = "nothing" if outer.start is None else outer.start["status"]
            yield Met(entry, f"answers {status}", _difference([], _headers(outer)))
        else:
            added = _difference(_headers(inner), _headers(outer))
            yield Met(entry, _passage(inner.scope, outer.scope), added)


def _unmatched(entry: Entry, scope: Scope) -> list[str]:
    """Return the matchers of an entry that a request does not satisfy."""
    matchers: dict[str, Any] = {name: setting.value for name, setting in entry.when.items()}
    return [
        f"when.{name}"
        for name, value in matchers.items()
        if not all(test(scope) for test in compile_matchers(**{name: value}))
    ]


def _passage(inner: Scope, outer: Scope) -> str:
    """Return in words how a request passed a layer that did not answer it."""
    changed = [key for key in inner if key not in outer or inner[key] is not outer[key]]
    changed = [key for key in changed if key.isidentifier() and key not in ("headers", "extensions", "state")]
    return f"passes, with {', '.join(changed)} in the scope" if changed else "passes"


def _headers(probe: _Probe) -> _Headers:
    return [] if probe.start is None else probe.start["headers"]


def _difference(before: _Headers, after: _Headers) -> tuple[str, ...]:
    names = {name for name, _ in after}
    gone = [f"-{name.decode('latin-1')}" for name in dict.fromkeys(name for name, _ in before) if name not in names]
    lines = [
        f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in after if (name, value) not in before
    ]
    return (*lines, *gone)
