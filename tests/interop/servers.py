"""Start a real server for an application: a process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("ROOT", "SERVERS", "RunningServer", "ServerNotStarted", "serve")

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the project."""

HOST = "127.0.0.1"

_START_WITHIN = 30.0  # seconds; generous, for a machine that is busy with other tests
_STOP_WITHIN = 10.0
_PRINT_WITHIN = 10.0
_BETWEEN_ATTEMPTS = 0.02

SERVERS: dict[str, Callable[[str, int], list[str]]] = {
    "uvicorn": lambda app, port: ["uvicorn", "--host", HOST, "--port", f"{port}", "--no-access-log", app],
    "hypercorn": lambda app, port: ["hypercorn", "--bind", f"{HOST}:{port}", app],
    "daphne": lambda app, port: ["daphne", "--bind", HOST, "--port", f"{port}", app],
    "granian": lambda app, port: ["granian", "--interface", "asgi", "--host", HOST, "--port", f"{port}", app],
}
"""The module to run and its arguments, for an application ``"module:name"`` and a port."""


class ServerNotStarted(Exception):
    """A server ended, or did not accept connections in time; the message holds what it printed."""


@dataclass(frozen=True)
class RunningServer:
    """A server that accepts connections."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    _log: IO[bytes]

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def output(self) -> str:
        """Return all that the server has printed so far."""
        self._log.flush()
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def printed(self, text: str, *, times: int = 1, since: int = 0) -> str:
        """Wait until the server has printed a text so often; return what it has printed ``since`` that position."""
        give_up = time.monotonic() + _PRINT_WITHIN
        while (output := self.output()[since:]).count(text) < times:
            assert time.monotonic() < give_up, f"{text!r} is not there {times} times:\n{output}"
            time.sleep(_BETWEEN_ATTEMPTS)
        return output

    def stop(self) -> str:
        """Let the server end what it does, and stop it; return all that it has printed."""
        self.process.terminate()
        self.process.wait(_STOP_WITHIN)
        return self.output()


@contextmanager
def serve(name: str, app: str, *options: str) -> Iterator[RunningServer]:
    """Run the server called ``name`` for ``app`` (``"module:name"``, seen from the root of the project).

    ``options`` are further arguments of the server. At the end of the block the server is stopped.
    """
    port = _free_port()
    command = [sys.executable, "-m", *SERVERS[name](app, port), *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # so that its worker processes can be stopped with it
        )
        try:
            server = RunningServer(name, port, process, log)
            _wait_until_it_accepts(server)
            yield server
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_it_accepts(server: RunningServer) -> None:
    give_up = time.monotonic() + _START_WITHIN
    while server.process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection((HOST, server.port), timeout=1).close()
            return
        except OSError:
            time.sleep(_BETWEEN_ATTEMPTS)
    status = server.process.poll()
    happened = f"did not accept within {_START_WITHIN:g} s" if status is None else f"ended with status {status}"
    raise ServerNotStarted(f"{server.name} {happened}. It printed:\n{server.output()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
