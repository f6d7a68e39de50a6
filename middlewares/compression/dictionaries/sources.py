"""Read declared dictionaries from files and directories. All of it is done outside the event loop."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from .store import SMALLEST, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .declaration import Dictionary

__all__ = ("Sources",)

_LOG: Final = logging.getLogger("middlewares.compression")
_MOST_FILES: Final = 1000
"""Files of one directory that are looked at."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when it was looked at."""

    path: str
    number: int
    maximum_size: int
    size: int
    modified: int
    inode: int


class Sources:
    """The files behind some declarations: what they hold is read once, and again when a file has changed."""

    __slots__ = ("_cost", "_declarations", "_most", "_read", "_reported")

    def __init__(self, declarations: Sequence[Dictionary], *, most: int, cost: Callable[[int], int]) -> None:
        self._declarations = [(number, each) for number, each in enumerate(declarations) if each.path is not None]
        self._most = most
        self._cost = cost
        self._read: dict[_File, Held] = {}
        self._reported: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._declarations)

    def load(self) -> dict[bytes, Held]:
        """Return all dictionaries that there are now by their hashes; when they are too many, the newest."""
        files = sorted((file for each in self._declarations for file in self._files(*each)), key=attrgetter("modified"))
        kept: dict[_File, Held] = {}
        by_hash: dict[bytes, Held] = {}
        owners: dict[bytes, set[int]] = {}
        room = self._most
        for file in reversed(files):
            if self._cost(file.size) > room:
                self._report(file.path, "is left out: the dictionaries before it need all the memory there may be")
                continue
            read = self._read.get(file) or self._read_file(file)
            if read is None:
                continue
            held = by_hash.setdefault(read.digest, read)
            room -= held.cost if held.digest not in owners else 0
            owners.setdefault(held.digest, set()).add(file.number)
            kept[file] = held
        for digest, held in by_hash.items():
            held.declared = owners[digest]
        self._read = kept
        return by_hash

    def _files(self, number: int, declaration: Dictionary) -> Iterator[_File]:
        path = os.fspath(declaration.path or "")
        try:
            names = sorted(os.listdir(path))  # noqa: PTH208 - names alone are wanted
        except NotADirectoryError:
            yield from self._look_at(path, number, declaration)
            return
        except OSError as error:
            self._report(path, f"cannot be read: {error.strerror}")
            return
        for name in names[:_MOST_FILES]:
            # What begins with a dot is often a copy under way.
            if not name.startswith("."):
                yield from self._look_at(os.path.join(path, name), number, declaration)  # noqa: PTH118 - as above

    def _look_at(self, path: str, number: int, declaration: Dictionary) -> Iterator[_File]:
        try:
            found = os.stat(path)  # noqa: PTH116 - as above
        except OSError as error:
            self._report(path, f"cannot be read: {error.strerror}")
            return
        if not stat.S_ISREG(found.st_mode) or found.st_size < SMALLEST:
            return
        if found.st_size > declaration.maximum_size:
            self._report(path, f"is left out: it has {found.st_size} bytes, more than maximum_size")
            return
        yield _File(path, number, declaration.maximum_size, found.st_size, found.st_mtime_ns, found.st_ino)

    def _read_file(self, file: _File) -> Held | None:
        try:
            with open(file.path, "rb") as opened:  # noqa: PTH123 - as above
                data = opened.read(file.size + 1)
        except OSError as error:
            self._report(file.path, f"cannot be read: {error.strerror}")
            return None
        # One that is being written has another size soon, and is read then.
        return Held(data, set(), self._cost(len(data))) if len(data) == file.size else None

    def _report(self, path: str, what: str) -> None:
        """Warn of a file, once."""
        if path not in self._reported and len(self._reported) < _MOST_FILES:
            self._reported.add(path)
            _LOG.warning("dictionary %s %s", path, what)
