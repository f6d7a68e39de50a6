"""Read a configuration file into plain data that knows where in the file each value stands.

The name says the format: ``.yaml`` and ``.yml`` are YAML, ``.json`` is JSON, ``pyproject.toml`` holds it in the table
``[tool.middlewares]``, and everything else is TOML.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from middlewares.errors import ConfigError, MissingExtra

from .positions import Malformed, Path, Place, Positions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("MAX_BYTES", "Document", "format_of", "read_bytes", "read_document")

MAX_BYTES = 256 * 1024
"""The largest file that is read: hundreds of times what a full stack needs."""

_LARGEST_INTEGER = 2**63
_PYPROJECT = "pyproject.toml"
_PYPROJECT_TABLE = ("tool", "middlewares")
_FORMATS = {".yaml": "YAML", ".yml": "YAML", ".json": "JSON"}


@dataclass(frozen=True, slots=True)
class Document:
    """The tables of one file, with the places of their keys and values."""

    name: str
    """The path of the file, as it was given."""
    data: dict[str, Any] = field(repr=False)
    positions: Positions = field(repr=False)
    root: Path = ()
    """Where in the file ``data`` stands."""

    def __contains__(self, path: Path) -> bool:
        return (*self.root, *path) in self.positions

    def key(self, path: Path) -> Place:
        """Return where the key at the end of ``path`` begins."""
        return self.positions.key((*self.root, *path))

    def value(self, path: Path) -> Place:
        """Return where the value at the end of ``path`` begins."""
        return self.positions.value((*self.root, *path))

    def where(self, place: Place) -> str:
        """Return ``file:line:column``, which editors and terminals open with a click."""
        return _where(self.name, place)

    @property
    def folder(self) -> FilePath:
        """The directory that relative paths in the file start from."""
        return FilePath(self.name).parent

    def table(self, name: str) -> str:
        """Return how an array of tables at the top is written, as in ``[[middleware]]``."""
        if self.format == "TOML":
            return f"[[{'.'.join((*map(str, self.root), name))}]]"
        return f'"{name}": [{{…}}]' if self.format == "JSON" else f"{name}: with a list below it"

    def empty(self, name: str) -> str:
        """Return how an empty array is written."""
        return {"TOML": f"{name} = []", "JSON": f'"{name}": []', "YAML": f"{name}: []"}[self.format]

    @property
    def format(self) -> str:
        """``TOML``, ``YAML`` or ``JSON``."""
        return format_of(self.name)


def format_of(name: str) -> str:
    """Return the format of a file by its name: ``TOML``, ``YAML`` or ``JSON``."""
    return _FORMATS.get(FilePath(name).suffix.lower(), "TOML")


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a file of at most `MAX_BYTES`; raises `ConfigError` if it cannot be read, or is not in its format."""
    name = os.fsdecode(path)  # which raises TypeError for what is no path, such as None
    found = _document_or_problems(name)
    if isinstance(found, Document):
        return found
    # From here, where no variable holds the text: tools that show tracebacks show variables too, and it has secrets.
    raise ConfigError(*found)


def _document_or_problems(name: str) -> Document | tuple[str, ...]:
    try:
        return _read(name)
    except ConfigError as error:
        return error.problems


def _read(name: str) -> Document:
    text = _decode(name, read_bytes(name))
    try:
        data, positions = _parse(name, text)
    except Malformed as error:
        raise ConfigError(*(f"{_where(name, place)}: {words}" for place, words in error.problems)) from None
    if data is None:
        data = {}  # an empty YAML file
    if not isinstance(data, dict):
        raise ConfigError(f"{_where(name, positions.value(()))}: must be a table of keys and values")
    document = Document(name, data, positions)
    _check_scalars(document)
    return _in_pyproject(document) if FilePath(name).name == _PYPROJECT else document


def read_bytes(name: str) -> bytes:
    """Return the content of a configuration file; raises `ConfigError` if it cannot be read or is too large."""
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{name}: is a directory; it must be a {format_of(name)} file") from None
    except (OSError, ValueError) as error:
        # ValueError: a path with a null character.
        reason = getattr(error, "strerror", None) or error
        shown = name if name.isprintable() else repr(name)
        raise ConfigError(f"{shown}: cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES // 1024} KiB, the most that is read")
    return content


def _where(name: str, place: Place | None) -> str:
    return name if place is None else f"{name}:{place.line}:{place.column}"


def _decode(name: str, content: bytes) -> str:
    content = content.removeprefix(BOM_UTF8)  # which some editors put in front
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        byte = content[error.start]
        raise ConfigError(f"{name}:{line}:{column}: is not UTF-8: byte 0x{byte:02x}") from None


def _parse(name: str, text: str) -> tuple[Any, Positions]:
    # Each reader is imported only by those who need it.
    if format_of(name) == "JSON":
        from .json_text import parse_json

        return parse_json(text)
    if format_of(name) == "YAML":
        try:
            from .yaml_text import parse_yaml
        except ImportError:
            raise MissingExtra(f"the YAML file {name!r}", "config") from None
        return parse_yaml(text)
    from .toml_text import parse_toml

    return parse_toml(text)


def _check_scalars(document: Document) -> None:
    """Refuse integers beyond 64 bits (TOML 1.0), which Python may be unable even to print, and halves of characters."""
    problems = []
    for path, value, is_key in _scalars(document.data):
        where = document.where(document.key(path) if is_key else document.value(path))
        if isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
            problems.append(f"{where}: is not {document.format}: an integer must fit 64 bits")
        elif isinstance(value, float) and document.format == "JSON" and not isfinite(value):
            # RFC 8259, 6; a number that is too large is none either.
            problems.append(f"{where}: is not JSON: must be a finite number")
        elif isinstance(value, str) and not _is_text(value):
            problems.append(f"{where}: is not {document.format}: half of a surrogate pair is no character")
    if problems:
        raise ConfigError(*problems)


def _scalars(data: Any) -> Iterator[tuple[Path, Any, bool]]:
    """Yield all values that hold no others, and all keys that are no text, in the order of the file."""
    pending: list[tuple[Path, Any]] = [((), data)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            yield from (((*path, key), key, True) for key in value if not _is_text(key))
            pending += reversed([((*path, key), inner) for key, inner in value.items()])
        elif isinstance(value, list):
            pending += reversed([((*path, index), inner) for index, inner in enumerate(value)])
        else:
            yield path, value, False


def _is_text(text: str) -> bool:
    """Return whether a string can be written: escapes of JSON and YAML may make one that cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _in_pyproject(document: Document) -> Document:
    """Return the part of a ``pyproject.toml`` that is ours."""
    data: Any = document.data
    for key in _PYPROJECT_TABLE:
        data = data.get(key) if isinstance(data, dict) else None
    if data is None:
        raise ConfigError(f"{document.name}: there is no table [{'.'.join(_PYPROJECT_TABLE)}]")
    if not isinstance(data, dict):
        where = document.where(document.value(_PYPROJECT_TABLE))
        raise ConfigError(f"{where}: must be a table: write [{'.'.join(_PYPROJECT_TABLE)}]")
    return Document(document.name, data, document.positions, _PYPROJECT_TABLE)
