"""Check the commands that a page shows, as far as they can be without installing or serving anything.

``middlewares`` runs in this process with the server left out, and ``curl`` asks through the driver whatever the page
has started last; both must show what the page shows. Of other programs the words that this project answers for are
checked: verbs of the Makefile, extras, modules, applications.
"""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from contextlib import AsyncExitStack
from importlib.util import find_spec
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import anyio
from click.testing import CliRunner

from middlewares.cli.commands import cli
from middlewares.serve import configured_app, load_app
from middlewares.testing import Response, lifespan, request

__all__ = ("Shell", "pattern_of")

ROOT = Path(__file__).resolve().parents[2]
SHOP = ("examples.shop.app:app", "examples/middlewares.toml")
HOSTS = ("127.0.0.1:8000", "localhost:8000", "127.0.0.1:8001")

_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
_EXTRAS = re.compile(r"(?:\.|middlewares)\[([\w,]+)\]")


def pattern_of(shown: list[str]) -> str:
    """Return a regular expression for lines as a page shows them: ``…`` stands for any lines, spaces for any."""
    lines = (re.escape(" ".join(line.split())).replace(r"\ ", " +") for line in shown)
    return "".join("(?:.*\n)*?" if line == "…" else f" *{line} *\n" for line in lines)


class Shell:
    """What stands behind the prompt of a page."""

    def __init__(self) -> None:
        self.status = 0
        self.serving: Any = None
        """The application that the last command started."""
        self.started: list[str] = []
        """The command that did so."""

    def run(self, words: list[str], shown: list[str]) -> None:
        """Check one command, and the lines that the page shows as its output."""
        if not words:
            return
        assigned = list(takewhile(_ASSIGNMENT.fullmatch, words))
        words = words[len(assigned) :]
        program = words[0].removeprefix(".venv/bin/")
        check = getattr(self, f"_{program.replace('-', '_')}", None)
        assert check is not None, f"no page has used {program!r} so far: add a check of it to {__name__}"
        with patch.dict(os.environ, dict(word.split("=", 1) for word in assigned)):
            check(words[1:], shown)

    def _middlewares(self, words: list[str], shown: list[str]) -> None:
        with patch("uvicorn.run") as serve:
            result = CliRunner().invoke(cli, words, prog_name="middlewares")
        if serve.called:
            self.serving = serve.call_args.args[0]
            self.started = words
            shown = [line for line in shown if not line.startswith("INFO:")]  # the server's own
        self.status = result.exit_code
        if shown:
            assert re.fullmatch(pattern_of(shown), result.output), f"{result.output}\nis not\n{shown}"
        else:
            assert result.exit_code == 0, result.output

    def _echo(self, words: list[str], shown: list[str]) -> None:
        if ">>" in words:
            text, _, file = words
            with Path(file).open("a") as opened:
                opened.write(f"{text}\n")
            assert "--watch" in self.started, "nothing is served that would take note of it"
            return self._middlewares(self.started, [])  # as if it had
        assert words == ["$?"]
        assert shown == [str(self.status)]

    def _curl(self, words: list[str], shown: list[str]) -> None:
        options = _curl_options().parse_args(words)
        assert self.serving is not None, "nothing has been started that curl could ask"
        response = anyio.run(_fetch, self.serving, options)
        if not shown:
            assert response.status in range(200, 400)
        for line in shown:
            _assert_shown(line, response)

    def _make(self, words: list[str], _shown: list[str]) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for target in [word for word in words if "=" not in word]:
            assert re.search(rf"(?m)^{target}:", makefile), f"the Makefile has no {target!r}"
            if target == "run":
                self.serving = configured_app(*SHOP)

    def _pip(self, words: list[str], _shown: list[str]) -> None:
        assert words[0] == "install"
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        for word in words[1:]:
            for extras in _EXTRAS.findall(word):
                assert set(extras.split(",")) <= project["project"]["optional-dependencies"].keys()
        for before, word in pairwise(words):
            assert before != "--group" or word in project["dependency-groups"]
            assert before != "-r" or (ROOT / word).exists()

    def _python(self, words: list[str], _shown: list[str]) -> None:
        if words[0] == "-m":
            assert find_spec(words[1]) is not None, f"there is no module {words[1]!r}"
        else:
            assert Path(words[0]).exists(), f"there is no file {words[0]!r}"

    _python3 = _python

    def _uvicorn(self, words: list[str], _shown: list[str]) -> None:
        [name] = [word for word in words if ":" in word]
        self.serving = load_app(f"{name}()" if "--factory" in words else name)

    def _pytest(self, words: list[str], _shown: list[str]) -> None:
        for word in words:
            assert word.startswith("-") or (ROOT / word).exists() or Path(word).exists(), word

    def _tool(self, words: list[str], _shown: list[str]) -> None:
        """Take the arguments of a tool for what they are."""

    _docker = _cd = _git = _apt_get = _ruff = _mypy = _basedpyright = _mkdocs = _tool


def _curl_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-X", dest="method", default="GET")
    parser.add_argument("--compressed", action="store_true")
    for flag in ("-i", "-s", "-N", "-I"):
        parser.add_argument(flag, action="store_true")
    return parser


async def _fetch(app: Any, options: argparse.Namespace) -> Response:
    url = urlsplit(options.url if "//" in options.url else f"http://{options.url}")
    assert url.netloc in HOSTS, options.url
    headers = [tuple(header.split(": ", 1)) for header in options.headers]
    if options.compressed:
        headers.append(("accept-encoding", "deflate, gzip"))
    async with AsyncExitStack() as stack:
        try:
            state = await stack.enter_async_context(lifespan(app))
        except Exception:  # noqa: BLE001 - an application without a lifespan raises what it likes
            state = {}
        method = "HEAD" if options.I else options.method
        headers.append(("host", url.netloc))
        return await request(app, method, unquote(url.path), query=url.query, headers=headers, state=state)


def _assert_shown(line: str, response: Response) -> None:
    """A line of output that is a status or a header must be that of the response."""
    status = re.match(r"HTTP/1\.1 (\d+)", line)
    field = re.match(r"([\w-]+): (.*)", line)
    if status:
        assert response.status == int(status[1])
    elif field:
        assert field[2] in response.values(field[1]), f"{line!r} is not in {response.headers}"
    else:
        assert line in ("", "…") or line in response.text
