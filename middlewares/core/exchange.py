"""The exchange: one small mutable object per request through which layers tell each other what they know.

A scope that one layer copied hides from outer layers what inner code writes into it. So the outermost layer that
needs facts from further in puts an `Exchange` under `EXCHANGE` in the scope that it hands on; inner layers find it
there, publish facts and read facts. Nobody reaches into another layer, a fact may come before or after it is
needed, and a missing fact is normal.

Each fact declares its rule for several writers: `First`, `Last` or `Each`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from .refusals import Refusal

__all__ = (
    "EXCHANGE",
    "Coding",
    "Each",
    "Exchange",
    "First",
    "Last",
    "OfSpan",
    "hand_back",
    "join",
    "publish_scope",
)

EXCHANGE = "middlewares.exchange"
"""The scope key."""

_T = TypeVar("_T")

_NOTHING: dict[str, Any] = {}

_HANDED_BACK = ("route", "endpoint", "path_params", "path_template", "session", "user", "auth")
"""Scope keys that frameworks add for the layers outside them."""


class _Fact(Generic[_T]):
    """A named value among the facts of the exchange, absent until somebody publishes it."""

    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, exchange: None, owner: type) -> _Fact[_T]: ...
    @overload
    def __get__(self, exchange: Exchange, owner: type) -> _T | None: ...
    def __get__(self, exchange: Exchange | None, owner: type) -> _T | _Fact[_T] | None:
        return self if exchange is None else (exchange.facts or _NOTHING).get(self.name)


class First(_Fact[_T]):
    """The first writer wins: what is known best where it is met first."""

    def __set__(self, exchange: Exchange, value: _T) -> None:
        if exchange.facts is None:
            exchange.facts = {self.name: value}
        else:
            exchange.facts.setdefault(self.name, value)


class OfSpan(First[_T]):
    """A first fact that is otherwise read off `Exchange.span`, so that it takes shape only where it is asked for."""

    def __init__(self, read: Callable[[Any], _T]) -> None:
        self._read = read

    @overload
    def __get__(self, exchange: None, owner: type) -> OfSpan[_T]: ...
    @overload
    def __get__(self, exchange: Exchange, owner: type) -> _T | None: ...
    def __get__(self, exchange: Exchange | None, owner: type) -> _T | OfSpan[_T] | None:
        if exchange is None:
            return self
        facts = exchange.facts or _NOTHING
        if "span" not in facts or self.name in facts:
            return facts.get(self.name)
        return self._read(facts["span"])


class Last(_Fact[_T]):
    """The last writer wins: what outer layers may still change."""

    def __set__(self, exchange: Exchange, value: _T) -> None:
        if exchange.facts is None:
            exchange.facts = {self.name: value}
        else:
            exchange.facts[self.name] = value


class Each(Generic[_T]):
    """Every writer counts: reading gives the list to append to, in the order of writing."""

    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, exchange: None, owner: type) -> Each[_T]: ...
    @overload
    def __get__(self, exchange: Exchange, owner: type) -> list[_T]: ...
    def __get__(self, exchange: Exchange | None, owner: type) -> list[_T] | Each[_T]:
        if exchange is None:
            return self
        if exchange.facts is None:
            exchange.facts = {}
        found: list[_T] = exchange.facts.setdefault(self.name, [])
        return found

    def __set__(self, exchange: Exchange, value: object) -> None:
        raise AttributeError(f"{self.name} collects the facts of every layer: append to it")


@dataclass(slots=True)
class Coding:
    """What a compressing layer did, or why it did nothing; equal if the same was done, in whatever time."""

    coding: bytes | None
    """The content coding applied, such as ``b"gzip"``; ``None`` if the body went through as it was."""
    skipped: str | None = None
    """Why nothing was applied, in words that do not change, such as ``small`` or ``not smaller``."""
    raw_bytes: int = field(default=0, compare=False)
    """Bytes that were encoded so far."""
    wire_bytes: int = field(default=0, compare=False)
    """Bytes that came of them so far."""
    seconds: float = field(default=0.0, compare=False)
    """Time spent on it so far, in threads or on the event loop."""


class Exchange:
    """The facts of one request. Reading one that nobody published gives ``None``, or an empty list."""

    __slots__ = ("facts", "layers")

    def __init__(self, maker: object = None) -> None:
        self.layers: list[object] | None = [maker]
        """The layers that have joined it and not left yet; the first made it, and clears it when it leaves."""
        self.facts: dict[str, Any] | None = None
        """What was published, by name; no dictionary as long as that is nothing."""

    inner_scope: Last[MutableMapping[str, Any]] = Last()
    """The innermost scope seen: what the framework's router writes into."""
    route: First[str] = First()
    """The template of the matched route, such as ``/users/{id}``, where the framework does not write it into the scope;
    without the prefix of mounts that do."""
    request_id: First[str] = First()
    """The id of the request."""
    span: First[Any] = First()
    """The context of the span of the request, or of its caller, as the API of OpenTelemetry has it; the outermost
    tracer's."""
    trace_id: OfSpan[str] = OfSpan(lambda span: format(span.trace_id, "032x"))
    """The id of the trace that the request belongs to, 32 hexadecimal digits; the outermost tracer's."""
    span_id: OfSpan[str] = OfSpan(lambda span: format(span.span_id, "016x"))
    """The id of the span of the request, 16 hexadecimal digits."""
    is_sampled: OfSpan[bool] = OfSpan(lambda span: bool(span.trace_flags & 1))
    """Whether that span is recorded."""
    is_measured: First[bool] = First()
    """Whether a tracer that has no span for the request measures it already."""
    error: First[BaseException] = First()
    """What the application raised, where a layer made an answer of it."""
    raw_bytes: First[int] = First()
    """Bytes of body that the application sent."""
    wire_bytes: Last[int] = Last()
    """Bytes of body that left the outermost layer that counts."""
    expose: Each[bytes] = Each()
    """Names of response headers that a browser page should be able to read."""
    response_headers: Each[tuple[bytes, bytes]] = Each()
    """Headers that belong on any response of this request, also on one made outside all layers."""
    sessions: Each[str] = Each()
    """Names of the cookies whose sessions were read or changed: the response is for one visitor."""
    codings: Each[Coding] = Each()
    """What each compressing layer did, innermost first."""
    refusals: Each[Refusal] = Each()
    """Why layers answered by themselves."""
    error_pages: Each[object] = Each()
    """The layers, entered and not left yet, that make an answer of an exception which reaches them."""
    quotas: Each[object] = Each()
    """What limiters decided about the request, outermost first."""

    def leave(self, layer: object) -> None:
        """Say that the call of a layer which joined has ended; once its maker leaves, the exchange is cleared."""
        layers = self.layers
        if layers is None or layers[0] is layer:
            self.layers = self.facts = None
        elif layer in layers:
            layers.remove(layer)

    def clear(self) -> None:
        """Forget everything, so that no scope or exception is kept alive through the exchange."""
        self.layers = self.facts = None


