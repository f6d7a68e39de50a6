"""Read the code blocks of a page, and run them in order as a reader would."""

from __future__ import annotations

import inspect
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio

from middlewares import from_config
from tests.docs.commands import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("PAGES", "ROOT", "Block", "Reader", "blocks")

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")) + sorted(
    (ROOT / "docs").rglob("*.md")
)

_BLOCK = re.compile(
    r"(?m)^(?:<!-- no-run: (?P<reason>[^\n]+?) -->\n+)?```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    code: str
    line: int
    """The line of the page on which the code begins."""
    title: str | None = None
    """The file that a reader would save it as."""
    reason: str | None = None
    """Why it is not run, where it is not."""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        title = _TITLE.search(match["info"])
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(match["language"], match["code"], line, title and title[1], match["reason"])


class Reader:
    """Somebody who types all that a page shows into an empty folder, with the examples beside it.

    What a page defines stays there for its later blocks. A ``test_…`` function is run as soon as it is defined.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.module = ModuleType(f"page_{page.stem.lower()}")
        self.shell = Shell()
        sys.modules[self.module.__name__] = self.module

    def read(self) -> None:
        """Follow the page from its top to its end."""
        for block in blocks(self.page):
            if block.title is not None:
                (self.folder / block.title).write_text(block.code, encoding="utf-8")
            follow = getattr(self, f"_{block.language}", None)
            if follow is not None:
                follow(block)

    def _python(self, block: Block) -> None:
        place = "\n" * (block.line - 1)  # so that a traceback tells the line of the page
        code = compile(place + block.code, str(self.page), "exec", dont_inherit=True)
        if block.reason is not None:
            return
        known = set(vars(self.module))
        exec(code, vars(self.module))  # noqa: S102 - the pages are ours
        for name, value in list(vars(self.module).items()):
            if name.startswith("test_") and name not in known:
                run_test(value)

    def _toml(self, block: Block) -> None:
        if "[[middleware]]" in block.code and block.reason is None:
            file = self.folder / (block.title or "untitled.toml")
            file.write_text(block.code, encoding="utf-8")
            assert len(from_config(file))

    def _sh(self, block: Block) -> None:
        for command in block.code.replace("\\\n", " ").splitlines():
            self.shell.run(shlex.split(command, comments=True), [])

    def _console(self, block: Block) -> None:
        for part in re.split(r"(?m)^\$ ", block.code.replace("\\\n", " "))[1:]:
            command, *shown = part.rstrip().splitlines()
            self.shell.run(shlex.split(command, comments=True), shown)


def run_test(function: Any) -> None:
    """Run a test of a page, which may be async."""
    if inspect.iscoroutinefunction(function):
        anyio.run(function)
    else:
        function()
