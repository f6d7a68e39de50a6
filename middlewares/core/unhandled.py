"""Answer for an application that raises, so that pages of other origins can read the 500.

Frameworks make it outside the layers that are registered with them, a CORS layer among these: so it lacks the headers
without which a browser shows a page no more than a network error.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .exchange import EXCHANGE
from .headers import find_all
from .origins import same_host
from .refusals import Refusal, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Receive, Scope, Send

    from .cross_origin import InnerPolicy

__all__ = ("answer_unhandled", "foreign_origin", "is_answered")

_UNHANDLED: Final = "unhandled"
_MOST: Final = 100
"""Exceptions that are looked at."""


def foreign_origin(scope: Scope) -> bytes | None:
    """Return the origin of the page that makes a request, unless it is of the same host, or there is none or two."""
    origins = find_all(scope["headers"], b"origin")
    if len(origins) != 1:
        return None
    hosts = find_all(scope["headers"], b"host")
    is_own = len(hosts) == 1 and same_host(origins[0].decode("latin-1"), hosts[0].decode("latin-1"))
    return None if is_own else origins[0]


async def answer_unhandled(
    scope: Scope,
    receive: Receive,
    send: Send,
    policy: InnerPolicy,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer 500 in the place of whoever would, and leave it to the caller to let the exception go on.

    The caller has seen that no response has begun, and that ``policy`` permits the `foreign_origin` of the request.
    ``headers`` are those that layers further in left for any response. Nothing is sent where the framework shows
    the exception itself, in debug mode, or where a layer further out makes an answer of it: of any (an error page), or
    of this one, which then has an attribute ``is_answered`` that is true.
    """
    if is_answered(sys.exception()):
        return
    if getattr(scope.get("app"), "debug", False):
        return
    exchange = scope.get(EXCHANGE)
    if exchange is not None and exchange.error_pages:
        return
    try:
        await refuse(scope, receive, send, Refusal(status=500, code=_UNHANDLED, headers=tuple(headers)), inner=policy)
    except Exception:  # noqa: BLE001 - the client is gone; what is to be known is what the application raised
        return


def is_answered(error: BaseException | None) -> bool:
    """Return whether a layer further out makes an answer of an exception, or of what it was made of."""
    # A group may hold what it is the context of: so it is where BaseHTTPMiddleware unwraps what its task raised.
    seen = set[int]()
    found = [error]
    while found and len(seen) < _MOST:
        error = found.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        with suppress(Exception):  # of an exception that fails when it is looked at
            if getattr(error, "is_answered", False):
                return True
        if isinstance(error, BaseExceptionGroup):  # what task groups of layers in between make of it
            found += error.exceptions
        cause = error.__cause__  # what an application may make of it; some exceptions are false
        found.append(error.__context__ if cause is None else cause)
    return False
