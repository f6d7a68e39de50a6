"""The layer: which paths it answers, and what it knows of the life of the application."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from middlewares.asgi import ASGIApp, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.lifetime import Lifetime
from middlewares.core.options import check_types
from middlewares.core.paths import route_path
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .readiness import Readiness
from .report import Answer, answer
from .sigterm import HeldSigterm

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message

    from .checks import Outcome

__all__ = ("Health",)

_Probe = Literal["live", "ready", "startup"]

_METHOD: Final = Refusal(
    status=405, code="health.method", headers=((b"allow", b"GET, HEAD"), (b"cache-control", b"no-store"))
)


class _Life:
    """How far the application has got in its life, which may be told by several lifespans at a time."""

    __slots__ = ("_held", "_is_open", "_lifetime", "is_closing", "is_started")

    def __init__(self) -> None:
        self.is_started = True  # where a server runs no lifespan, nothing else would tell
        self.is_closing = False
        self._is_open = False
        self._lifetime = Lifetime()
        self._held: HeldSigterm | None = None

    def enter(self) -> None:
        """Begin a lifespan."""
        self._lifetime.enter()
        if not self._is_open:
            self._is_open = True
            self.is_started = self.is_closing = False  # as tests and reloaders do, it may begin anew

    def start(self, sigterm_delay: float) -> None:
        """Take note that the startup is complete."""
        self.is_started = True
        if sigterm_delay and self._held is None:
            self._held = HeldSigterm(sigterm_delay, self.close)
            self._held.install()

    def leave(self) -> bool:
        """Begin the end of a lifespan; return whether it is the last."""
        return self._lifetime.leave()

    def close(self) -> None:
        """Take note that a shutdown begins."""
        self.is_closing = True

    def end(self, *, has_failed: bool) -> None:
        """End the last lifespan. An application that knows none has started: servers go on without."""
        self._is_open = False
        self.is_started = not has_failed
        if self._held is not None:
            self._held.remove()
            self._held = None


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Health(Layer):
    """Answer health checks: 200 or 503, whether the application is alive, ready for requests, or has started.

    Alive it is as long as it answers; no check is run for that, or the outage of a database would have every process
    killed. Ready it is when it has started, is not shutting down, and all ``checks`` pass. They run at the same
    time, once for all who ask meanwhile. Other requests pass untouched.

    Order: outside of whatever refuses or redirects requests.
    Standard: draft-inadarei-api-health-check-06 (``application/health+json``); ASGI lifespan.
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    checks: Mapping[str, Callable[..., Any] | str] = field(default_factory=dict)
    """What must pass for the application to be ready: functions by name, async or sync, without arguments; or where
    they are found, as in ``shop.health:database``. One fails if it raises, returns something false other than
    ``None``, or is late. A sync function runs in a thread."""
    live_paths: Collection[str] = ("/livez",)
    """Paths that ask whether the application is alive."""
    ready_paths: Collection[str] = ("/readyz",)
    """Paths that ask whether it is ready for requests."""
    startup_paths: Collection[str] = ("/startupz",)
    """Paths that ask whether it has started."""
    timeout: float = 5.0
    """Seconds that each check may take."""
    max_age: float = 1.0
    """Seconds for which what the checks have found is given again; 0: they run for whoever asks when none runs."""
    details: bool = False
    """Whether answers tell which checks pass and which do not."""
    debug: bool = False
    """Whether answers also tell why a check fails, as what it raised. That may hold secrets."""
    sigterm_delay: float = 0.0
    """Seconds for which SIGTERM is held back from the server. Meanwhile the application is not ready, and serves all
    requests. 0: the signal is left alone."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    """What tells the time, in seconds."""
    _probes: dict[str, _Probe] = field(init=False, repr=False)
    _readiness: Readiness | None = field(init=False, repr=False)
    _passes: Answer = field(init=False, repr=False)
    _starting: Answer = field(init=False, repr=False)
    _closing: Answer = field(init=False, repr=False)
    _life: _Life = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    kept: ClassVar = ("_life", "_readiness")

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        probes = _probes(problems, self)
        functions = {name: _function(problems, found) for name, found in self.checks.items()}
        positive = 0 < self.timeout < float("inf")
        problems.check(positive, "timeout", "must be a number of seconds above 0", self.timeout)
        for option in ("max_age", "sigterm_delay"):
            seconds = getattr(self, option)
            is_right = 0 <= seconds < float("inf")
            problems.check(is_right, option, "must be a number of seconds that is not negative", seconds)
        problems.raise_if_any()
        details, debug = self.details or self.debug, self.debug
        readiness = Readiness(
            functions,
            partial(_found, details=details, debug=debug),
            timeout=self.timeout,
            max_age=self.max_age,
            clock=self.clock,
        )
        freeze(
            self,
            _probes=probes,
            _readiness=readiness if functions else None,
            _passes=answer(passes=True),
            _starting=answer(passes=False, note="starting" if details else ""),
            _closing=answer(passes=False, note="shutting down" if details else ""),
            _life=_Life(),
            _inner=InnerPolicy(self.app),
            _innermost=is_innermost(self.app),
        )

    @property
    def is_closing(self) -> bool:
        """Whether a shutdown has begun."""
        return self._life.is_closing

    def begin_shutdown(self) -> None:
        """Say from now on that the application is not ready. For whoever knows of a shutdown before the server."""
        self._life.close()

    def hands_on_send(self) -> bool:
        """Return whether the application inside, which is handed the very ``send``, is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            return await self._live(scope, receive, send)
        probe = self._probes.get(route_path(scope)) if kind == "http" else None
        if probe is None:
            if self._innermost and EXCHANGE in scope:
                publish_scope(scope)
            return await self.app(scope, receive, send)
        if scope["method"] not in ("GET", "HEAD"):
            return await refuse(scope, receive, send, _METHOD, inner=self._inner)
        found = await self._answer(probe)
        headers = await self._inner.readable(scope, [*found.headers])
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else found.body})

    async def _answer(self, probe: _Probe) -> Answer:
        life = self._life
        if probe == "live":
            return self._passes
        if not life.is_started:
            return self._starting
        if probe == "startup":
            return self._passes
        found = self._passes
        if self._readiness is not None and not life.is_closing:
            found = await self._readiness.answer()
        return self._closing if life.is_closing else found

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        life = self._life
        has_failed = is_leaving = is_last = False
        life.enter()

        async def receive_noted() -> Message:
            nonlocal is_leaving, is_last
            event = await receive()
            if event["type"] == "lifespan.shutdown" and not is_leaving:
                is_leaving, is_last = True, life.leave()
                if is_last:
                    life.close()
            return event

        @mark_coroutine_function
        def send_noted(message: Message) -> Awaitable[None]:
            nonlocal has_failed
            if message["type"] == "lifespan.startup.complete":
                life.start(self.sigterm_delay)
            elif message["type"] == "lifespan.startup.failed":
                has_failed = True
            return send(message)

        try:
            await self.app(scope, receive_noted, send_noted)
        finally:
            if is_last or (not is_leaving and life.leave()):
                life.end(has_failed=has_failed)


