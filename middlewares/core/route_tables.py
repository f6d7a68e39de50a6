"""Know the full template of each route of an application, mounts included: found once, by walking its routes.

Routers leave the matched route in the scope, but not the mounts that it stands in: ``root_path`` holds what was
asked for. So each application has a table from the identity of a route to its place. It holds routes weakly, is built
when it is first asked, and anew when a route is asked for that it does not know. Routes are told by what they
have (``path_format``, ``path_regex``, ``routes``), without importing a framework.
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .paths import route_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ("ANY_PATH", "Place", "opaque_place", "place_of")

ANY_PATH: Final = "/{path}"
"""What stands for the rest of the path in the template of a mount."""
_DEEPEST: Final = 32
_MOST_ROUTES: Final = 100_000
"""Bounds against applications that are mounted in themselves."""
_MOST_STRANGERS: Final = 1_000
_MOST_FRUITLESS: Final = 32
"""How often in a row a table is built in vain, before the application is taken for one that makes routes as it runs."""
_GROUP_NAME: Final = re.compile(r"\(\?P<\w+>")
_REST: Final = r"/(?P<path>.*)$"
"""How the pattern of a mount ends."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands that requests are routed to."""

    template: str | None
    """The full template; ``None`` where only the host was matched."""
    is_mount: bool = False
    """Whether something else stands in its place, which may go on routing."""
    pattern: str = ""
    """A regular expression for all paths that lead here, where one object stands in several places."""

    @property
    def prefix(self) -> str:
        """The template of what is mounted here; empty if nothing is."""
        return (self.template or "").removesuffix(ANY_PATH) if self.is_mount else ""

    def inside(self, prefix: str) -> Place:
        """Return this place inside a mount."""
        return replace(self, template=prefix + (self.template or "")) if prefix else self

    def leads_to(self, path: str) -> bool:
        """Return whether requests of ``path`` may come here."""
        return re.compile(self.pattern + ("(?:/.*)?" if self.is_mount else "")).fullmatch(path) is not None

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
        return cls(prefix + template, is_mount=is_mount, pattern=pattern + _GROUP_NAME.sub("(?:", own.removeprefix("^")))


@dataclass(slots=True)
class _Known:
    """Something that requests are routed to, and where it stands: nowhere, if the walk has not met it."""

    ref: weakref.ref[Any]
    places: list[Place] = field(default_factory=list)

    def place(self, scope: Mapping[str, Any]) -> Place | None:
        if len(self.places) < 2:
            return self.places[0] if self.places else None
        path = _full_path(scope)
        return next((place for place in self.places if place.leads_to(path)), self.places[0])


class _Table:
    """The routes of one application, or router."""

    __slots__ = ("count", "fruitless", "known", "opaque", "ref", "strangers")

    def __init__(self, ref: weakref.ref[Any]) -> None:
        self.ref = ref
        self.fruitless = 0
        self.build(ref())

    def build(self, router: Any) -> None:
        """Walk the routes of ``router``."""
        self.known: dict[int, _Known] = {}
        self.opaque: list[Place] = []
        """Mounts of what cannot be looked into."""
        self.strangers = 0
        self.count = len(router.routes)
        _Walk(self).routes(router.routes, Place("", is_mount=True), 0)

    def look_up(self, router: Any, leaf: object) -> _Known | None:
        """Return what is known of ``leaf``; where it is new, look whether the application has changed."""
        known = self.known.get(id(leaf))
        if known is not None and known.ref() is leaf:
            return known
        if self.fruitless >= _MOST_FRUITLESS and len(router.routes) == self.count:
            return self._stranger(leaf)
        self.build(router)
        known = self.known.get(id(leaf))
        if known is not None and known.ref() is leaf:
            self.fruitless = 0
            return known
        self.fruitless += 1
        return self._stranger(leaf)

    def _stranger(self, leaf: object) -> _Known | None:
        """Remember that the application does not know ``leaf``, so that it is not walked for it again."""
        if self.strangers >= _MOST_STRANGERS:
            return None
        self.strangers += 1
        known = self.known[id(leaf)] = _Known(weakref.ref(leaf))
        return known

    def add(self, leaf: object, place: Place) -> None:
        """Note that ``leaf`` stands in ``place``."""
        try:
            ref = weakref.ref(leaf)
        except TypeError:  # such as an instance with slots: it is known by its route, or not at all
            return
        known = self.known.get(id(leaf))
        if known is None or known.ref() is not leaf:
            known = self.known[id(leaf)] = _Known(ref)
        if all(place.template != other.template for other in known.places):
            known.places.append(place)


class _Walk:
    """One walk through the routes of an application, outermost first."""

    __slots__ = ("left", "table")

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.left = _MOST_ROUTES

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
        if hasattr(route, "route_handler"):  # Litestar's: what is mounted there has a template like any other
            is_mount = bool(getattr(route.route_handler, "is_mount", False))
            template = f"{(place.template or '').rstrip('/')}{ANY_PATH}" if is_mount else place.template
            return self.table.add(route.route_handler, replace(place, template=template, is_mount=is_mount))
        for leaf in _leaves(route):
            self.table.add(leaf, place)
        if place.is_mount:
            self._mounted(route, place, depth)
        return None

    def _mounted(self, mount: Any, place: Place, depth: int) -> None:
        inner = mount.routes or _routes_inside(mount.app)
        if inner is None:
            self.table.opaque.append(place)
        elif depth < _DEEPEST:
            # A host adds nothing to the template, so what stands in it has the prefix of the host.
            self.routes(inner, place if place.template else replace(place, template=""), depth + 1)

    def _included(self, included: Any, outer: Place, depth: int) -> None:
        """Walk a router that FastAPI has included: for each of its routes there is a context, with the prefix."""
        for context in included.effective_route_contexts():
            if context.starlette_route is not None:
                self.routes([context.starlette_route], outer, depth)
            elif context.path_format:
                place = Place.of(context, outer.prefix, outer.pattern)
                if place is not None:
                    self.table.add(context, place)


_tables: dict[int, _Table] = {}
"""By the identity of the router, which has no hash; each lives as long as its router."""


def place_of(router: object, leaf: object, scope: Mapping[str, Any]) -> Place | None:
    """Return where ``leaf``, to which a request was routed, stands in the application of ``router``."""
    known = _table(router).look_up(router, leaf)
    return None if known is None else known.place(scope)


def opaque_place(router: object, scope: Mapping[str, Any]) -> Place | None:
    """Return the mount of something that cannot be looked into, such as a closure, by which a request went."""
    opaque = _table(router).opaque
    path = _full_path(scope) if opaque else ""
    return next((place for place in opaque if place.leads_to(path)), None)


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


def _leaves(route: object) -> Iterator[object]:
    """Yield what a router may leave in the scope for a route: itself, and its endpoint."""
    yield route
    endpoint = getattr(route, "endpoint", None)
    if endpoint is None:
        endpoint = getattr(route, "app", None)
    if endpoint is not None:
        yield endpoint


def _routes_inside(app: Any) -> Sequence[object] | None:
    """Return the routes of the application inside layers; ``None`` if none is found by following ``app``."""
    for _ in range(_DEEPEST):
        routes = getattr(app, "routes", None)
        if isinstance(routes, (list, tuple)):
            return routes
        app = getattr(app, "app", None)
        if app is None:
            break
    return None


def _full_path(scope: Mapping[str, Any]) -> str:
    """Return the path as the outermost router saw it: mounts move their part into ``root_path``."""
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return route_path({"path": scope["path"], "root_path": root})
