"""Know the full template of each route of an application, mounts included: found once, by walking its routes.

Routers leave the matched route in the scope, but not the mounts that it stands in: ``root_path`` holds what was
asked for. So each application has a table from the identity of a route to its place. It holds routes weakly, is built
when it is first asked, and anew when a route is asked for that it does not know. Routes are told by what they
have (``path_format``, ``path_regex``, ``routes``), without importing a framework.
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .paths import route_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("ANY_PATH", "Place", "frontend_place", "known_template", "leads_to", "opaque_place", "place_of")

ANY_PATH: Final = "/{path}"
"""What stands for the rest of the path in the template of a mount."""
_DEEPEST: Final = 32
_MOST_ROUTES: Final = 100_000
"""Bounds against applications that are mounted in themselves."""
_MOST_REENTRIES: Final = 4
"""How often one router is walked inside itself."""
_MANY: Final = 8
_MOST_STRANGERS: Final = 1_000
_MOST_FRUITLESS: Final = 32
"""How often in a row a table is built in vain each time; from then on ever more rarely."""
_GROUP_NAME: Final = re.compile(r"\(\?P<\w+>")
_REST: Final = r"/(?P<path>.*)$"
"""How the pattern of a mount ends."""


@dataclass(slots=True)
class Place:
    """Where something stands that requests are routed to."""

    template: str | None
    """The full template; ``None`` where only the host was matched."""
    is_mount: bool = False
    """Whether something else stands in its place, which may go on routing."""
    pattern: str = ""
    """A regular expression for all paths that lead here, where one object stands in several places."""
    _compiled: re.Pattern[str] | None = None

    @property
    def prefix(self) -> str:
        """The template of what is mounted here; empty if nothing is."""
        return (self.template or "").removesuffix(ANY_PATH) if self.is_mount else ""

    def inside(self, prefix: str) -> Place:
        """Return this place inside a mount."""
        return Place(prefix + (self.template or ""), is_mount=self.is_mount) if prefix else self

    def takes(self, path: str) -> bool:
        """Return whether requests of ``path`` may come here."""
        if self._compiled is None:
            self._compiled = re.compile(self.pattern + ("(?:/.*)?" if self.is_mount else ""), re.DOTALL)
        return self._compiled.fullmatch(path) is not None

    @classmethod
    def of(cls, route: object, prefix: str = "", pattern: str = "") -> Place | None:
        """Return the place of a route inside a mount; ``None`` if it has no template."""
        is_mount = hasattr(route, "routes")
        if hasattr(route, "host_format"):
            return cls(prefix + ANY_PATH if prefix else None, is_mount=True, pattern=pattern)
        template = getattr(route, "path_format", None)
        if not isinstance(template, str):
            return None
        own = getattr(getattr(route, "path_regex", None), "pattern", "")
        own = own.removesuffix(_REST) if is_mount else own.removesuffix("$")
        own = _GROUP_NAME.sub("(?:", own.removeprefix("^"))
        return cls(prefix + template, is_mount=is_mount, pattern=pattern + own)


@dataclass(slots=True)
class _Known:
    """Something that requests are routed to, and where it stands: nowhere, if the walk has not met it."""

    route: weakref.ref[Any]
    """To the route: of endpoints, not all can be referred to weakly."""
    places: list[Place] = field(default_factory=list)
    _templates: set[str | None] | None = None
    """Those of the places, once these are many: an application may be mounted for each of a thousand tenants."""

    def add(self, place: Place) -> None:
        """Note that it stands here as well."""
        templates = self._templates
        if templates is None and len(self.places) < _MANY:
            is_new = all(place.template != other.template for other in self.places)
        else:
            if templates is None:
                templates = self._templates = {other.template for other in self.places}
            is_new = place.template not in templates
            templates.add(place.template)
        if is_new:
            self.places.append(place)

    def is_of(self, leaf: object) -> bool:
        """Return whether it is ``leaf`` that is known, and not what had its identity before."""
        route = self.route()
        return route is leaf or leads_to(route, leaf)

    def place(self, scope: Mapping[str, Any]) -> Place | None:
        if len(self.places) < 2:
            return self.places[0] if self.places else None
        path = _full_path(scope)
        return next((place for place in self.places if place.takes(path)), self.places[0])


class _Table:
    """The routes of one application, or router."""

    __slots__ = ("count", "frontends", "fruitless", "known", "opaque", "ref", "strangers")

    def __init__(self, ref: weakref.ref[Any]) -> None:
        self.ref = ref
        self.fruitless = 0
        """How often in a row a walk did not find what was asked for."""
        self.build(ref())

    def build(self, router: Any) -> None:
        """Walk the routes of ``router``."""
        self.known: dict[int, _Known] = {}
        self.opaque: list[Place] = []
        """Mounts of what cannot be looked into."""
        self.frontends: list[Place] = []
        """Folders of files that FastAPI serves where no route matches."""
        self.strangers = 0
        self.count = len(router.routes)
        _Walk(self).router(router, Place("", is_mount=True), 0)

    def look_up(self, router: Any, leaf: object) -> _Known | None:
        """Return what is known of ``leaf``, which is new, once it is looked whether the application has changed."""
        fruitless = self.fruitless
        if fruitless >= _MOST_FRUITLESS and len(router.routes) == self.count and fruitless & (fruitless - 1):
            self.fruitless += 1
            return self._stranger(leaf)
        self.build(router)
        known = self.known.get(id(leaf))
        if known is not None and known.is_of(leaf):
            self.fruitless = 0
            return known
        self.fruitless += 1
        return self._stranger(leaf)

    def _stranger(self, leaf: object) -> _Known | None:
        """Remember that the application does not know ``leaf``, so that it is not walked for it again."""
        if self.strangers >= _MOST_STRANGERS:
            return None
        try:
            known = _Known(weakref.ref(leaf))
        except TypeError:  # an instance with slots
            return None
        self.strangers += 1
        self.known[id(leaf)] = known
        return known

    def add(self, leaf: object, route: object, place: Place) -> None:
        """Note that ``leaf``, which is ``route`` or its endpoint, stands in ``place``."""
        known = self.known.get(id(leaf))
        if known is None or not known.is_of(leaf):
            known = self.known[id(leaf)] = _Known(weakref.ref(route))
        known.add(place)


class _Walk:
    """One walk through the routes of an application, outermost first."""

    __slots__ = ("entered", "left", "table")

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.left = _MOST_ROUTES
        self.entered: list[object] = []
        """The routers that the walk is in."""

    def router(self, router: Any, outer: Place, depth: int) -> None:
        """Walk what ``router``, or an application that has one, routes to."""
        if sum(router is other for other in self.entered) >= _MOST_REENTRIES:
            return
        self.entered.append(router)
        try:
            self.routes(router.routes, outer, depth)
        finally:
            self.entered.pop()
        for group in getattr(getattr(router, "router", router), "_low_priority_routes", ()):
            self._frontends(group, outer)

    def routes(self, routes: Iterable[object], outer: Place, depth: int) -> None:
        for route in [*routes]:
            if self.left <= 0:
                return
            self.left -= 1
            try:
                self._route(route, outer, depth)
            except Exception:  # noqa: BLE001, S112 - a route that is not like others is unknown, and spoils no other
                continue

    def _route(self, route: Any, outer: Place, depth: int) -> None:
        if hasattr(route, "effective_route_contexts"):
            return self._included(route, outer, depth)
        place = Place.of(route, outer.prefix, outer.pattern)
        if place is None:
            return None
        self.table.add(route, route, place)
        for name in ("endpoint", "app"):
            if (endpoint := getattr(route, name, None)) is not None:
                self.table.add(endpoint, route, place)
                break
        if place.is_mount:
            self._mounted(route, place, depth)
        return None

    def _mounted(self, mount: Any, place: Place, depth: int) -> None:
        router = _router_inside(mount.app)
        if depth >= _DEEPEST:
            return
        if router is not None:
            self.router(router, place, depth + 1)
        elif mount.routes:
            self.routes(mount.routes, place, depth + 1)
        else:
            self.table.opaque.append(place)

    def _included(self, included: Any, outer: Place, depth: int) -> None:
        """Walk a router that FastAPI has included: for each of its routes there is a context, with the prefix."""
        for context in included.effective_route_contexts():
            if context.starlette_route is not None:
                self.routes([context.starlette_route], outer, depth)
            elif context.path_format:
                place = Place.of(context, outer.prefix, outer.pattern)
                if place is not None:
                    self.table.add(context, context, place)
        for context in included.effective_low_priority_routes():
            self._frontends(context.original_route, outer, context.frontend_prefix)

    def _frontends(self, group: Any, outer: Place, prefix: str = "") -> None:
        for frontend in getattr(group, "routes", ()):
            path = (prefix.rstrip("/") + frontend.path).rstrip("/")
            place = Place(outer.prefix + path + ANY_PATH, is_mount=True, pattern=outer.pattern + re.escape(path))
            self.table.frontends.append(place)


_tables: dict[int, _Table] = {}
"""By the identity of the router, which has no hash; each lives as long as its router."""


def place_of(router: object, leaf: object, scope: Mapping[str, Any]) -> Place | None:
    """Return where ``leaf``, to which a request was routed, stands in the application of ``router``."""
    table = _tables.get(id(router))
    if table is None or table.ref() is not router:
        table = _table(router)
    known = table.known.get(id(leaf))
    if known is None or (known.route() is not leaf and not known.is_of(leaf)):
        known = table.look_up(router, leaf)
        if known is None:
            return None
    return known.places[0] if len(known.places) == 1 else known.place(scope)


def known_template(router: object, route: Any, endpoint: object) -> str | None:
    """Return the template of a route that is known to stand in one place, and to lead to ``endpoint``.

    It is what `place_of` and `leads_to` would say, at a third of the cost, of nearly all requests.
    """
    table = _tables.get(id(router))
    if table is None or table.ref() is not router:
        return None
    known = table.known.get(id(route))
    if known is None or known.route() is not route or len(known.places) != 1:
        return None
    return known.places[0].template if getattr(route, "endpoint", None) is endpoint else None


def opaque_place(router: object, scope: Mapping[str, Any]) -> Place | None:
    """Return the mount of something that cannot be looked into, such as a closure, by which a request went."""
    opaque = _table(router).opaque
    path = _full_path(scope) if opaque else ""
    return next((place for place in opaque if place.takes(path)), None)


def frontend_place(router: object, scope: Mapping[str, Any]) -> Place | None:
    """Return the folder of FastAPI out of which a request was answered: the innermost, as there."""
    path = _full_path(scope)
    found = [place for place in _table(router).frontends if place.takes(path)]
    return max(found, key=lambda place: len(place.pattern), default=None)


def _table(router: object) -> _Table:
    key = id(router)
    table = _tables.get(key)
    if table is None or table.ref() is not router:
        table = _tables[key] = _Table(weakref.ref(router, lambda ref: _forget(key, ref)))
    return table


def _forget(key: int, ref: weakref.ref[Any]) -> None:
    table = _tables.get(key)
    if table is not None and table.ref is ref:
        del _tables[key]


def leads_to(route: object, endpoint: object) -> bool:
    """Return whether ``endpoint`` is what a route, or a mount, calls."""
    if route is None:
        return False
    return getattr(route, "endpoint", None) is endpoint or getattr(route, "app", None) is endpoint


def _router_inside(app: Any) -> object | None:
    """Return what has routes inside layers; ``None`` if nothing is found by following ``app``."""
    for _ in range(_DEEPEST):
        if isinstance(getattr(app, "routes", None), (list, tuple)):
            found: object = app
            return found
        app = getattr(app, "app", None)
        if app is None:
            break
    return None


def _full_path(scope: Mapping[str, Any]) -> str:
    """Return the path as the outermost router saw it: mounts move their part into ``root_path``."""
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return route_path({"path": scope["path"], "root_path": root})