def _probes(problems: OptionErrors, layer: Health) -> dict[str, _Probe]:
    found: dict[str, _Probe] = {}
    given: tuple[tuple[str, _Probe], ...] = (
        ("live_paths", "live"), ("ready_paths", "ready"), ("startup_paths", "startup"),
    )  # fmt: skip
    for option, probe in given:
        for path in getattr(layer, option):
            is_exact = path.startswith("/") and not {*"*{}?#"} & {*path}
            problems.check(is_exact, option, "must hold whole paths such as '/readyz'", path)
            is_new = found.setdefault(path, probe) == probe
            problems.check(is_new, option, "must not hold a path that another option holds", path)
    return found


def _function(problems: OptionErrors, found: Callable[[], Any] | str) -> Callable[[], Any]:
    """Return a check that is given as it is, or by where it is found."""
    if not isinstance(found, str):
        return found
    try:
        function = pkgutil.resolve_name(found)
    except Exception as error:  # noqa: BLE001 - importing runs code that may raise anything
        hint = f"{type(error).__name__}: {error}"
        problems.add("checks", "must name functions as 'package.module:function'", found, hint)
        return _nothing
    problems.check(callable(function), "checks", "must name functions as 'package.module:function'", found)
    resolved: Callable[[], Any] = function
    return resolved


def _nothing() -> None:
    """Stand in for a check that was not found."""


def _found(outcomes: Mapping[str, Outcome], *, details: bool, debug: bool) -> Answer:
    passes = all(outcome.passes for outcome in outcomes.values())
    return answer(passes=passes, outcomes=outcomes if details else None, with_reasons=debug)
