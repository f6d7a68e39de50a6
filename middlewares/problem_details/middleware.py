"""The layer: it answers what the application raises, and replaces errors that say nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import Exchange, hand_back, join, publish_scope
from middlewares.core.layer import Layer, freeze, is_innermost
from middlewares.core.observed import means_absence
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, phrase, refuse
from middlewares.core.unhandled import is_answered
from middlewares.errors import OptionErrors

from .bare import Convert
from .debug import debug_page, lines_of
from .handlers import Handler, Handlers
from .handshake import Handshake
from .ids import completed
from .response import ConvertedResponse

__all__ = ("ProblemDetails",)

_log = logging.getLogger("middlewares")


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class ProblemDetails(Layer):
    """Answer exceptions, and errors without a body, with a problem: what went wrong, in a form that programs read.

    It is ``application/problem+json``, plain text or HTML, as the client prefers. It names the id of the request and
    of its trace where other layers know them, and says nothing of the exception unless ``debug`` is on. An
    exception after the response has begun goes on, so that servers cut the response.

    Order: any, among layers of this package; outside of whatever may raise.
    Standard: RFC 9457; RFC 9110, 12.5.1 (``Accept``).
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    handlers: Mapping[Any, Handler] = field(default_factory=dict)
    """What exceptions mean, by class, or by where that is found, as in ``shop.errors:OutOfStock``; subclasses too. A
    status from 400 to 599; or a function, sync or async, of the ``HTTPConnection`` and the exception, which returns a
    status, a table of members with ``status`` among them, or ``None`` for what it cannot tell."""
    convert: Convert = "bare"
    """Which responses with a status from 400 to 599 are replaced: ``none``; ``empty``, those without a body; ``bare``,
    also plain text that only names the status, as Starlette sends it; ``json``, also ``{"detail": …}`` as FastAPI
    and Litestar send it, whose words are kept; ``all``, whatever the body says. Problems are left as they are."""
    reraise: bool = False
    """Whether an exception that was answered with 500 or more goes on, for the server to log; if not, it is logged
    here."""
    debug: bool = False
    """Whether answers show the traceback. For development only."""
    _handlers: Handlers = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        handlers = Handlers(problems, self.handlers)
        problems.raise_if_any()
        freeze(self, _handlers=handlers, _inner=InnerPolicy(self.app), _innermost=is_innermost(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            return await self.app(scope, receive, send)
        exchange, inner, is_maker = join(scope, self)
        exchange.error_pages.append(self)
        if self._innermost and not is_maker:
            publish_scope(inner)
        known = 0 if is_maker else len(exchange.response_headers)
        try:
            if kind == "websocket":
                return await self._shake_hands(Handshake(receive, send), exchange, known, inner)
            response = ConvertedResponse(inner, send, self.convert, exchange)
            try:
                await self.app(inner, receive, response.send)
                if response.is_held:
                    await response.release()
            except Exception as error:
                if response.is_started or is_answered(error):
                    raise  # RFC 9112, 8: a response that has begun must not look complete
                if not await self._answer(error, exchange, known, inner, receive, send):
                    raise
        finally:
            if self in exchange.error_pages:  # not if the request ended while this call runs on
                exchange.error_pages.remove(self)
            exchange.leave(self)
            if is_maker:
                hand_back(inner, scope)

    async def _shake_hands(self, handshake: Handshake, exchange: Exchange, known: int, scope: Scope) -> None:
        try:
            await self.app(scope, handshake.receive, handshake.send)
        except Exception as error:
            if handshake.is_answered or is_answered(error):
                raise
            if not await self._answer(error, exchange, known, scope, handshake.receive_connect, handshake.send):
                raise

    async def _answer(
        self, error: Exception, exchange: Exchange, known: int, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Answer an exception; return whether it has done with that, or the exception is to go on."""
        problem = await self._handlers.problem_of(error, scope)
        is_failure = problem.status >= 500
        if is_failure:
            exchange.error = error  # layers further out may never see it
            if not self.reraise and not means_absence(error):  # clients may leave as often as they like
                _tell_log(error, exchange, scope)
        problem = completed(problem, exchange)
        if self.debug:
            problem = _explained(problem, error, scope)
        # What layers further in would have added to the response; those further out will see it pass.
        headers = exchange.response_headers[known:]
        try:
            await refuse(scope, receive, send, problem, headers=headers, inner=self._inner, also_preflights=True)
        except Exception:  # noqa: BLE001 - the client is gone; what is to be known is what the application raised
            return False
        return not (is_failure and self.reraise)


def _explained(problem: Refusal, error: Exception, scope: Scope) -> Refusal:
    lines = lines_of(error)
    title = f"{problem.title or phrase(problem.status)}: {type(error).__name__}"
    page = debug_page(title, lines, scope, problem.reference)
    return replace(problem, members={**problem.members, "traceback": lines}, page=page)


def _tell_log(error: Exception, exchange: Exchange, scope: Scope) -> None:
    # As repr, cut: paths may hold line ends, and are as long as a client likes.
    place = f"{scope.get('method', 'WebSocket')} {scope['path'][:200]!r}"
    about = "".join(
        f", {what} {known}" for what, known in (("request", exchange.request_id), ("trace", exchange.trace_id)) if known
    )
    with suppress(Exception):  # handlers and filters of logs may fail, and some exceptions cannot be shown
        _log.error("problem_details: %s raised %s%s", place, type(error).__name__, about, exc_info=error)
