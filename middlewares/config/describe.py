"""Describe a stack, built in code or from a file: every layer with its effective options and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import is_self_checking
from middlewares.errors import shown
from middlewares.record import accepted
from middlewares.registry import BUILTIN
from middlewares.stack import Stack
from middlewares.when import Conditional

from .costs import COSTS, cost_of, is_store_option
from .declared import options_of
from .notation import notation
from .substitution import holds_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.record import Middleware

    from .model import Configuration, Entry, Setting

__all__ = ("Described", "Option", "describe", "describe_configuration")

_HIDDEN = '"…"'
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a layer, as it takes effect."""

    name: str
    value: str
    """As a file writes it; ``"…"`` for a secret."""
    source: str
    """``file:line:column`` and what was filled in, ``code`` or ``default``."""
    is_given: bool


@dataclass(frozen=True, slots=True)
class Described:
    """One layer of a stack."""

    title: str
    """The name of its class."""
    use: str
    """Its name in a file."""
    cost: str
    source: str
    is_enabled: bool = True
    options: tuple[Option, ...] = ()
    when: tuple[Option, ...] = ()
    """The matchers, of a layer for some requests only."""
    inner: tuple[Described, ...] = field(default=())
    """The layers of a stack in a stack."""

    def lines(self, *, sources: bool = True) -> list[str]:
        """Return what is told of it: itself, its condition, its options, its inner layers."""
        off = "" if self.is_enabled else ", not enabled"
        place = f"  ({self.source})" if sources and self.source else ""
        cost = f"cost: {self.cost}, {COSTS[self.cost]}" if self.cost in COSTS else ""
        told = [f"{self.title}{f'  {cost}' if cost else ''}{off}{place}"]
        rows = [(f"when.{row.name}", row) for row in self.when] + [(row.name, row) for row in self.options]
        width = max((len(name) for name, _ in rows), default=0)
        values = max((min(len(row.value), 40) for _, row in rows), default=0)
        for name, row in rows:
            end = f"  {row.source}" if sources else ""
            told.append(f"   {name:{width}} = {row.value:{values}}{end}".rstrip())
        for layer in self.inner:
            told += (f"   {line}" for line in layer.lines(sources=sources))
        return told


def describe(stack: Stack) -> tuple[Described, ...]:
    """Return the layers of a stack, outermost first."""
    return tuple(_described(record, None) for record in stack)


def describe_configuration(configuration: Configuration) -> tuple[Described, ...]:
    """Return the layers of a configuration, outermost first, those that are not enabled too."""
    return tuple(_described(entry.record, entry) for entry in configuration.entries if entry.record is not None)


def _described(record: Middleware, entry: Entry | None) -> Described:
    matchers: dict[str, Any] = {}
    if record.cls is Conditional:
        matchers = dict(record.kwargs)
        record = matchers.pop("layer")
    source = "" if entry is None else str(entry.spot)
    if isinstance(record.cls, Stack):
        inner = tuple(_described(one, None) for one in record.cls)
        return Described("Stack", "", "", source, when=_matchers(matchers, None), inner=inner)
    cls = record.cls
    settings = {} if entry is None else entry.options
    given = dict(zip(accepted(cls).positional_names(len(record.args)), record.args, strict=True)) | record.kwargs
    return Described(
        title=record.name,
        use=_use_of(cls),
        cost=cost_of(cls, _effective(cls, given)),
        source=source,
        is_enabled=True if entry is None else entry.enabled,
        options=_options(cls, given, settings),
        when=_matchers(matchers, None if entry is None else entry.when),
    )


def _effective(cls: Any, given: dict[str, Any]) -> dict[str, Any]:
    defaults = {doc.name: doc.default for doc in options_of(cls) if doc.default is not MISSING}
    return defaults | given


def _options(cls: Any, given: dict[str, Any], settings: dict[str, Setting]) -> tuple[Option, ...]:
    """Return the options of a layer: those that are given first, in the order of the class."""
    is_secret = accepted(cls).is_secret
    secret = {name for name, value in given.items() if is_secret(name) or _holds_password(value)}
    if not is_self_checking(cls):
        secret |= {name for name, value in given.items() if _names_secret(value, is_secret)}
    technical = _technical(cls)
    rows = []
    for doc in options_of(cls):
        if doc.name in given:
            rows.append(_option(doc.name, given[doc.name], settings.get(doc.name), is_secret=doc.name in secret))
        elif doc.default is not MISSING and doc.name not in technical:
            hidden = is_secret(doc.name) and doc.default is not None and not is_store_option(doc.name)
            rows.append(Option(doc.name, _value(doc.name, doc.default, is_secret=hidden), "default", is_given=False))
    known = {row.name for row in rows}
    rows += [
        _option(name, value, settings.get(name), is_secret=name in secret)
        for name, value in given.items()
        if name not in known
    ]
    return tuple(sorted(rows, key=lambda row: not row.is_given))


def _technical(cls: Any) -> set[str]:
    """Return the options that are for tests, such as clocks: they are told only where they are given."""
    if not is_self_checking(cls):
        return set()
    return {one.name for one in fields(cls) if callable(one.default) and not isinstance(one.default, type)}


def _option(name: str, value: Any, setting: Setting | None, *, is_secret: bool) -> Option:
    hidden = is_secret or (setting is not None and setting.is_secret)
    source = "code" if setting is None else setting.source
    return Option(name, _value(name, value, is_secret=hidden), source, is_given=True)


def _value(name: str, value: Any, *, is_secret: bool) -> str:
    if is_secret and not _is_plain_url(name, value):
        return _HIDDEN
    text = shown(_Notation(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _holds_password(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_password, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_password, value))
    return isinstance(value, str) and holds_password(value)


def _names_secret(value: Any, is_secret: Callable[[str], bool]) -> bool:
    """Return whether something stands under the name of a secret inside of a value."""
    if isinstance(value, Mapping):
        return any(is_secret(str(key)) or _names_secret(one, is_secret) for key, one in value.items())
    return isinstance(value, (list, tuple)) and any(_names_secret(one, is_secret) for one in value)


def _is_plain_url(name: str, value: Any) -> bool:
    """Return whether a value is the URL of a store without anything secret in it, or the lack of a store."""
    if not is_store_option(name):
        return False
    return value is None or (isinstance(value, str) and "@" not in value and "?" not in value)


class _Notation:
    """Shows a value as a file writes it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "none" if self.value is None else notation(self.value)


def _matchers(matchers: dict[str, Any], settings: dict[str, Setting] | None) -> tuple[Option, ...]:
    known = settings or {}
    return tuple(_option(name, value, known.get(name), is_secret=False) for name, value in matchers.items())


def _use_of(cls: Any) -> str:
    """Return by which name a file uses a class."""
    for name, path in BUILTIN.items():
        module, _, attribute = path.partition(":")
        if getattr(cls, "__name__", "") == attribute and getattr(cls, "__module__", "").startswith(module):
            return name
    return f"{getattr(cls, '__module__', type(cls).__module__)}:{getattr(cls, '__qualname__', type(cls).__qualname__)}"
