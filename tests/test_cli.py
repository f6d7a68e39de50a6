"""The command line, started as a user starts it: what cannot be done is told in words, and what can is served."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from middlewares import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 30.0
"""Seconds that a server may take to answer, or to end."""

SHOP = """
    import json, os

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        facts = {"pid": os.getpid(), "client": scope["client"][0], "scheme": scope["scheme"], "filler": "x" * 5000}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(facts).encode()})

    def create_app():
        return app
"""

GOOD = '[[middleware]]\nuse = "gzip"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Make a folder with an application and a configuration file, to start the command in."""
    (tmp_path / "shop.py").write_text(dedent(SHOP))
    (tmp_path / "broken.py").write_text("import missing_dependency")
    (tmp_path / "middlewares.toml").write_text(GOOD)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIDDLEWARES_", "UVICORN_"))}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def run(folder: Path, *arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; ``code`` is Python to run in its place."""
    program = ("-c", code) if code else ("-m", "middlewares")
    command = [sys.executable, *program, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE, check=False
    )


REFUSED = {
    "file missing": (["shop:app", "--config", "no.toml"], None, "no.toml: there is no such file"),
    "not TOML": (["shop:app"], "a = ", "middlewares.toml:1:5: is not TOML: Invalid value"),
    "unknown middleware": (
        ["shop:app"],
        '[[middleware]]\nuse = "gzpi"',
        "middlewares.toml:2:7: middleware[1]: unknown middleware 'gzpi'; did you mean 'gzip'?",
    ),
    "unknown option": (
        ["shop:app"],
        GOOD + "minimum_siz = 1",
        "middlewares.toml:3:1: middleware[1] (gzip): unknown option 'minimum_siz'; did you mean 'minimum_size'?",
    ),
    "wrong type": (
        ["shop:app"],
        GOOD + 'minimum_size = "1"',
        "middlewares.toml:3:16: middleware[1] (gzip): minimum_size must be an integer; got '1'",
    ),
    "middleware that fails to import": (
        ["shop:app"],
        '[[middleware]]\nuse = "broken:Layer"',
        (
            "middlewares.toml:2:7: middleware[1]: importing 'broken' failed: ModuleNotFoundError: "
            "No module named 'missing_dependency' ({folder}/broken.py, line 1)"
        ),
    ),
    "application that fails to import": (
        ["broken:app"],
        None,
        (
            "application 'broken:app': importing 'broken' failed: ModuleNotFoundError: "
            "No module named 'missing_dependency' ({folder}/broken.py, line 1)"
        ),
    ),
    "no such module": (["shopp:app"], None, "application 'shopp:app': there is no module 'shopp'"),
    "no such application": (
        ["shop:ap"],
        None,
        "application 'shop:ap': module 'shop' has no attribute 'ap'; did you mean 'app'?",
    ),
    "malformed": (["shop"], None, "application 'shop': 'shop' is not of the form 'package.module:attribute'"),
    "factory": (
        ["shop:create_app"],
        None,
        ("application 'shop:create_app': takes no arguments; if it returns the application, write 'shop:create_app()'"),
    ),
    "several workers": (["shopp:app", "--workers", "2"], None, "application 'shopp:app': there is no module 'shopp'"),
    "reload": (["shopp:app", "--reload"], None, "application 'shopp:app': there is no module 'shopp'"),
}


