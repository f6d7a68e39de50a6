"""Limit one endpoint where it is written: the mark asks the limiter around the application once it is routed to.

A mark needs no router of ours: the endpoint itself asks, so that it holds however it was mounted or included.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .check import check_mark
from .decision import DECISION, Decision
from .fields import retry_after

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .rules import Rule

__all__ = ("limited",)

_F = TypeVar("_F", bound=Callable[..., Any])


def limited(limit: str, *, name: str | None = None, **options: Any) -> Callable[[_F], _F]:
    """Return a decorator that gives an async endpoint of Starlette or FastAPI a limit of its own.

    ``options`` are those of a `Rule` that say who shares the quota and how it is counted. The endpoint must have a
    parameter for the request. A request over the limit gets 429 as the framework's ``HTTPException``.

    Raises `OptionError` for options that cannot be right, and `TypeError` for a function that is not async.
    """
    check_mark(limit, name, options)

    def mark(endpoint: _F) -> _F:
        # A name of its own: of two endpoints with equal limits each has its quota.
        own = name or f"{endpoint.__module__}.{endpoint.__qualname__}".encode("ascii", "replace").decode()[-64:]
        rule = check_mark(limit, own, options)
        if not inspect.iscoroutinefunction(endpoint):
            raise TypeError(f"limited: {getattr(endpoint, '__name__', endpoint)!s} must be an async function")

        @wraps(endpoint)
        async def asking(*args: Any, **kwargs: Any) -> Any:
            await _charge(_connection(args, kwargs), rule)
            return await endpoint(*args, **kwargs)

        return cast("_F", asking)

    return mark


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    from starlette.requests import HTTPConnection

    for value in (*args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise TypeError("limited: the endpoint must have a parameter for the request, as in 'request: Request'")


async def _charge(connection: HTTPConnection, rule: Rule) -> None:
    from starlette.exceptions import HTTPException

    outer = connection.scope.get(DECISION)
    limiter: Any = outer.layer if isinstance(outer, Decision) else None
    if limiter is None:
        raise RuntimeError("limited: a RateLimit must stand around the application and charge the request")
    decision = await limiter.charge(connection.scope, rule)
    if decision is not None and not decision.allowed:
        headers = {name.decode(): value.decode() for name, value in retry_after(decision)}
        raise HTTPException(429, "Too many requests for now.", headers=headers)
