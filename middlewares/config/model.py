"""What a configuration comes to: entries whose every value knows where it was written and what was filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from middlewares.record import Middleware
from middlewares.stack import Stack

from .document import Document
from .positions import Path
from .substitution import Input

if TYPE_CHECKING:
    from .positions import Place

__all__ = ("Configuration", "Entry", "Setting", "Spot")


@dataclass(frozen=True, slots=True)
class Spot:
    """A key and its value in one of the files."""

    document: Document
    path: Path

    def below(self, *path: str | int) -> Spot:
        """Return a place inside this one's value."""
        return Spot(self.document, (*self.path, *path))

    @property
    def key(self) -> Place:
        """Where the key begins."""
        return self.document.key(self.path)

    @property
    def value(self) -> Place:
        """Where the value begins."""
        return self.document.value(self.path)

    def __str__(self) -> str:
        return self.document.where(self.key)


@dataclass(slots=True)
class Setting:
    """One value of a file: as it is written, and as it is used."""

    written: Any = field(repr=False)
    """As it stands in the file, with ``${…}``."""
    spot: Spot
    section: str = ""
    """``defaults``, ``profile NAME`` or a shorthand such as ``observability``; empty for the entry's own."""
    value: Any = field(default=None, repr=False)
    """Filled in, and of the type that the option asks for."""
    inputs: tuple[Input, ...] = ()
    """The variables and files that were filled in."""
    is_secret: bool = False
    """Whether the value may not be shown."""
    named: Setting | None = None
    """The URL under ``[stores]`` whose name is written in its place."""

    @property
    def source(self) -> str:
        """Where the value comes from, in words."""
        parts = [str(self.spot)]
        if self.section:
            parts.append(f"[{self.section}]")
        parts += map(str, self.inputs)
        return ", ".join(dict.fromkeys(parts))


@dataclass(slots=True)
class Entry:
    """One entry, with what profiles and defaults give to it."""

    use: str | None
    """The name of its middleware; ``None`` if there is none."""
    spot: Spot
    number: int
    """Its number in its file, counted from 1; 0 for what a shorthand stands for."""
    id: str | None = None
    options: dict[str, Setting] = field(default_factory=dict)
    when: dict[str, Setting] = field(default_factory=dict)
    when_setting: Setting | None = None
    """The table of the matchers as a whole."""
    enabled_setting: Setting | None = None
    enabled: bool = True
    section: str = ""
    """The shorthand that stands for it."""
    others: list[Entry] = field(default_factory=list)
    """What profiles other than the chosen one would change in it: only names and types are checked."""
    cls: Any = None
    """The middleware; ``None`` until it is found."""
    record: Middleware | None = None
    """What stands in the stack, with its condition; ``None`` if there is an error in it."""

    @property
    def label(self) -> str:
        """What profiles know it by."""
        return self.id or self.use or ""

    def fingerprint(self) -> tuple[Any, ...]:
        """Return what tells it from an entry that would act differently; the order of options means nothing."""
        options = tuple((name, _frozen(self.options[name].value)) for name in sorted(self.options))
        when = tuple((name, _frozen(self.when[name].value)) for name in sorted(self.when))
        return (self.use, self.id, options, when)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that is right."""

    path: str
    """The file, as it was given."""
    profile: str | None
    """The profile that was chosen."""
    profiles: tuple[str, ...]
    """Those that can be chosen."""
    documents: tuple[Document, ...]
    """The file and those that it includes, in the order in which they count: the file itself comes last."""
    entries: tuple[Entry, ...]
    """All entries, outermost first, those that are not enabled too."""
    stack: Stack
    """Those that are enabled."""
    secret_files: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What nobody is to see."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that was read: of configuration, and those of ``${file:…}``."""
        return (*(document.name for document in self.documents), *self.secret_files)


def _frozen(value: Any) -> Any:
    """Return a value that can be compared and hashed: callables by what they are, tables regardless of order."""
    if isinstance(value, dict):
        return ("table", tuple((key, _frozen(value[key])) for key in sorted(value)))
    if isinstance(value, list):
        return ("list", tuple(map(_frozen, value)))
    # 1, 1.0 and true are equal to Python, and not the same option; NaN is not even equal to itself.
    return (type(value).__name__, str(value) if isinstance(value, (str, float)) else value)
