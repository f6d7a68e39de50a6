"""Tell layers around a Quart application which route a request has taken.

::

    app = Quart(__name__)
    publish_routes(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.core.routes import publish_route

if TYPE_CHECKING:
    from quart import Quart

__all__ = ("publish_routes",)


def publish_routes(app: Quart) -> None:
    """Publish the rule of each request and WebSocket of ``app``, of its blueprints too."""
    from quart import signals

    # The application is held weakly by its signals, and the functions are held by the module.
    signals.request_started.connect(_publish_request, app)
    signals.websocket_started.connect(_publish_websocket, app)


async def _publish_request(_app: Quart, **_ignored: Any) -> None:
    from quart import request

    _publish(request)


async def _publish_websocket(_app: Quart, **_ignored: Any) -> None:
    from quart import websocket

    _publish(websocket)


def _publish(connection: Any) -> None:
    rule = connection.url_rule  # none where no rule matches, or none for the method
    if rule is not None:
        publish_route(connection.scope, rule.rule)
