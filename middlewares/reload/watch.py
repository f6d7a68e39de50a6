"""See that files have changed: written in place, renamed over, or reached by a symbolic link that was swapped."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("FileWatch",)

_Stamp: TypeAlias = "tuple[int, int, int, int] | None"
_MOST_BYTES = 1024 * 1024


class FileWatch:
    """Look at files again and again, by their paths: what is found there may be another file each time.

    What has changed is what is in them: to touch a file changes nothing. A file counts as written once it was the
    same at two looks, so that half of one is not taken for the whole.
    """

    __slots__ = ("_content", "_pending", "_stamps", "files")

    def __init__(self, files: Iterable[str | os.PathLike[str]]) -> None:
        self.files: tuple[str, ...] = ()
        """The paths that are looked at."""
        self._stamps: list[_Stamp] = []
        self._content: list[bytes | None] = []
        self._pending: list[_Stamp] | None = None
        self.watch(files)

    def watch(self, files: Iterable[str | os.PathLike[str]]) -> None:
        """Look at these files from now on; at new ones as they are now."""
        paths = tuple(os.fspath(file) for file in files)
        if paths != self.files:
            # What is known already stays as it was seen last, for it may have changed since then.
            known = dict(zip(self.files, zip(self._stamps, self._content, strict=True), strict=True))
            seen = [known[path] if path in known else (_stamp(path), _content(path)) for path in paths]
            self.files = paths
            self._stamps = [stamp for stamp, _ in seen]
            self._content = [content for _, content in seen]
            self._pending = None

    def poll(self) -> bool:
        """Look; return whether something else is in the files than the last time that this was so."""
        stamps = [*map(_stamp, self.files)]
        if stamps == self._stamps:
            self._pending = None
            return False
        if stamps != self._pending:
            self._pending = stamps  # somebody may be writing: look once more
            return False
        self._stamps, self._pending = stamps, None
        content = [*map(_content, self.files)]
        if content == self._content:
            return False
        self._content = content
        return True


def _stamp(file: str) -> _Stamp:
    try:
        found = os.stat(file)  # noqa: PTH116 - which follows symbolic links, as reading does
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _content(file: str) -> bytes | None:
    try:
        if not stat.S_ISREG(Path(file).stat().st_mode):
            return None  # a pipe would keep the event loop waiting
        with Path(file).open("rb") as opened:
            return hashlib.sha256(opened.read(_MOST_BYTES)).digest()
    except (OSError, ValueError):
        return None
