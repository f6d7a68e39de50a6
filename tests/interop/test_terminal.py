"""A newcomer's first session in a real terminal: what docs/configuration.md shows is typed, and its answers appear.

The page is the script: blocks below ``<!-- session: NAME -->`` are typed into the terminal of that name, one command
after the other, each once the one before has shown what the page shows.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.docs.commands import pattern_of
from tests.docs.pages import ROOT, blocks
from tests.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs" / "configuration.md"
DEADLINE = 30.0
"""Seconds until a command has shown what it should."""

_BLOCK = re.compile(r"(?ms)^<!-- session: (?P<terminal>.+?) -->\n```console\n(?P<lines>.*?)^```$")
_PROMPT = "$ "
_PROMPT_AGAIN = r"\$ *\n*\Z"
"""A prompt with nothing typed yet, at the end of what a terminal shows."""


class Step(NamedTuple):
    """What is typed into a terminal, if anything, and the lines that it then shows."""

    terminal: str
    command: str | None
    shown: list[str]


def session(text: str) -> Iterator[Step]:
    """Yield the steps of a page."""
    for block in _BLOCK.finditer(text):
        command: str | None = None
        shown: list[str] = []
        for line in block["lines"].splitlines():
            if line.startswith(_PROMPT):
                if command is not None:
                    yield Step(block["terminal"], command, shown)
                command, shown = line.removeprefix(_PROMPT), []
            else:
                shown.append(line)
        yield Step(block["terminal"], command, shown)


class Terminals:
    """Terminals of one tmux server, which has a socket of its own; each is a window with a shell."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._socket = str(folder / "tmux")
        self._seen: dict[str, int] = {}
        """How many characters of each are from before the last step."""

    def tmux(self, *words: str) -> str:
        """Run a command of tmux; return what it prints."""
        command = [str(find_program("tmux")), "-S", self._socket, "-f", os.devnull, *words]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=DEADLINE, check=True
        )
        return done.stdout

    def open(self, name: str) -> None:
        """Open a terminal, and wait for its prompt."""
        begin = ["new-window", "-d"] if self._seen else ["new-session", "-d", "-s", "first", "-x", "180", "-y", "50"]
        shell = f"exec env PS1='{_PROMPT}' bash --norc --noprofile -i"
        self.tmux(*begin, "-n", name, "-c", str(self._folder / "home"), shell)
        self._seen[name] = 0
        self.wait_for(name, re.escape(_PROMPT.strip()))

    def type(self, name: str, text: str) -> None:
        """Type a line into a terminal, which may not have been opened yet."""
        if name not in self._seen:
            self.open(name)
        self._seen[name] = self.screen(name).rstrip().rfind("\n") + 1  # from the prompt on
        self.tmux("send-keys", "-t", f"first:{name}", "-l", text)
        self.tmux("send-keys", "-t", f"first:{name}", "Enter")

    def screen(self, name: str) -> str:
        """Return all that a terminal has shown, with lines that it had to break in one piece."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", f"first:{name}")

    def wait_for(self, name: str, pattern: str) -> None:
        """Wait until a terminal has shown something since the last line was typed."""
        give_up = time.monotonic() + DEADLINE
        while not re.search(pattern, new := self.screen(name)[self._seen[name] :]):
            assert time.monotonic() < give_up, f"in {name}, {pattern!r} is not in:\n{new.rstrip()}"
            time.sleep(0.05)  # until it may have shown more

    def close(self) -> None:
        """End all shells and what runs in them."""
        if self._seen:
            self.tmux("kill-server")


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    """Terminals in a folder with the application of the page, where ``middlewares`` is this project's."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    for block in blocks(PAGE):
        if block.title == "shop.py":
            (tmp_path / "home" / block.title).write_text(block.code)
    command = tmp_path / "bin" / "middlewares"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m middlewares "$@"\n')
    command.chmod(0o755)
    found = Terminals(
        tmp_path,
        {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "BASH_SILENCE_DEPRECATION_WARNING": "1",
        },
    )
    yield found
    found.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.needs("tmux", "curl")
def test_the_first_session_goes_as_the_page_tells_it(terminals: Terminals) -> None:
    """From an empty folder to a changed file that takes effect; Ctrl-C gives the prompt back."""
    port = str(free_port())
    for step in session(PAGE.read_text().replace("8000", port)):
        shown = pattern_of(step.shown)
        if step.command is not None:
            serves = step.command.startswith("middlewares run")
            typed = f"{step.command} --port {port}" if serves else step.command
            terminals.type(step.terminal, typed)
            prompt = "" if serves else _PROMPT_AGAIN
            shown = rf"\$ {re.escape(typed)} *\n{shown}{prompt}"
        terminals.wait_for(step.terminal, shown)
    terminals.tmux("send-keys", "-t", "first:terminal 1", "C-c")
    terminals.wait_for("terminal 1", rf"Finished server process \[\d+\]\n{_PROMPT_AGAIN}")


@pytest.mark.needs("tmux")
def test_without_options_init_asks(terminals: Terminals, tmp_path: Path) -> None:
    """An empty answer takes what is offered: the capital letter, or the value in brackets."""
    answers = {"compress": "n", "cors": "y", "  origins": "", "rate_limit": "y", "  limit": "9/minute"}
    answers |= {"sessions": "", "timeout": "n", "drain": ""}
    terminals.type("terminal 1", "middlewares init")
    for question, answer in answers.items():
        terminals.wait_for("terminal 1", rf"\n{question}[^\n]*\]: *\n*\Z")
        terminals.tmux("send-keys", "-t", "first:terminal 1", answer, "Enter")
    terminals.wait_for("terminal 1", rf"middlewares\.toml: written\. Next: .*\n{_PROMPT_AGAIN}")
    terminals.type("terminal 1", "middlewares check --strict; echo status $?")
    terminals.wait_for("terminal 1", r"right, 3 layers\nstatus 0\n")
    text = (tmp_path / "home" / "middlewares.toml").read_text()
    assert re.findall(r'(?m)^use = "(.*)"$', text) == ["cors", "rate_limit", "drain"]
    assert 'limit = "9/minute"' in text


def test_the_page_tells_a_whole_session() -> None:
    """So that a block that lost its mark does not go untyped."""
    words = [step.command.split()[:2] for step in session(PAGE.read_text()) if step.command is not None]
    assert [" ".join(pair) if pair[0] == "middlewares" else pair[0] for pair in words] == [
        *("middlewares init", "middlewares check", "middlewares explain", "middlewares explain", "middlewares run"),
        *("curl", "echo", "curl"),
    ]
