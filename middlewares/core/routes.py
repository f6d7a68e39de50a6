"""Tell the template of the route that a request has taken, such as ``/users/{id}``, from what routers leave behind.

Starlette, FastAPI and Litestar write what they matched into the scope; for other frameworks an adapter publishes it
as a fact of the exchange. Nothing is matched a second time, and no answer holds a part of the path that was asked
for: templates come from what the application has declared.

Standard: OpenTelemetry semantic conventions, ``http.route``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from .exchange import EXCHANGE
from .route_tables import ANY_PATH, Place, frontend_place, known_template, leads_to, opaque_place, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .exchange import Exchange

__all__ = ("publish_route", "route_template")

_PARAMETER_TYPE: Final = re.compile(r":\w+(?=\})")
"""What Litestar leaves out of templates: ``/{id:int}`` is ``/{id}`` there."""


def route_template(scope: Mapping[str, Any], exchange: Exchange) -> str | None:
    """Return the template of the route that a request has taken; ``None`` if it took none, or none is known.

    For layers that observe: ask when the response ends, with the scope that was handed on, before leaving the
    exchange. What is mounted counts with the template of its mount; where only the mount is known, the rest of the
    path is ``{path}``, as in ``/static/{path}``. It never raises.
    """
    facts = exchange.facts
    is_told = facts is not None and ("inner_scope" in facts or "route" in facts)
    if not is_told and "path_template" not in scope and "fastapi" not in scope:
        router = scope.get("router")
        if router is None:
            return None
        try:
            found = known_template(router, scope.get("route"), scope.get("endpoint"))
        except Exception:  # noqa: BLE001 - as in `_place`
            return None
        if found is not None:
            return found
    facts = facts or {}  # as `Exchange.inner_scope` and `Exchange.route` read it, at a tenth of the cost
    inner = facts.get("inner_scope")
    place = _place(scope)
    # Where this scope tells of a route and not of a mount, it is not hidden by a copy, and the endpoint may since have
    # dispatched requests of its own.
    if inner is not None and inner is not scope and (place is None or place.is_mount):
        place = _place(inner) or place
    published: str | None = facts.get("route")
    if published is None:
        return None if place is None else place.template
    return published if place is None else place.prefix + published


def publish_route(scope: Mapping[str, Any], template: str | None) -> None:
    """Tell the layers outside which route a request has taken, in a framework that does not write it into the scope.

    ``template`` is as the application declared it, without the prefix of what it is mounted in; ``None``, as where
    nothing matched, publishes nothing. The first that is published counts. Without a layer that wants to know, it
    does nothing.
    """
    exchange = scope.get(EXCHANGE)
    if template is not None and exchange is not None and exchange.layers:
        exchange.route = template if template.startswith("/") else f"/{template}"


def _place(scope: Mapping[str, Any]) -> Place | None:
    """Return where in the application a request has ended, as far as the routers on its way have told."""
    try:
        router = scope.get("router")
        outer = None if router is None else _starlette_place(scope, router)
        if "path_template" not in scope:
            return outer
        inner = _litestar_place(scope)
        if outer is None or inner is None:
            return outer or inner
        keys = [*scope]
        if keys.index("router") > keys.index("path_template"):  # who wrote first is outside
            outer, inner = inner, outer
        return inner.inside(outer.prefix)
    except Exception:  # noqa: BLE001 - what a framework leaves in the scope is not ours, and no request fails for it
        return None


def _starlette_place(scope: Mapping[str, Any], router: object) -> Place | None:
    """Return the place of the innermost route, or endpoint, that Starlette or FastAPI has chosen."""
    leaf = scope.get("endpoint")
    route = scope.get("route")
    if "fastapi" in scope:
        if "frontend_path" in scope["fastapi"]:
            return frontend_place(router, scope)
        leaf = _fastapi_leaf(scope["fastapi"], route, leaf)
    elif route is not None and leads_to(route, leaf):
        leaf = route
    if leaf is None:
        return None
    place = place_of(router, leaf, scope)
    if place is not None:
        return place
    # It stands behind something that cannot be looked into: its own application knows it, and a mount the rest.
    app = scope.get("app")
    place = None if app is None or app is router else place_of(app, leaf, scope)
    if place is None:
        place = Place.of(leaf)
    outer = opaque_place(router, scope)
    return place if outer is None or place is None else place.inside(outer.prefix)


def _fastapi_leaf(facts: Mapping[str, Any], route: object, endpoint: object) -> object:
    """Return what FastAPI has chosen, which for a route of an included router is a context with the whole path.

    Unless ``route`` is one of its own, it leaves what stood there, and a context may be left from an application
    further out; the endpoint never is.
    """
    context = facts.get("effective_route_context")
    if context is not None:
        if context.original_route is route:
            return context
        if leads_to(context.starlette_route, endpoint):
            return context.starlette_route
    return route if leads_to(route, endpoint) else endpoint


def _litestar_place(scope: Mapping[str, Any]) -> Place | None:
    """Return the place of a route of Litestar, which tells no template for what is mounted in it."""
    handler = scope.get("route_handler")
    if getattr(handler, "is_mount", False):
        return _litestar_mount(handler)
    template = scope["path_template"]
    return Place(template) if template and isinstance(template, str) else None


def _litestar_mount(handler: Any) -> Place | None:
    """Return the place of what Litestar has mounted: it lies in the handler and in the routers around it."""
    if len(handler.paths) != 1:
        return None
    paths = [getattr(layer, "path", None) for layer in handler.ownership_layers]
    segments = "/".join([*filter(None, paths), *handler.paths]).split("/")
    template = "".join(f"/{segment}" for segment in segments if segment)
    return Place(_PARAMETER_TYPE.sub("", template) + ANY_PATH, is_mount=True)
