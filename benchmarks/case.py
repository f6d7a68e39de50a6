"""What one benchmark is made of: the work, the bare application, ours, the peers, and the bars to meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from middlewares.asgi import ASGIApp, Message, Scope

from .answer import Verify

__all__ = ("Bar", "Build", "Case", "Subject", "ours", "peer", "wrap")

Build = Callable[[ASGIApp], ASGIApp]
ScopeFactory = Callable[[int], Scope]
"""Makes the scope of the request at one place of the pool (0 to 999); each call gives a fresh one."""

NO_BODY: Mapping[str, Any] = {"type": "http.request", "body": b"", "more_body": False}


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure: how it is put around the bare application."""

    label: str
    build: Build
    """Wraps the application. An ``ImportError`` from it means "not installed"."""
    peer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What ours must reach: a share of a peer's cost, or an overhead in microseconds."""

    peer: str | None = None
    """Label of the peer that ``ratio`` refers to."""
    ratio: float | None = None
    """Largest allowed ours/peer."""
    totals: bool = False
    """Compare whole requests instead of what the layers add to the bare application."""
    body_bytes: bool = False
    """Compare the sizes of the bodies instead."""
    overhead_us: float | None = None
    """Largest allowed overhead over the bare application, in microseconds."""

    def __post_init__(self) -> None:
        if (self.overhead_us is None) == (self.ratio is None) or (self.ratio is None) != (self.peer is None):
            raise ValueError(f"Bar: give either overhead_us, or peer and ratio; got {self!r}")

    def __str__(self) -> str:
        if self.overhead_us is not None:
            return f"overhead at most {self.overhead_us:g} µs"
        what = "body" if self.body_bytes else "total" if self.totals else "overhead"
        return f"{what} at most {self.ratio:.3g} of {self.peer}"


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of work on which ours, its peers and the bare application are compared."""

    name: str
    what: str
    """The work in a few words, for the table's heading."""
    app: ASGIApp
    """The bare application. It must hold no state, since all subjects wrap the same one."""
    scope_factory: ScopeFactory
    subjects: tuple[Subject, ...]
    """Exactly one of ours, and its peers. A variant of ours is a case of its own."""
    verify: Verify
    """Raises `WrongOutputError` when a subject's answer is not what the work asks for."""
    bars: tuple[Bar, ...] = ()
    totals: bool = False
    """The whole work counts, as when bodies are compressed: also report ratios of totals, and body sizes."""
    receive: Mapping[str, Any] = field(default_factory=lambda: NO_BODY)
    """The message that each ``receive()`` gives, as a fresh copy."""
    after: Callable[[], Awaitable[None]] | None = None
    """Called in the end, in the event loop of the measurement: closes what the subjects have opened in it."""

    def __post_init__(self) -> None:
        if sum(not subject.peer for subject in self.subjects) != 1:
            raise ValueError(f"Case {self.name}: exactly one subject must be ours, the others peers")
        labels = [subject.label for subject in self.subjects]
        if len({"bare", *labels}) != len(labels) + 1:
            raise ValueError(f"Case {self.name}: labels must differ, also from 'bare'; got {labels}")
        peers = {subject.label for subject in self.subjects if subject.peer}
        for bar in self.bars:
            if bar.peer is not None and bar.peer not in peers:
                raise ValueError(f"Case {self.name}: bar refers to {bar.peer!r}, which is none of {sorted(peers)}")

    async def received(self) -> Message:
        """Return the message for one ``receive()``."""
        return {**self.receive}


def wrap(target: str, **options: Any) -> Build:
    """Return a build that imports ``module:Class`` when it is used and calls it with these options."""

    def build(app: ASGIApp) -> ASGIApp:
        module, _, name = target.partition(":")
        wrapped: ASGIApp = getattr(import_module(module), name)(app, **options)
        return wrapped

    return build


def ours(target: str, **options: Any) -> Subject:
    """Return the subject that is ours, as in ``ours("middlewares:GZip", compresslevel=6)``."""
    return Subject(f"ours {target.partition(':')[2]}", wrap(target, **options), peer=False)


def peer(label: str, target: str, **options: Any) -> Subject:
    """Return a peer, as in ``peer("brotli-asgi", "brotli_asgi:BrotliMiddleware", quality=4)``."""
    return Subject(label, wrap(target, **options), peer=True)
