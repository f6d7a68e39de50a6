"""``python -m benchmarks.http``: the same comparison over loopback, with uvicorn (one worker) and wrk.

Each subject has a server process of its own, idle until it is its turn. Rounds are interleaved, and the best
round of each subject is quoted, since everything else on the machine can only make it slower.
"""

from __future__ import annotations

import argparse
import gzip
import re
import selectors
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from time import monotonic
from typing import TYPE_CHECKING

from .apps import ORIGINS, SIZES
from .arguments import count
from .report import aligned, conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ("Load", "Measured", "load", "main", "parse_wrk", "serve")

SUBJECTS = {"bare": "bare", "ours CORS, GZip": "ours", "starlette CORS, GZip": "starlette"}
"""Labels, and the factories in `benchmarks.apps` that uvicorn serves."""
_OURS, _PEER = "ours CORS, GZip", "starlette CORS, GZip"
_START_WITHIN = 20.0
"""Seconds that a server may take to answer."""
_STOP_WITHIN = 5.0
_MISSING_WRK = "benchmarks.http needs wrk, which is not installed: apt install wrk (Debian), brew install wrk (macOS)"
_HEADERS = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "application/json, text/plain, */*",
    "accept-language": "en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://shop.example/products",
    "cookie": "session=5f0c6d1e8a7b49d2b3c4e5f60718293a4b5c6d7e8f901234; theme=dark",
    "origin": ORIGINS[1],
}
_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


class LoadError(Exception):
    """A server did not start, answered wrongly, or wrk failed; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of wrk."""

    per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Load:
    """How hard and how long wrk is to ask."""

    connections: int
    seconds: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 2 if wrk is missing, 1 if something fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--seconds", type=count, default=2, help="of each run of wrk (default: %(default)s)")
    parser.add_argument("--connections", type=count, default=16, help="kept open (default: %(default)s)")
    parser.add_argument("--rounds", type=count, default=5, help="runs per subject and path (default: %(default)s)")
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        print(_MISSING_WRK, file=sys.stderr)
        return 2
    try:
        _compare(Load(options.connections, options.seconds), options.rounds)
    except LoadError as error:
        print(f"benchmarks.http: {error}", file=sys.stderr)
        return 1
    return 0


def _compare(asked: Load, times: int) -> None:
    print(conditions() + "\n")
    with ExitStack() as running:
        ports = {label: running.enter_context(serve(factory)) for label, factory in SUBJECTS.items()}
        for path, size in SIZES.items():
            for label, port in ports.items():
                _verify(label, port, path)
            best: dict[str, Measured] = {}
            for number in range(times):
                turn = number % len(ports)
                for label in [*ports][turn:] + [*ports][:turn]:
                    measured = load(ports[label], path, asked)
                    best[label] = max(best.get(label, measured), measured, key=lambda m: m.per_second)
            print(f"{path}: about {size:,} bytes of JSON, {asked.connections} connections")
            print("\n".join(aligned(_table(best, ports))) + "\n", flush=True)


@contextmanager
def serve(factory: str) -> Iterator[int]:
    """Serve an application of `benchmarks.apps` with uvicorn in a process of its own; yields its port."""
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.apps:{factory}", "--factory"]
    command += ["--port", "0", "--workers", "1", "--no-access-log", "--lifespan", "off"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield _port(process)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _port(process: subprocess.Popen[bytes]) -> int:
    """Read what uvicorn logs until it names the port it was given."""
    assert process.stderr is not None
    logged = b""
    deadline = monotonic() + _START_WITHIN
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - monotonic())):
            part = process.stderr.read1()  # type: ignore[attr-defined]  # a BufferedReader, typed as IO
            logged += part
            if found := re.search(rb"running on http://[^ ]*:(\d+) ", logged):
                return int(found[1])
            if not part:
                break
    raise LoadError(f"a server did not start; it logged:\n{logged.decode(errors='replace')}")


def _verify(label: str, port: int, path: str) -> None:
    """Ask once, and check that the layers do what they are measured on."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_START_WITHIN)
    try:
        connection.request("GET", path, headers=_HEADERS)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    layered = label != "bare"
    coding = response.headers.get("content-encoding")
    origin = response.headers.get("access-control-allow-origin")
    expected = "gzip" if layered and path == "/json" else None
    right = response.status == 200 and coding == expected and origin == (_HEADERS["origin"] if layered else None)
    if not right or not (gzip.decompress(body) if coding else body).startswith((b"[", b"{")):
        raise LoadError(f"{label} answers {path} wrongly: {response.status}, {response.headers.items()}")


def load(port: int, path: str, asked: Load) -> Measured:
    """Let wrk ask for a path, with one thread."""
    command = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(asked.connections),
        "--duration",
        f"{asked.seconds}s",
    ]
    command += ["--latency", *(f"--header={name}: {value}" for name, value in _HEADERS.items())]
    command.append(f"http://127.0.0.1:{port}{path}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=asked.seconds + 30, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"wrk did not end within {error.timeout:.0f} s") from error
    if done.returncode:
        raise LoadError(f"wrk failed with status {done.returncode}: {done.stderr or done.stdout}")
    return parse_wrk(done.stdout)


def parse_wrk(printed: str) -> Measured:
    """Read what wrk prints. Raises `LoadError` if a request failed, since failures are quick."""
    for bad in ("Socket errors", "Non-2xx"):
        if bad in printed:
            raise LoadError(f"requests failed:\n{printed}")
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    latencies = {
        percent: float(number) * _UNITS[unit]
        for percent, number, unit in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)$", printed, re.MULTILINE)
    }
    if per_second is None or len(latencies) != 2:
        raise LoadError(f"wrk printed something else than expected:\n{printed}")
    return Measured(float(per_second[1]), latencies["50"], latencies["99"])


def _table(best: dict[str, Measured], labels: Iterable[str]) -> list[list[str]]:
    table = [["", "requests/s", "p50 µs", "p99 µs", "overhead µs", "ours/this: requests/s", "ours/this: overhead"]]
    spent = {label: 1e6 / best[label].per_second for label in labels}
    added = {label: spent[label] - spent["bare"] for label in labels}
    for label in labels:
        run = best[label]
        row = [label, f"{run.per_second:,.0f}", f"{run.p50_us:,.0f}", f"{run.p99_us:,.0f}"]
        row.append("-" if label == "bare" else f"{added[label]:.1f}")
        if label == _PEER:
            row.append(f"{best[_OURS].per_second / run.per_second:.2f}")
            row.append(f"{added[_OURS] / added[_PEER]:.2f}" if added[_PEER] > 0 else "-")
        else:
            row += ["-", "-"]
        table.append(row)
    return table


if __name__ == "__main__":
    sys.exit(main())
