"""Advice on the order of a stack: what is legal but unwise, and the order that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from middlewares.stack import Stack
from middlewares.when import Conditional, When

from .layers import PlacedLayer, conditional, is_nested, layers_of, may_meet
from .roles import ANYWHERE, checked_roles
from .rules import ORDER_RULES, TWICE, OrderRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from middlewares.record import Middleware

__all__ = ("OrderWarning", "check", "sort")

_RULES: Final = {(rule.outer, rule.inner): rule for rule in ORDER_RULES}


@dataclass(frozen=True, slots=True)
class OrderWarning:
    """Two layers of a stack that stand in a legal but unwise order."""

    rule: OrderRule
    outer: PlacedLayer
    """The layer that stands outside, and should not."""
    inner: PlacedLayer

    @property
    def reason(self) -> str:
        """Why the order is unwise."""
        return self.rule.reason

    @property
    def harm(self) -> str:
        """A request that shows it, and what becomes of it."""
        return self.rule.harm

    @property
    def order(self) -> tuple[PlacedLayer, ...]:
        """The order that mends it, outermost first; a layer that stands twice is left once."""
        return (self.outer,) if self.rule is TWICE else (self.inner, self.outer)

    def __str__(self) -> str:
        if self.rule is TWICE:
            title = f"{self.outer} stands here again: {self.inner}"
            mend = f"{self.outer.name} once"
        else:
            title = f"{self.outer} is better inside {self.inner}"
            mend = ", ".join(layer.name for layer in self.order)
        return f"{title}\n  why:   {self.reason}\n  harm:  {self.harm}\n  order: {mend}"


def check(stack: Stack, roles: Mapping[Any, str] | None = None) -> tuple[OrderWarning, ...]:
    """Return what is unwise in the order of ``stack``, by place; see `Stack.check`."""
    return tuple(_warnings(layers_of(stack, checked_roles(roles))))


def sort(stack: Stack, roles: Mapping[Any, str] | None = None) -> Stack:
    """Return ``stack`` in the advised order; see `Stack.sorted`."""
    added = checked_roles(roles)
    whole = _sorted(stack, added)
    if any(warning.rule is not TWICE for warning in check(whole, added)):
        # Some layer belongs between those of a nested stack.
        return _sorted(type(stack)(*_opened(stack)), added)
    return whole


def _warnings(layers: Sequence[PlacedLayer]) -> Iterator[OrderWarning]:
    for outer, inner in combinations(layers, 2):
        rule = _rule_against(outer, inner, layers)
        if rule is not None:
            yield OrderWarning(rule, outer, inner)
        elif _is_twice(outer, inner, layers):
            yield OrderWarning(TWICE, outer, inner)


def _rule_against(outer: PlacedLayer, inner: PlacedLayer, layers: Sequence[PlacedLayer]) -> OrderRule | None:
    """Return the rule that wants ``outer`` inside ``inner``, if there is one."""
    rule = _RULES.get((inner.role or "", outer.role or ""))
    if rule is None or not may_meet(outer, inner):
        return None
    if not rule.among_ours and outer.is_ours and inner.is_ours:
        return None
    return None if rule.innermost and outer is not _innermost(rule.inner, layers) else rule


def _innermost(role: str, layers: Sequence[PlacedLayer]) -> PlacedLayer:
    """Return the innermost layer with that role that every request passes, or else the innermost one."""
    found = [layer for layer in layers if layer.role == role]
    return ([layer for layer in found if not layer.conditions] or found)[-1]


def _is_twice(outer: PlacedLayer, inner: PlacedLayer, layers: Sequence[PlacedLayer]) -> bool:
    """Return whether ``inner`` does again for some requests what ``outer`` does."""
    if outer.record.cls is not inner.record.cls or outer.role != inner.role or outer.role == ANYWHERE:
        return False
    if outer.conditions and inner.conditions and outer.conditions != inner.conditions:
        return False  # one policy for some requests, one for others
    if outer.role in (None, "base_http"):
        return _options(outer) == _options(inner)  # what it does may well be in its options
    return not _stands_between(outer, inner, layers)


def _stands_between(outer: PlacedLayer, inner: PlacedLayer, layers: Sequence[PlacedLayer]) -> bool:
    """Return whether the two do different work, for what stands between them changes what they see."""
    changes = {rule.outer for rule in ORDER_RULES if rule.innermost and rule.inner == outer.role}
    return any(layer.role in changes for layer in layers if outer.position < layer.position < inner.position)


def _options(layer: PlacedLayer) -> tuple[Any, ...]:
    return layer.record.args, layer.record.kwargs


def _sorted(stack: Stack, roles: Mapping[Any, str]) -> Stack:
    """Return a stack with its entries, and those of nested stacks, in the advised order; nested stacks stay whole.

    Each next entry is the first of those left that none of the others should be outside of. There is always one
    unless a group of layers cannot be taken apart; then the first of those left goes as it was.
    """
    entries = [_sorted_inside(entry, roles) for entry in stack]
    left = _units(entries, layers_of(Stack(*entries), roles))
    layers = [layer for _, unit in left for layer in unit]
    done: list[Middleware] = []
    while left:
        free = (item for item in left if not any(_belongs_outside(other[1], item[1], layers) for other in left))
        chosen = next(free, left[0])
        done.append(chosen[0])
        left.remove(chosen)
    return type(stack)(*done)


def _units(entries: list[Middleware], layers: list[PlacedLayer]) -> list[tuple[Middleware, list[PlacedLayer]]]:
    numbered = enumerate(entries, 1)
    return [(entry, [layer for layer in layers if layer.position[0] == number]) for number, entry in numbered]


def _belongs_outside(one: list[PlacedLayer], other: list[PlacedLayer], layers: Sequence[PlacedLayer]) -> bool:
    """Return whether rules want one entry outside another, and none wants the opposite."""
    if one is other:
        return False
    wanted = any(_rule_against(inner, outer, layers) for outer in one for inner in other)
    return wanted and not any(_rule_against(inner, outer, layers) for outer in other for inner in one)


def _sorted_inside(entry: Middleware, roles: Mapping[Any, str]) -> Middleware:
    """Return an entry that holds a stack with that stack sorted, any other entry as it is."""
    if is_nested(entry):
        return type(entry)(_sorted(entry.cls, roles))
    if entry.cls is Conditional:
        layer, matchers = conditional(entry)
        inside = _sorted_inside(layer, roles)
        return entry if inside is layer else When(inside, **matchers)
    return entry


def _opened(stack: Stack) -> Iterator[Middleware]:
    """Yield the entries of a stack with those of nested stacks in their place."""
    for entry in stack:
        if is_nested(entry):
            yield from _opened(entry.cls)
        else:
            yield entry
