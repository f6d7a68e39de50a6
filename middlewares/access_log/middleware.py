"""Log each request and WebSocket once."""

from __future__ import annotations

import logging
import os
import random
import time
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send
from middlewares.core.fields import is_token
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, note_failure, observe
from middlewares.core.options import check_types
from middlewares.core.paths import MONITORING_PATHS, compile_paths, path_problem, route_path
from middlewares.errors import OptionErrors

from .formats import FORMATS, in_json, notice, pretty
from .record import HEAD, LENGTHS, Ended, Shown, ended_call, record_of, without_values
from .writer import Writer

if TYPE_CHECKING:
    from middlewares.core.observed import ObservedCall

__all__ = ("AccessLog",)

_FAILURE: Final = 500
_FAILURES: Final = ("raised", "unanswered", "truncated")
_INFO: Final = logging.INFO
_LEVELS: Final = {level: logging.getLevelName(level) for level in (logging.INFO, logging.WARNING, logging.ERROR)}
_QUERIES: Final[dict[str, Callable[[str], str | None]]] = {
    "names": without_values,
    "full": lambda query: query[:2048] or None,
    "none": lambda query: None,
}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class AccessLog(Observer):
    """Log one line for each request and WebSocket, after its last byte, however it ends.

    Failures and slow requests are always logged; the others may be sampled. A log that cannot be written costs lines,
    which are counted, and never a response.

    Order: outside of whatever answers by itself; inside what tells the client's address, the id and the trace.
    """

    app: ASGIApp = field(kw_only=False)
    format: Literal["json", "ecs", "logfmt", "combined", "pretty"] | Callable[..., str] = "json"
    """How a line is written: JSON with the names of OpenTelemetry or of ECS; logfmt; as Apache does; for people, in
    colours where a terminal shows them; or a function of the time, the level and the record."""
    output: Literal["logging", "stdout", "stderr"] | int = "logging"
    """Where lines go: to a logger; or to a standard stream or a file descriptor, written by a thread of its own."""
    logger: str = "middlewares.access"
    """Name of the logger."""
    query: Literal["names", "full", "none"] = "names"
    """What is logged of a query: the names of its parameters, all of it, or nothing."""
    headers: Collection[str] = ()
    """Names of request headers that are logged too, in the formats with names."""
    redact_headers: Collection[str] = ("authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key")
    """Names of headers of which it is only logged that they were there."""
    sample_rate: float = 1.0
    """Which share of requests is logged that neither fail nor are slow, from 0 to 1."""
    slow: float = 1.0
    """Seconds from which a request is logged as a warning."""
    quiet_paths: Collection[str] = MONITORING_PATHS
    """Path patterns of requests that are logged only if they fail."""
    queue_size: int = 10_000
    """Lines that may wait for a descriptor; more are dropped and counted."""
    _plan: Plan = field(init=False, repr=False)
    _is_quiet: Callable[[str], object] = field(init=False, repr=False)
    _shown: Shown = field(init=False, repr=False)
    _write: Callable[[float, str, dict[str, Any]], str] | None = field(init=False, repr=False)
    _logger: logging.Logger = field(init=False, repr=False)
    _writer: Writer | None = field(init=False, repr=False)
    _later: Writer | None = field(init=False, repr=False)

    kept: ClassVar = ("_writer", "_later")

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(0 <= self.sample_rate <= 1, "sample_rate", "must be from 0 to 1", self.sample_rate)
        problems.check(self.slow > 0, "slow", "must be positive", self.slow)
        problems.check(self.queue_size >= 1, "queue_size", "must be at least 1", self.queue_size)
        for pattern in self.quiet_paths:
            wrong = path_problem(pattern)
            problems.check(wrong is None, "quiet_paths", wrong or "", pattern)
        for option in ("headers", "redact_headers"):
            for name in getattr(self, option):
                problems.check(is_token(name), option, "must hold names of headers", name)
        problems.check(
            not isinstance(self.output, int) or self.output >= 0, "output", "must be a descriptor from 0", self.output
        )
        problems.raise_if_any()
        descriptor = self._descriptor()
        write = self._writing(descriptor)
        shown = Shown(
            _QUERIES[self.query],
            tuple(name.lower().encode() for name in self.headers),
            frozenset(name.lower().encode() for name in self.redact_headers),
        )
        writer = None
        if descriptor is not None:
            make = partial(_made, write, shown)
            writer = Writer(descriptor, capacity=self.queue_size, tell=notice(self.format), make=make)
        freeze(
            self,
            _is_quiet=compile_paths(self.quiet_paths),
            _shown=shown,
            _write=write,
            _logger=logging.getLogger(self.logger),
            _writer=writer,
            # A function of the user's may ask for what belongs to the request, such as a context variable.
            _later=None if callable(self.format) else writer,
            _plan=observe(self),
        )
        self._close_when_gone()

    def take_over(self, old: Any) -> None:
        Observer.take_over(self, old)
        self._close_when_gone()

    @property
    def dropped(self) -> int:
        """Lines that were lost because nobody took them from a file descriptor in time."""
        return 0 if self._writer is None else self._writer.dropped

    def header_lengths(self) -> Collection[int]:
        return (*LENGTHS, *(len(name) for name in self.headers))

    def finish(self, call: ObservedCall, state: Any) -> None:
        began = call.began
        duration = (call.ended or began) - began
        is_fine = call.is_fine
        level = _INFO if is_fine and duration < self.slow else self._level(call, duration)
        if level == _INFO:  # as nearly all are
            scope = call.scope
            if self._is_quiet(route_path(scope) if scope.get("root_path") else scope["path"]):
                return
            if self.sample_rate < 1 and random.random() >= self.sample_rate:  # noqa: S311 - a sample, no secret
                return
        ended = ended_call(call, time.time())
        is_usual = is_fine and not call.is_websocket
        if is_usual and level == _INFO and self._later is not None:
            return self._later.put_ended(ended)
        line = _line(self._write, ended, level, self._shown, None if is_usual else call)
        writer = self._writer
        if writer is None:
            _log(self._logger, level, line)
        else:
            writer.put(line)

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write what is left when the application has shut down."""
        writer = self._writer
        if writer is None or scope["type"] != "lifespan":
            return await self.app(scope, receive, send)

        async def send_flushed(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                import anyio.to_thread

                await anyio.to_thread.run_sync(writer.flush)
            await send(message)

        await self.app(scope, receive, send_flushed)

    def _close_when_gone(self) -> None:
        """Have the thread end with the layer that writes; one that goes on with the writer starts it again."""
        if self._writer is not None:
            weakref.finalize(self, self._writer.close).atexit = False  # all are written out then

    def _level(self, call: ObservedCall, duration: float) -> int:
        """Return the level of a call that is not fine, or slow."""
        status, outcome = call.final_status, call.outcome
        if outcome in _FAILURES or (isinstance(status, int) and status >= _FAILURE):
            return logging.ERROR
        if outcome == "cancelled" or (duration >= self.slow and not call.is_websocket):
            return logging.WARNING
        return _INFO

    def _descriptor(self) -> int | None:
        if isinstance(self.output, int):
            return self.output
        return {"logging": None, "stdout": 1, "stderr": 2}[self.output]

    def _writing(self, descriptor: int | None) -> Callable[..., str] | None:
        if self.format == "json":
            return None  # the record is written as it is
        if callable(self.format):
            return _without_head(self.format)
        if self.format == "pretty":
            return _without_head(partial(pretty, colour=_is_terminal(2 if descriptor is None else descriptor)))
        return _without_head(FORMATS[self.format])


def _line(
    write: Callable[[float, str, dict[str, Any]], str] | None,
    ended: Ended,
    level: int,
    shown: Shown,
    call: ObservedCall | None,
) -> str:
    name = _LEVELS[level]
    record = record_of(ended, name, shown, call)
    return in_json(record) if write is None else write(ended[0], name, record)


def _made(write: Callable[[float, str, dict[str, Any]], str] | None, shown: Shown, ended: Ended) -> str | None:
    """Return the line of a request that has ended well; ``None`` if none can be made."""
    try:
        return _line(write, ended, _INFO, shown, None)
    except Exception as error:  # noqa: BLE001 - as where lines are made at once
        note_failure("AccessLog", error)
        return None


def _without_head(form: Callable[..., str]) -> Callable[..., str]:
    """Hand a format the record without the head, which only JSON is written with."""

    def written(at: float, level: str, record: dict[str, Any]) -> str:
        for name in HEAD:
            del record[name]
        return form(at, level, record)

    return written


def _log(logger: logging.Logger, level: int, line: str) -> None:
    if logger.isEnabledFor(level):  # as `Logger.log` does it, but that does not look for who calls it
        logger.handle(logger.makeRecord(logger.name, level, __file__, 0, "%s", (line,), None))


def _is_terminal(descriptor: int) -> bool:
    """Return whether colours are seen, and welcome (https://no-color.org)."""
    try:
        return not os.environ.get("NO_COLOR") and os.isatty(descriptor)
    except OSError:
        return False
