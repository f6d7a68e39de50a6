"""Read a configuration file into plain data that knows where in the file each value stands."""

from __future__ import annotations

import os
import re
import tomllib
from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from middlewares.errors import ConfigError

from .positions import MAX_DEPTH, Path, Place, Positions, TooDeep, locate

__all__ = ("MAX_BYTES", "Document", "read_document")

MAX_BYTES = 256 * 1024
"""The largest file that is read: hundreds of times what a full stack needs."""

_MESSAGE = re.compile(r"(?s)(?P<reason>.*?)(?: \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\))?")
_LARGEST_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class Document:
    """The tables of one file, with the places of their keys and values."""

    name: str
    """The path of the file, as it was given."""
    data: dict[str, Any]
    positions: Positions

    def where(self, place: Place) -> str:
        """Return ``file:line:column``, which editors and terminals open with a click."""
        return f"{self.name}:{place.line}:{place.column}"


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a TOML file of at most `MAX_BYTES`; raises `ConfigError` with one message if that cannot be done."""
    name = os.fsdecode(path)  # which raises TypeError for what is no path, such as None
    text = _decode(name, _read(name))
    document = _parse(name, text)
    _check_integers(document)
    return document


def _read(name: str) -> bytes:
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{name}: is a directory; it must be a TOML file") from None
    except (OSError, ValueError) as error:
        # ValueError: a path with a null character.
        reason = getattr(error, "strerror", None) or error
        shown = name if name.isprintable() else repr(name)
        raise ConfigError(f"{shown}: cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES // 1024} KiB, the most that is read")
    return content


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


def _parse(name: str, text: str) -> Document:
    try:
        # First, since it bounds the nesting: `tomllib` calls itself for each level, and copies long keys.
        positions = locate(text)
        return Document(name, tomllib.loads(text), positions)
    except TooDeep as error:
        where = f"{name}:{error.place.line}:{error.place.column}"
        raise ConfigError(f"{where}: is nested more than {MAX_DEPTH} levels deep") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_not_toml(name, text, str(error))) from None
    except ValueError as error:
        # A decimal number beyond what Python converts, for which `tomllib` tells no place.
        raise ConfigError(f"{name}: is not TOML: {error}") from None


def _not_toml(name: str, text: str, message: str) -> str:
    """Return `tomllib`'s message with the place in front."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None  # noqa: S101 - for the type checker: the pattern matches every text
    line, column = match["line"], match["column"]
    if line is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    return f"{name}:{line}:{column}: is not TOML: {match['reason']}"


def _check_integers(document: Document) -> None:
    """Refuse integers that do not fit 64 bits, as TOML 1.0 asks: Python may be unable even to print them."""
    pending: list[tuple[Path, Any]] = [((), document.data)]
    problems: list[str] = []
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += (((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            pending += (((*path, index), inner) for index, inner in enumerate(value))
        elif isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
            where = document.where(document.positions.value(path))
            problems.append(f"{where}: is not TOML: an integer must fit 64 bits")
    if problems:
        raise ConfigError(*reversed(problems))
