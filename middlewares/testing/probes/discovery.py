"""Find the paths of an application by looking at its routes: a list ``routes`` of whatever has a ``path``.

That is what Starlette, FastAPI and those built on them have; nothing of theirs is imported. Of other applications no
path is found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("MOST_PATHS", "Paths", "discover")

MOST_PATHS = 100
"""How many paths of each protocol are taken."""

_DEEPEST_MOUNT = 10
_DEEPEST_STACK = 200
_MOST_ROUTES = 10_000
_PARAMETER = re.compile(r"\{[^{}]*\}")
_FILLED = "1"
"""What stands in the place of a parameter: it fits text, numbers and paths alike."""


class Paths(NamedTuple):
    """The paths of an application by protocol, each once, in the order of the routes."""

    http: tuple[str, ...]
    websocket: tuple[str, ...]


def discover(app: Any) -> Paths:
    """Return the paths that the routes of ``app``, or of what stands inside it, answer; parameters are filled in."""
    found: dict[str, list[str]] = {"http": [], "websocket": []}
    for count, (kind, path) in enumerate(_walk(_routes_inside(app), "", 0)):
        paths = found[kind]
        filled = _PARAMETER.sub(_FILLED, path) or "/"
        if filled.startswith("/") and filled not in paths and len(paths) < MOST_PATHS:
            paths.append(filled)
        if count > _MOST_ROUTES:
            break
    return Paths(tuple(found["http"]), tuple(found["websocket"]))


def _routes_inside(app: Any) -> Any:
    """Follow ``.app`` to the first that holds routes."""
    for _ in range(_DEEPEST_STACK):
        routes = _get(app, "routes")
        if routes or app is None:
            return routes
        app = _get(app, "app")
    return None


def _walk(routes: Any, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    if not isinstance(routes, (list, tuple)) or depth > _DEEPEST_MOUNT:
        return
    for route in routes:
        path, inner = _get(route, "path"), _get(route, "routes")
        if path is None:  # a router that FastAPI has included, which holds the prefix elsewhere
            path = _get(_get(route, "include_context"), "prefix")
            inner = _get(_get(route, "original_router"), "routes")
        if not isinstance(path, str):
            continue
        if inner:
            yield from _walk(inner, prefix + path.rstrip("/"), depth + 1)
        elif inner is not None:  # a mount of something without routes
            yield "http", f"{prefix}{path.rstrip('/')}/"
        else:
            yield ("http" if hasattr(route, "methods") else "websocket"), prefix + path


def _get(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - attributes of applications may be computed, and computing may fail
        return None