def join(scope: MutableMapping[str, Any], layer: object) -> tuple[Exchange, MutableMapping[str, Any], bool]:
    """Return the exchange of this request, the scope to hand on, and whether ``layer`` made the exchange just now.

    For a layer that needs facts from further in; it must `Exchange.leave` in ``finally``. An exchange that this same
    layer is still in belongs to an enclosing request: the application dispatched a request of its own through the
    layer, which gets an exchange of its own. So does what runs on after its request has ended.
    """
    exchange: Exchange | None = scope.get(EXCHANGE)
    if exchange is not None:
        layers = exchange.layers
        if layers and layer not in layers:
            layers.append(layer)
            return exchange, scope, False
    exchange = Exchange(layer)
    return exchange, {**scope, EXCHANGE: exchange}, True


def publish_scope(scope: MutableMapping[str, Any]) -> None:
    """Publish the scope that goes to an application which is not ours, as `Exchange.inner_scope`.

    For the innermost layers (`layer.is_innermost`), where there is an exchange at all::

        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
    """
    exchange = scope[EXCHANGE]
    if exchange.layers is None:
        return  # the request has ended, and a scope would be kept alive by what is in it
    if exchange.facts is None:
        exchange.facts = {"inner_scope": scope}
    elif "inner_scope" not in exchange.facts or not _is_routed(exchange.facts["inner_scope"]):
        exchange.facts["inner_scope"] = scope


def _is_routed(scope: MutableMapping[str, Any]) -> bool:
    """Return whether a request has arrived: what is entered now belongs to a request that its endpoint dispatches.

    What is mounted may go on routing.
    """
    route = scope.get("route")
    return bool(scope.get("path_template")) or (route is not None and not hasattr(type(route), "routes"))


def hand_back(inner: MutableMapping[str, Any], outer: MutableMapping[str, Any]) -> None:
    """Give the scope that a layer was handed the keys that inner code added to its copy.

    Only the keys that frameworks write for outer layers (``route``, ``endpoint``, ``session`` …), and only those
    that are not there yet: no value is ever changed.
    """
    for key in _HANDED_BACK:
        if key in inner and key not in outer:
            outer[key] = inner[key]
