"""One stack around the application, from its first request to the end of its last."""

from __future__ import annotations

from functools import partial
from inspect import isfunction
from typing import TYPE_CHECKING, Any

import anyio

from middlewares.core.exchange import hand_back
from middlewares.core.layer import Layer
from middlewares.errors import OptionErrors
from middlewares.record import Middleware
from middlewares.stack import Stack
from middlewares.when import When

from .foreign import STACK, Foreign, Place
from .lifespans import End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from middlewares.asgi import ASGIApp, Receive, Scope, Send

__all__ = ("Generation", "is_same")


class Generation:
    """A stack that is built: what requests are handed to, and how many of them are under way.

    An entry that is as it was in ``previous`` keeps its state: a layer of ours hands it to the one in its place, any
    other stays the same object.
    """

    __slots__ = (
        "_is_left",
        "_kept",
        "app",
        "call",
        "end",
        "entries",
        "foreign",
        "in_flight",
        "is_retired",
        "landed",
        "layers",
    )

    def __init__(self, entries: tuple[Middleware, ...], app: ASGIApp, previous: Generation | None = None) -> None:
        self.entries = entries
        self.end = End(app)
        """The inner end of the stack."""
        self.foreign: list[Foreign] = []
        """The layers that are not ours."""
        self.layers: list[tuple[Middleware, Layer]] = []
        """Those that are, with their records, innermost first."""
        self.in_flight = 0
        self.is_retired = self._is_left = False
        self.landed: anyio.Event | None = None
        self._kept = [] if previous is None else [*previous.foreign]
        wrapped: Any = self.end.app
        try:
            for record in reversed([*_flat(entries)]):
                wrapped = self._built(record, wrapped)
        except BaseException:
            self.close()
            raise
        self.app: ASGIApp = wrapped
        call = wrapped if isfunction(wrapped) else wrapped.__call__
        self.call: ASGIApp = partial(_told, self, call) if self.foreign else call
        """What requests are handed to: the same, as what is quicker to call than an instance."""
        if previous is not None:
            self._take_over([*previous.layers])
        self._kept = []

    def land(self) -> None:
        """Take note that a request has ended."""
        if self.in_flight:
            return
        if self.landed is not None:
            self.landed.set()
        if self._is_left:
            self.close()

    async def empty(self) -> None:
        """Wait until no request is under way."""
        self.is_retired = True
        if self.in_flight:
            self.landed = anyio.Event()
            await self.landed.wait()

    def leave(self) -> None:
        """Close it once no request is under way, for which nobody waits."""
        self.is_retired = self._is_left = True
        self.land()

    def close(self) -> None:
        """Forget what foreign layers, which other stacks may still have, were to find inside them."""
        for foreign in self.foreign:
            foreign.joint.inside.pop(self, None)

    def _built(self, record: Middleware, app: ASGIApp) -> ASGIApp:
        if isinstance(record, When):
            matchers: dict[str, Any] = {name: value for name, value in record.kwargs.items() if name != "layer"}
            inner = record.layer
            return When(Middleware(lambda within: self._built(inner, within)), **matchers)(app)
        if isinstance(record.cls, type) and issubclass(record.cls, Layer):
            layer: Any = record(app)
            self.layers.append((record, layer))
            ours: ASGIApp = layer
            return ours
        foreign = next((kept for kept in self._kept if is_same(kept.record, record)), None)
        if foreign is None:
            foreign = Foreign(record)
            if not callable(foreign.layer):
                problems = OptionErrors("Stack")
                problems.add(record.name, "must return an ASGI application", foreign.layer)
                problems.raise_if_any()
        else:
            self._kept.remove(foreign)
        self.foreign.append(foreign)
        return Place(foreign, self, app)

    def _take_over(self, old: list[tuple[Middleware, Layer]]) -> None:
        for record, layer in self.layers:
            match = next((pair for pair in old if is_same(pair[0], record)), None)
            if match is not None:
                old.remove(match)
                layer.take_over(match[1])


async def _told(stack: Generation, call: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand on a request whose scope says which stack it began with, for layers that are not ours."""
    inner = {**scope, STACK: stack}
    try:
        await call(inner, receive, send)
    finally:
        hand_back(inner, scope)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two records would build the same layer."""
    if isinstance(one, Middleware) and isinstance(other, Middleware):
        return (
            _same_class(one.cls, other.cls)
            and is_same([*one.args], [*other.args])
            and one.kwargs.keys() == other.kwargs.keys()
            and all(is_same(one.kwargs[name], other.kwargs[name]) for name in one.kwargs)
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    try:
        return bool(one is other or (type(one) is type(other) and one == other))
    except Exception:  # noqa: BLE001 - values of foreign options may compare as they like
        return False


def _same_class(one: Any, other: Any) -> bool:
    if isinstance(one, Stack) and isinstance(other, Stack):
        return is_same([*one], [*other])
    return one is other


def _flat(entries: tuple[Middleware, ...]) -> Iterator[Middleware]:
    """Yield records with those of nested stacks in their place."""
    for entry in entries:
        if isinstance(entry.cls, Stack):
            yield from _flat(entry.cls.entries)
        else:
            yield entry
