"""The layers of a stack, wherever they stand: in nested stacks and under conditions too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import Layer
from middlewares.record import Middleware
from middlewares.stack import Stack
from middlewares.when import Conditional

from .roles import role_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("PlacedLayer", "conditional", "is_nested", "layers_of", "may_meet")


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """One layer of a stack, and its place in it."""

    record: Middleware
    position: tuple[int, ...]
    """Its number in the stack, counted from 1; in a nested stack after the number of that stack."""
    role: str | None
    """What it does, in the words of the rules; ``None`` if they do not speak of it."""
    conditions: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    """The matchers of each `When` that it stands in, outermost first."""

    @property
    def name(self) -> str:
        """The name of its class."""
        return self.record.name

    @property
    def is_ours(self) -> bool:
        """Whether it is of this package, so that it knows what other such layers need."""
        return isinstance(self.record.cls, type) and issubclass(self.record.cls, Layer)

    def __str__(self) -> str:
        return f"{self.name} [{'.'.join(map(str, self.position))}]"


def layers_of(stack: Stack, roles: Mapping[Any, str]) -> list[PlacedLayer]:
    """Return the layers of ``stack``, outermost first."""
    return [layer for number, entry in enumerate(stack, 1) for layer in _layers(entry, (number,), (), roles)]


def is_nested(record: Middleware) -> bool:
    """Return whether an entry is a stack and nothing else, so that its layers may as well stand in its place."""
    return isinstance(record.cls, Stack) and not record.args and not record.kwargs


def conditional(record: Middleware) -> tuple[Middleware, dict[str, Any]]:
    """Return what a `When` record applies, and its matchers."""
    matchers: dict[str, Any] = dict(record.kwargs)
    return matchers.pop("layer"), matchers


def may_meet(one: PlacedLayer, other: PlacedLayer) -> bool:
    """Return whether some request passes both layers, as far as their conditions tell."""
    return not any(_exclude(mine, theirs) for mine in one.conditions for theirs in other.conditions)


def _layers(
    record: Middleware,
    position: tuple[int, ...],
    conditions: tuple[Mapping[str, Any], ...],
    roles: Mapping[Any, str],
) -> Iterator[PlacedLayer]:
    if isinstance(record.cls, Stack):
        for number, entry in enumerate(record.cls, 1):
            yield from _layers(entry, (*position, number), conditions, roles)
    elif record.cls is Conditional:
        layer, matchers = conditional(record)
        yield from _layers(layer, position, (*conditions, matchers), roles)
    else:
        yield PlacedLayer(record, position, role_of(record.cls, record.kwargs, roles), conditions)


def _exclude(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether no request satisfies both sets of matchers, where that is plain to see."""
    methods = {*one.get("methods", ())}, {*other.get("methods", ())}
    if all(methods) and methods[0].isdisjoint(methods[1]):
        return True
    return _are_excluded(one, other) or _are_excluded(other, one)


def _are_excluded(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    paths = {*one.get("paths", ())}
    return bool(paths) and paths <= {*other.get("exclude_paths", ())}
