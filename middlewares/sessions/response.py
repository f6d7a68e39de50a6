"""The way of a response past the session: what is saved when it starts, and what the headers say of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from anyio import CancelScope, Event

from middlewares.core.exchange import EXCHANGE
from middlewares.core.vary import VaryOn
from middlewares.stores import StoreUnavailable

from .errors import too_late
from .patience import waited

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.headers import HeaderList

    from .keeper import Keeper
    from .session import Session

__all__ = ("abandon", "finish", "note", "sending")

_log = logging.getLogger("middlewares")

_VARY: Final = VaryOn(b"Cookie")
_NO_STORE: Final = (b"cache-control", b"no-store")
_STARTS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


def sending(keeper: Keeper, session: Session, scope: Scope, send: Send) -> Send:
    """Return a ``send`` that saves the session when a response starts, and tells the client of it."""

    def send_saved(message: Message) -> Awaitable[None]:
        if message["type"] in _STARTS:
            if session._touched or session._lines:
                state = session._state
                if (state is None or keeper.is_settled(state)) and message.get("status", 200) < 500:
                    return send(_told(keeper, session, scope, message, []))
                return _start(keeper, session, scope, message, send)
            session._sealed = True
        elif session._starting:
            return _after_start(session, message, send)
        return send(message)

    return send_saved


async def _start(keeper: Keeper, session: Session, scope: Scope, message: Message, send: Send) -> None:
    """Save the session, and send the start of the response."""
    session._starting = True
    try:
        state = session._state
        lines: HeaderList = []
        if message.get("status", 200) >= 500:
            # What a failed request was about to write is not kept.
            session._failed = True
            if state is not None:
                await waited(keeper.end_pending(state), session._patience())
        elif state is not None:
            lines = await waited(keeper.settle(state, session._headers), session._patience())
        await send(_told(keeper, session, scope, message, lines))
    except StoreUnavailable as error:
        note(session, error)
        raise
    finally:
        session._starting = False
        if session._waiting is not None:
            session._waiting.set()
            session._waiting = None


def _told(keeper: Keeper, session: Session, scope: Scope, message: Message, lines: HeaderList) -> Message:
    """Return the start of a response with what the client and caches must know of a session that was asked for."""
    lines = lines or session._lines or []
    headers = [*message.get("headers", ())]
    exchange = scope.get(EXCHANGE)
    if exchange is not None:
        exchange.sessions.append(keeper.jar.name)
    if message["type"] != "websocket.accept":
        _mark(headers, is_set=bool(lines))
    headers += lines
    session._sealed = True
    told = {**message}
    told["headers"] = headers
    return told


def _mark(headers: HeaderList, *, is_set: bool) -> None:
    """Say that a response is for one visitor, and if it sets a cookie also that nobody may store it."""
    has_vary = has_policy = False
    for name, _ in headers:
        length = len(name)
        if length == 4:
            has_vary = has_vary or name.lower() == b"vary"
        elif length == 13:
            has_policy = has_policy or name.lower() == b"cache-control"
    if has_vary:
        _VARY.extend(headers)
    else:
        headers.append(_VARY.line)
    if is_set and not has_policy:
        headers.append(_NO_STORE)


async def _after_start(session: Session, message: Message, send: Send) -> None:
    """Send what another task has for the client once the start, which waits for the store, has left."""
    if session._waiting is None:
        session._waiting = Event()
    await session._waiting.wait()
    await send(message)


async def finish(keeper: Keeper, session: Session) -> None:
    """Save what was changed after the headers had left.

    Raises `SessionTooLate` where that can only go into a cookie.
    """
    state = session._state
    if state is None or session._failed or (session._sealed and state.migrated):
        return  # what comes from another framework's cookie is still there
    if not session._sealed:  # nothing was answered: there is nobody to keep it for
        return await abandon(keeper, session)
    if state.unavailable or state.is_lost or (state.encoded() is None and not state.ended and not state.regenerate):
        return
    if not session._can_save_late(state):
        raise too_late()
    await waited(keeper.settle(state, session._headers, late=True), session._patience())


async def abandon(keeper: Keeper, session: Session) -> None:
    """End what was to end, though the request has failed; nothing else of it is kept."""
    state = session._state
    if state is not None and (state.kept is not None or state.successor):
        with CancelScope(shield=True):  # it has a deadline
            try:
                await waited(keeper.end_pending(state), session._patience())
            except StoreUnavailable as error:
                _log.error("sessions: a session that was to end may live on: %s", error)


def note(session: Session, error: StoreUnavailable) -> None:
    """Note that the layer is to answer for a failure of its store, unless the application does so itself."""
    session._failure = error
    error.is_answered = True
