"""The types of ASGI, and the mark that servers and adapters look for on a callable.

Standard: ASGI 3.0, https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ("ASGIApp", "Message", "Receive", "Scope", "Send", "connection_of", "mark_coroutine_function")

_F = TypeVar("_F", bound=Callable[..., Any])

if sys.version_info >= (3, 12):
    from inspect import markcoroutinefunction as mark_coroutine_function
else:
    import asyncio.coroutines

    # asgiref's own marker does just this: before Python 3.12 there is no public way.
    _MARK = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001

    def mark_coroutine_function(function: _F) -> _F:
        """Mark a plain function that returns an awaitable, so that it is taken for a coroutine function.

        A ``send`` that only hands on the inner awaitable is a plain ``def``: that halves its cost. asgiref's adapters
        warn about such a callable unless it carries this mark.
        """
        function._is_coroutine = _MARK  # type: ignore[attr-defined]  # noqa: SLF001
        return function


def connection_of(scope: Scope) -> HTTPConnection:
    """Return what a function of the user is given of a request: of a copy, for Starlette keeps there what it reads."""
    from starlette.requests import HTTPConnection  # costs milliseconds, and most stacks ask no function

    return HTTPConnection({**scope})
