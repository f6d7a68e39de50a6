"""Tell where the time of a request went, in ``Server-Timing``: browsers show it beside the request.

::

    app = ServerTiming(app, show_to=["10.0.0.0/8"])

    with phase("db", "load the products"):  # anywhere in the application
        ...
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

from middlewares.asgi import ASGIApp, Message
from middlewares.core.addresses import parse_networks
from middlewares.core.clients import Clients
from middlewares.core.fields import is_token
from middlewares.core.headers import append
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, observe
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token

    from middlewares.core.observed import ObservedCall

__all__ = ("ServerTiming", "phase", "record_phase")

_NOT_QUOTABLE: Final = re.compile(r'[^\t !#-\[\]-~]|["\\]')
_MOST: Final = 50
"""Phases of one request; more would make a header that proxies refuse."""
_LONGEST: Final = 100

LOOPBACK: Final = ("127.0.0.0/8", "::1")
"""Clients on the same machine."""


class _Phases:
    """The phases of one request, by name: seconds, how often, and a description."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, str]] = {}

    def add(self, name: str, seconds: float, description: str) -> None:
        before = self.found.get(name)
        if before is not None:
            self.found[name] = before[0] + seconds, description or before[1]
        elif len(self.found) < _MOST:
            self.found[name] = seconds, description


_phases: Final[ContextVar[_Phases | None]] = ContextVar("server_timing", default=None)


def record_phase(name: str, seconds: float, description: str = "") -> None:
    """Add the time of a phase; times of the same name add up. Nothing happens where no response will tell it.

    Raises `ValueError` if ``name`` is no token (RFC 9110, 5.6.2), or ``seconds`` no finite number.
    """
    if not is_token(name):
        raise ValueError(f"record_phase: name must be a token such as 'db'; got {name[:40]!r}")
    try:
        is_number = isfinite(seconds)
    except TypeError:
        is_number = False
    if not is_number:
        raise ValueError(f"record_phase: seconds must be a finite number; got {seconds!r:.40}")
    found = _phases.get()
    if found is not None:
        found.add(name, seconds, description)


@contextmanager
def phase(name: str, description: str = "") -> Iterator[None]:
    """Time a part of the work for a request; see `record_phase`."""
    began = perf_counter()
    try:
        yield
    finally:
        record_phase(name, perf_counter() - began, description)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class ServerTiming(Observer):
    """Add ``Server-Timing`` to responses: the time until they begin, and the phases that ended before.

    Times can tell a stranger what is in a database or a cache, so they are shown to some clients only.

    Order: anywhere; the total is that of the layers inside.
    Standard: W3C Server Timing, 2.
    """

    app: ASGIApp = field(kw_only=False)
    show_to: Collection[str] | Literal["anybody", "nobody"] = LOOPBACK
    """Who is shown times: ``"anybody"``, ``"nobody"``, or a list of addresses and networks of clients."""
    total: str = "total"
    """Name of the time until the response begins, a token."""
    _plan: Plan = field(init=False, repr=False)
    _shows: Clients | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(is_token(self.total), "total", "must be a token such as 'total'", self.total)
        networks = () if isinstance(self.show_to, str) else parse_networks(problems, "show_to", self.show_to)
        problems.raise_if_any()
        shows = None if self.show_to == "anybody" else Clients(networks)
        freeze(self, _shows=shows, _plan=observe(self))

    def begin(self, call: ObservedCall) -> tuple[_Phases, Token[_Phases | None], float] | None:
        if call.is_websocket or not (self._shows is None or self._shows.have_sent(call.scope)):
            return None
        phases = _Phases()
        return phases, _phases.set(phases), call.plan.clock()

    def start(
        self, call: ObservedCall, state: tuple[_Phases, Token[_Phases | None], float] | None, message: Message
    ) -> Message:
        if state is None:
            return message
        metrics = [_metric(self.total, call.plan.clock() - state[2], "")]
        metrics += [_metric(name, *told) for name, told in state[0].found.items()]
        # A line of its own: several are one list (RFC 9110, 5.3), and what others have set stays as it is.
        headers = append(message.get("headers", ()), b"server-timing", ", ".join(metrics).encode())
        return {**message, "headers": headers}

    def leave(self, call: ObservedCall, state: tuple[_Phases, Token[_Phases | None], float]) -> None:
        try:  # noqa: SIM105 - `suppress` costs more than all the rest
            _phases.reset(state[1])
        except ValueError:  # of another context: a server may close a call from outside
            pass


def _metric(name: str, seconds: float, description: str) -> str:
    shown = _NOT_QUOTABLE.sub(" ", description[:_LONGEST])
    return f'{name};dur={seconds * 1000:.2f};desc="{shown}"' if shown else f"{name};dur={seconds * 1000:.2f}"
