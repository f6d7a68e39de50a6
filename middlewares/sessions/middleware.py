"""The layer: it puts a session into the scope, and saves it when the response starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, hand_back, publish_scope
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.lifetime import Lifetime
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors
from middlewares.stores import Store, StoreUnavailable, loop_problem

from .building import build
from .keeper import Keeper, WhenDown
from .response import abandon, finish, sending
from .session import Session
from .state import Conflicts

__all__ = ("Sessions",)

_log = logging.getLogger("middlewares")

_LONGEST_CHAIN = 20

_UNAVAILABLE = Refusal(
    status=503,
    code="sessions.store",
    detail="Sessions are not available right now. Please try again in a moment.",
    headers=((b"retry-after", b"1"), (b"cache-control", b"no-store")),
    close_code=1013,
)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Sessions(Layer):
    """Keep data of a visitor from request to request: ``scope["session"]``, ``request.session`` in frameworks.

    The data is in a signed cookie, in an encrypted one, or in a store with only an id in the cookie. It is loaded
    when the application first asks for it, and saved when the response starts: a request that does not ask costs
    nothing, and gets neither ``Set-Cookie`` nor ``Vary``. Responses with status 500 or above, and exceptions, leave
    it as it was.

    WebSockets have their session too; lifespan events pass through, and the store is closed at their end.

    Order: outside everything that needs to know the user, inside what refuses requests cheaply.
    Standard: RFC 6265 with draft-ietf-httpbis-rfc6265bis.
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    secret_key: str | Collection[str] = field(repr=False)
    """Random text of at least 32 bytes, or several: the first signs, all verify. ``env:NAME`` and ``file:PATH`` are
    read from the environment and from a file with one key per line."""
    session_cookie: str | None = None
    """Name of the cookie; if not given ``__Host-session``, or ``session`` where browsers would refuse that."""
    max_age: int | None = 14 * 24 * 3600
    """Seconds after its last use when a session ends; ``None``: when the browser is closed."""
    absolute_max_age: int | None = 90 * 24 * 3600
    """Seconds after its beginning, or the login, when a session ends however much it is used; ``None``: never."""
    refresh: float = 0.1
    """Share of ``max_age`` after which a use is noted, so that most uses write nothing."""
    renewal_age: int | None = None
    """Seconds after which a session in a store gets a new id; ``None``: only when the user changes."""
    path: str = "/"
    """Path below which browsers send the cookie."""
    domain: str | None = None
    """Domain that gets the cookie with all below it; ``None``: this host alone, which is safer."""
    same_site: Literal["lax", "strict", "none"] = "lax"
    """Whether requests that come from other sites carry the cookie."""
    secure: bool = True
    """Whether browsers send the cookie over https only; turn it off for development over plain http."""
    https_only: bool | None = None
    """Starlette's name for ``secure``; give one of them."""
    partitioned: bool = False
    """Whether the cookie is kept apart for each site that embeds this one."""
    encrypted: bool = False
    """Whether the data in the cookie is unreadable for the browser; needs the extra ``encrypted``."""
    store: str | Store | None = field(default=None, repr=False)
    """Store to keep sessions in, such as ``sqlite:///sessions.db``; ``None``: in the cookie."""
    revocations: str | Store | None = field(default=None, repr=False)
    """Store for the ids of sessions in cookies that were ended early; without it a copied cookie outlives a logout."""
    store_deadline: float = 0.25
    """Seconds that a request may wait for its stores: what it loads and saves, all calls together."""
    when_down: WhenDown = "503"
    """What becomes of requests that need their session while the store does not answer: ``503``, or ``anonymous``:
    the session is empty, and a change of it is answered with 503."""
    preload: bool = True
    """Whether a session in Redis or Valkey is loaded before the application is called, where the cookie is genuine;
    if not, the application awaits ``session.load()``. Others are always loaded when they are first read."""
    oversize: Literal["error", "chunk", "spill"] = "error"
    """What becomes of data that does not fit into a cookie: an error, two cookies, or a record in ``store``."""
    user_key: str | None = "user_id"
    """Key under which the application keeps who the user is; when that changes, the session gets a new id."""
    conflicts: Conflicts = "last"
    """Which of two overlapping requests that change the same key wins: the ``last`` or ``first`` to save, or none:
    the second gets an ``error``. Different keys are all kept. It takes a store."""
    scope_key: str = "session"
    """Key of the scope that the session stands under."""
    accept_starlette_until: date | None = None
    """Last day on which cookies of Starlette are read (UTC)."""
    accept_flask_until: date | None = None
    """Last day on which cookies of Flask are read (UTC)."""
    old_secret_key: str | None = field(default=None, repr=False)
    """Key of those cookies, if it is another."""
    old_session_cookie: str = "session"
    """Name of those cookies."""
    clock: Callable[[], float] = field(default=time.time, repr=False)
    """Seconds since 1970."""

    _keeper: Keeper = field(init=False, repr=False)
    _stores: tuple[Store, ...] = field(init=False, repr=False)
    """Those that were opened here, and are closed here."""
    _preloads: bool = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)

    _lifetime: Lifetime = field(init=False, repr=False)

    kept: ClassVar = ("_keeper", "_stores", "_lifetime")

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        keeper, stores = build(self, problems)
        preloads = self.preload and keeper.waits
        foreign = is_foreign(self.app)
        freeze(self, _innermost=is_innermost(self.app))
        freeze(self, _keeper=keeper, _stores=stores, _lifetime=Lifetime())
        freeze(self, _preloads=preloads, _foreign=foreign, _inner=InnerPolicy(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            if kind == "lifespan" and (self._stores or self._keeper.waits):
                return await self._until_shutdown(scope, receive, send)
            return await self.app(scope, receive, send)
        keeper = self._keeper
        outer = scope.get(self.scope_key)
        if outer is not None and isinstance(outer, Session) and outer._keeper.jar.name == keeper.jar.name:
            return await self._inside_another(outer, scope, receive, send)
        session = Session(keeper, scope["headers"])
        inner = {**scope, self.scope_key: session}
        size = len(inner)
        if self._innermost and EXCHANGE in inner:
            publish_scope(inner)
        wrapped = sending(keeper, session, scope, send)
        if self._foreign or kind == "websocket":
            mark_coroutine_function(wrapped)
        if self._preloads and not await self._loaded(session):
            return await refuse(scope, receive, send, _UNAVAILABLE, inner=self._inner)
        try:
            await self.app(inner, receive, wrapped)
            state = session._state
            if state is not None and (state.changed or state.exposed or state.typed or not session._sealed):
                await finish(keeper, session)
        except GeneratorExit:
            raise  # the call is thrown away, and may not wait any more
        except BaseException as error:
            is_answered = False
            try:
                is_answered = isinstance(error, Exception) and await self._explained(error, session, scope, send)
            finally:
                await abandon(keeper, session)
            if not is_answered:
                raise
        finally:
            if len(inner) != size:
                hand_back(inner, scope)
            if self.scope_key == "session" and "session" not in scope:
                scope["session"] = session
            session._failure = None  # its traceback refers to the frames that hold the session

    async def _loaded(self, session: Session) -> bool:
        try:
            await session.load()
        except StoreUnavailable as error:
            _log.error("sessions: %s", error)
            session._failure = None
            return False
        return True

    async def _explained(self, error: Exception, session: Session, scope: Scope, send: Send) -> bool:
        """Answer a request that failed because its session could not be loaded or saved, if it still can be."""
        failure = session._failure
        if failure is None or session._sealed or not _comes_of(error, failure):
            return False
        _log.error("sessions: %s", failure)
        session._sealed = True
        await refuse(scope, _connected, send, _UNAVAILABLE, inner=self._inner)
        return True

    async def _inside_another(self, outer: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave a session to the layer outside that has the same cookie; two would overwrite each other."""
        if not self._keeper.is_like(outer._keeper):
            raise RuntimeError(
                f"Sessions: two layers with different options have the cookie {self._keeper.jar.name!r}; "
                "give them different names (session_cookie), and different keys of the scope (scope_key)"
            )
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        await self.app(scope, receive, send)

    async def _until_shutdown(self, scope: Scope, receive: Receive, send: Send) -> None:
        problems = [problem for store in self._keeper.stores() if (problem := loop_problem(store)) is not None]
        if problems:
            await receive()
            return await send({"type": "lifespan.startup.failed", "message": f"Sessions: {problems[0]}"})
        is_open = True

        async def close() -> None:
            nonlocal is_open
            if is_open and self._lifetime.leave():
                await self._close()
            is_open = False

        async def send_closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await close()
            await send(message)

        self._lifetime.enter()
        try:
            await self.app(scope, receive, mark_coroutine_function(send_closing))
        finally:
            await close()

    async def _close(self) -> None:
        for store in self._stores:
            try:
                await store.aclose()
            except (StoreUnavailable, OSError) as error:
                _log.warning("sessions: the store was not closed: %s", error)


def _comes_of(error: BaseException | None, failure: StoreUnavailable) -> bool:
    """Return whether an exception is a failure of the store, or was made of it by frameworks."""
    for _ in range(_LONGEST_CHAIN):
        if error is None or error is failure:
            break
        if isinstance(error, BaseExceptionGroup):
            return any(_comes_of(part, failure) for part in error.exceptions)
        error = error.__cause__ or error.__context__
    return error is failure


async def _connected() -> dict[str, Any]:
    """Stand for the handshake that the application may have received already."""
    return {"type": "websocket.connect"}
