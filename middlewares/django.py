"""Tell layers around a Django application which route a request has taken: one line in its ``MIDDLEWARE``.

::

    MIDDLEWARE = ["middlewares.django.PublishRoute", ...]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from middlewares.asgi import mark_coroutine_function
from middlewares.core.routes import publish_route

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("PublishRoute",)


class PublishRoute:
    """A middleware of Django that publishes ``request.resolver_match.route``; in any place of the list.

    Under WSGI, and where no layer of this package wants to know, it does nothing.
    """

    sync_capable: ClassVar = True
    async_capable: ClassVar = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        from asgiref.sync import iscoroutinefunction

        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            mark_coroutine_function(self)

    def __call__(self, request: Any) -> Any:
        """Return the response, or where Django is asynchronous here, its coroutine."""
        if self._is_async:
            return self._respond(request)
        try:
            return self.get_response(request)
        finally:
            _publish(request)

    async def _respond(self, request: Any) -> Any:
        try:
            return await self.get_response(request)
        finally:
            _publish(request)


def _publish(request: Any) -> None:
    scope = getattr(request, "scope", None)  # under WSGI there is none
    match = getattr(request, "resolver_match", None)  # none where no pattern matches
    if scope is not None and match is not None:
        publish_route(scope, match.route)
