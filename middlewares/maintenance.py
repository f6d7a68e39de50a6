"""Answer 503 while an application is not to be used, but let some clients and paths through.

::

    app = Maintenance(app, active="/run/shop/maintenance")  # while that file exists
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.addresses import Network, is_in, parse_address, parse_networks
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.matching import ask
from middlewares.core.memo import Memo
from middlewares.core.options import check_types
from middlewares.core.paths import HEALTH_PATHS, compile_paths, path_problem, route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

__all__ = ("Maintenance",)

_LOOK_EVERY = 1.0
"""Seconds for which it is remembered whether the file exists."""


class _FileSwitch:
    """Whether a file exists: looked up at most once a second."""

    __slots__ = ("_clock", "_is_on", "_next", "_path")

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._next = float("-inf")
        self._is_on = False

    def is_on(self) -> bool:
        now = self._clock()
        if now >= self._next:
            self._next = now + _LOOK_EVERY
            with suppress(OSError):  # where it cannot be told, what was known before holds
                self._is_on = self._path.exists()
        return self._is_on


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Maintenance(Layer):
    """Refuse requests with 503 and ``Retry-After`` while it is active; WebSocket handshakes too.

    It is switched by a file, whose existence is looked up at most once a second, by a function, or by a constant.
    Health checks pass, so that an orchestrator does not take the application for dead.

    Order: outside whatever needs what is under maintenance, such as sessions; inside what tells the client's address.
    Standard: RFC 9110, 15.6.4 (503) and 10.2.3 (``Retry-After``).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    active: bool | str | Path | Callable[..., Any] = True
    """Whether it is active: true or false; the path of a file, while that exists; or a function, sync or async, that
    is given the ``HTTPConnection``."""
    allow_clients: Collection[str] = ()
    """Addresses and networks of clients that pass, such as ``10.0.0.0/8``."""
    allow_paths: Collection[str] = HEALTH_PATHS
    """Path patterns of requests that pass."""
    retry_after: int = 300
    """Seconds after which a client is asked to come back."""
    detail: str = "The service is down for maintenance. Please come back later."
    """What the client is told."""
    page: str | Path | None = None
    """An HTML file for clients that prefer HTML; read once, when the layer is built."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    """What tells the time, in seconds."""
    _switch: _FileSwitch | None = field(init=False, repr=False)
    _is_allowed_path: Callable[[str], object] = field(init=False, repr=False)
    _allowed: Memo[bool] = field(init=False, repr=False)
    _refusal: Refusal = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(self.retry_after >= 1, "retry_after", "must be at least 1", self.retry_after)
        problems.check(self.active != "", "active", "must be true, false, a path, or a callable", self.active)
        for pattern in self.allow_paths:
            wrong = path_problem(pattern)
            problems.check(wrong is None, "allow_paths", wrong or "", pattern)
        networks = parse_networks(problems, "allow_clients", self.allow_clients)
        page = _read_page(problems, self.page)
        problems.raise_if_any()
        is_file = isinstance(self.active, (str, Path))
        refusal = Refusal(
            status=503,
            code="maintenance.active",
            detail=self.detail,
            headers=((b"retry-after", b"%d" % self.retry_after), (b"cache-control", b"no-store")),
            page=page,
            close_code=1013,
        )
        freeze(
            self,
            _switch=_FileSwitch(Path(str(self.active)), self.clock) if is_file else None,
            _is_allowed_path=compile_paths(self.allow_paths),
            _allowed=Memo(partial(_is_in, networks)),
            _refusal=refusal,
            _inner=InnerPolicy(self.app),
            _innermost=is_innermost(self.app),
        )

    def hands_on_send(self) -> bool:
        """Return whether the application inside, which is handed the very ``send``, is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        if self.active is False or scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if not await self._is_on(scope) or self._passes(scope):
            return await self.app(scope, receive, send)
        await refuse(scope, receive, send, self._refusal, inner=self._inner)

    async def _is_on(self, scope: Scope) -> bool:
        if self._switch is not None:
            return self._switch.is_on()
        return not callable(self.active) or bool(await ask(self.active, scope))

    def _passes(self, scope: Scope) -> bool:
        if self._is_allowed_path(route_path(scope)):
            return True
        client = scope.get("client")
        return bool(self.allow_clients and client and self._allowed[str(client[0]).encode(errors="replace")])


def _is_in(networks: tuple[Network, ...], host: bytes) -> bool:
    address = parse_address(host.decode())
    return address is not None and is_in(address, networks)


def _read_page(problems: OptionErrors, page: str | Path | None) -> str:
    if page is None:
        return ""
    try:
        return Path(page).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.add("page", "must be an HTML file in UTF-8", str(page), type(error).__name__)
        return ""