@pytest.mark.parametrize(("arguments", "config", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_served_is_told_in_one_message(
    arguments: list[str], config: str | None, message: str, folder: Path
) -> None:
    if config is not None:
        (folder / "middlewares.toml").write_text(config)
    ended = run(folder, "run", *arguments)
    assert (ended.stderr, ended.stdout) == (message.format(folder=folder) + "\n", "")
    assert ended.returncode == 2


def test_a_deleted_directory_is_no_reason_to_fail(folder: Path) -> None:
    """A service may have been started in one; its modules and files are found by their full paths."""
    gone = folder / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from middlewares.cli import main; main()"
    ended = run(gone, "run", "shopp:app", code=code)
    assert ended.stderr.splitlines() == [
        "no configuration file is named, and there is no middlewares.toml in the current directory",
        "application 'shopp:app': there is no module 'shopp'",
    ]
    assert ended.returncode == 2


def test_without_a_file_it_is_told(folder: Path) -> None:
    (folder / "middlewares.toml").unlink()
    ended = run(folder, "run", "shop:app")
    assert ended.stderr == f"no configuration file is named, and there is no middlewares.toml in {folder}\n"
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "65536 is not in the range 0<=x<=65535"),
        (["--port", "-1"], "-1 is not in the range"),
        (["--port", "http"], "'http' is not a valid integer"),
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["--reload", "--workers", "2"], "--reload serves with one process: leave out --workers"),
        (["--reload", "--watch"], "--reload starts anew when the file changes: leave out --watch"),
        (["--prot", "1"], "--port"),
    ],
)
def test_options_out_of_range_are_refused(arguments: list[str], words: str, folder: Path) -> None:
    ended = run(folder, "run", "shop:app", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_version_is_told(folder: Path) -> None:
    ended = run(folder, "--version")
    assert (ended.stdout, ended.returncode) == (f"middlewares {__version__}\n", 0)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("click", "the command line needs an optional dependency: pip install 'middlewares[cli]'\n"),
        ("uvicorn", "middlewares run needs an optional dependency: pip install 'middlewares[cli]'\n"),
    ],
)
def test_what_is_not_installed_is_named(missing: str, message: str, folder: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from middlewares.cli import main; main()"
    ended = run(folder, "run", "shop:app", code=code)
    assert (ended.stderr, ended.returncode) == (message, 2)


def test_a_port_in_use_is_told(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run(folder, "run", "shop:app", "--port", str(taken.getsockname()[1]))
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


class Served:
    """A server that was started as a user starts it, its log read from a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder.parent / f"{folder.name}.log"  # outside what --reload watches
        command = [sys.executable, "-m", "middlewares", "run", "--port", "0", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(), stderr=log, stdout=log, start_new_session=True
            )
        self.url = ""

    def start(self) -> None:
        self.url = self.wait_for(r"Uvicorn running on (http://\S+)")[0]
        self.wait_for("Application startup complete")

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Return what the log shows, once it shows ``pattern`` so many times."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            found: list[str] = re.findall(pattern, self.log.read_text())
            if len(found) >= times:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} not {times} times in:\n{self.log.read_text()}")

    def get(self, **headers: str) -> httpx.Response:
        return httpx.get(self.url, headers={"accept-encoding": "gzip"} | headers, timeout=DEADLINE)

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    server = Served(folder, *arguments)
    try:
        server.start()
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(DEADLINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("workers", "app"), [(1, "shop:app"), (2, "shop:create_app()")])
def test_an_application_is_served_inside_its_middlewares(
    workers: int, app: str, number: signal.Signals, folder: Path
) -> None:
    with served(folder, app, "--workers", str(workers)) as server:
        server.wait_for("Application startup complete", workers)
        answer = server.get()
        assert answer.headers["content-encoding"] == "gzip"
        assert (answer.json()["pid"] == server.process.pid) == (workers == 1)
        assert server.stop(number) in (0, -number)
    assert "Traceback" not in server.log.read_text()


def test_forwarded_headers_are_left_to_the_middlewares(folder: Path) -> None:
    with served(folder, "shop:app", "--config", "middlewares.toml") as server:
        facts: dict[str, Any] = server.get(**{"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}).json()
        assert (facts["client"], facts["scheme"]) == ("127.0.0.1", "http")


def test_a_changed_file_takes_effect_with_reload(folder: Path) -> None:
    with served(folder, "shop:app", "--reload") as server:
        assert server.get().headers["content-encoding"] == "gzip"
        end = time.monotonic() + DEADLINE
        while "detected changes" not in server.log.read_text() and time.monotonic() < end:
            # Again and again, since the watcher may begin to watch only after the first answer.
            (folder / "middlewares.toml").write_text("middleware = []")
            time.sleep(0.2)
        server.wait_for("Application startup complete", 2)
        assert "content-encoding" not in server.get().headers
        assert server.stop(signal.SIGINT) in (0, -signal.SIGINT)


class Watched:
    """A server whose file is changed while it serves."""

    anew = "The configuration was loaded anew\\."
    kept = "The configuration was not loaded anew, and the one from before stays:"

    def __init__(self, server: Served, folder: Path, workers: int) -> None:
        self.server = server
        self.file = folder / "middlewares.toml"
        self.workers = workers
        self.changes = 0

    def change(self, text: str) -> None:
        """Write a right file, by renaming it into its place, and wait until all workers have it."""
        (self.file.parent / "new").write_text(text)
        (self.file.parent / "new").rename(self.file)
        self.changes += self.workers
        self.server.wait_for(self.anew, self.changes)

    def codings(self) -> dict[int, str | None]:
        """Return what each worker answers in, by its process; each connection may reach another."""
        found: dict[int, str | None] = {}
        end = time.monotonic() + DEADLINE
        while len(found) < self.workers and time.monotonic() < end:
            answer = self.server.get(connection="close")
            found[answer.json()["pid"]] = answer.headers.get("content-encoding")
        return found


@pytest.mark.parametrize("workers", [1, 2])
def test_with_watch_a_changed_file_takes_effect_in_each_process_that_serves(workers: int, folder: Path) -> None:
    """No process is started anew; a file with mistakes changes nothing, and each process says so once."""
    with served(folder, "shop:app", "--watch", "--workers", str(workers)) as server:
        server.wait_for("Application startup complete", workers)
        watched = Watched(server, folder, workers)
        first = watched.codings()
        assert [*first.values()] == ["gzip"] * workers

        watched.file.write_text('[[middleware]]\nuse = "gzpi"\n')
        server.wait_for(watched.kept, workers)
        assert watched.codings() == first

        watched.change("middleware = []\n")
        assert watched.codings() == dict.fromkeys(first)
        assert len(server.wait_for("unknown middleware 'gzpi'; did you mean 'gzip'", workers)) == workers
        assert server.stop(signal.SIGINT) in (0, -signal.SIGINT)
    assert "Traceback" not in server.log.read_text()


def test_a_signal_has_the_file_read_anew(folder: Path) -> None:
    with served(folder, "shop:app") as server:
        (folder / "middlewares.toml").write_text("middleware = []\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(Watched.anew)
        assert "content-encoding" not in server.get().headers


def test_the_first_process_of_several_starts_workers_anew_at_that_signal(folder: Path) -> None:
    """So does uvicorn: the new workers read the file as it is then."""
    with served(folder, "shop:app", "--workers", "2") as server:
        server.wait_for("Application startup complete", 2)
        watched = Watched(server, folder, 2)
        first = watched.codings()
        watched.file.write_text("middleware = []\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("Application startup complete", 4)
        end = time.monotonic() + DEADLINE
        while first.keys() & (second := watched.codings()).keys():  # on a busy machine others may have begun
            assert time.monotonic() < end, server.log.read_text()
        assert [*second.values()] == [None, None]
