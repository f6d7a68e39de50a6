"""Processes count together, and nothing that was counted is lost or counted twice, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
import pytest
from prometheus_client import CollectorRegistry

from middlewares import Metrics, MetricsEndpoint
from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.metrics import homes
from middlewares.testing import request

from .test_middleware import END, START, samples, sending

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = "http_server_request_duration_seconds_count"
ACTIVE = "http_server_active_requests"

WORKER = textwrap.dedent(
    """
    import asyncio, sys
    from prometheus_client import CollectorRegistry, Counter
    from middlewares import Metrics
    from middlewares.core.exchange import EXCHANGE
    from middlewares.testing import http_scope, request

    registry = CollectorRegistry()
    mine = Counter("mine", "Of the user.", registry=registry)

    async def app(scope, receive, send):
        exchange = scope[EXCHANGE]
        exchange.route = scope["path"]
        exchange.trace_id, exchange.span_id, exchange.is_sampled = "ab" * 16, "cd" * 8, True
        if scope["path"] == "/hang":
            print("counted", flush=True)
            await asyncio.sleep(3600)
        mine.inc()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc"})

    async def main():
        metrics = Metrics(app, registry=registry)
        for number in range(int(sys.argv[1])):
            await request(metrics, path=f"/{number % 7}")
        await request(metrics, path="/hang")

    asyncio.run(main())
    """
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    # Registries go by their number in a process: those of other tests are not in the workers.
    monkeypatch.setattr(homes, "_shelf", WeakKeyDictionary())
    INTERNAL_ERRORS.clear()  # those of other tests would be told by this process, in a file of its own
    return tmp_path


@pytest.fixture
def workers(directory: Path) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for worker in started:
        worker.kill()
        worker.wait()
        if worker.stdout:
            worker.stdout.close()


def start(workers: list[subprocess.Popen[str]], count: int) -> subprocess.Popen[str]:
    """Start a process that counts so many requests; return when it has, and one more is active."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", WORKER, str(count)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    workers.append(worker)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "counted\n"
    return worker


async def read() -> str:
    """Return what a further process tells."""
    registry = CollectorRegistry()
    Metrics(sending(START, END), registry=registry)
    page = await request(MetricsEndpoint(registry=registry), headers={"accept": "application/openmetrics-text"})
    return page.text


def total(page: str, name: str) -> float:
    lines = [line for line in page.splitlines() if line.startswith(name)]
    return sum(float(line.partition(" # ")[0].rpartition(" ")[2]) for line in lines)


async def test_totals_are_exact_after_processes_were_killed(
    workers: list[subprocess.Popen[str]], directory: Path
) -> None:
    first = await anyio.to_thread.run_sync(start, workers, 300)
    second = await anyio.to_thread.run_sync(start, workers, 500)
    page = await read()
    assert (total(page, COUNT), total(page, ACTIVE), total(page, "mine_total")) == (800, 2, 800)
    assert 'trace_id="abababababababababababababababab"' in page
    first.send_signal(signal.SIGKILL)
    first.wait()
    for _ in range(2):
        page = await read()
        assert (total(page, COUNT), total(page, ACTIVE), total(page, "mine_total")) == (800, 1, 800)
    second.kill()
    second.wait()
    third = await anyio.to_thread.run_sync(start, workers, 10)
    page = await read()
    assert (total(page, COUNT), total(page, ACTIVE)) == (810, 1)
    third.kill()
    third.wait()
    assert total(await read(), COUNT) == 810
    ours = f"middlewares_{os.getpid()}_"  # a file of its own, if other tests made watchers fail
    left = [name for name in os.listdir(directory) if name.endswith(".metrics") and not name.startswith(ours)]  # noqa: PTH208 - here it may wait
    assert left == ["middlewares_merged.metrics"], "files of the dead pile up"


async def test_what_was_counted_with_other_buckets_is_left_alone(
    workers: list[subprocess.Popen[str]], directory: Path
) -> None:
    """Also where there are as many of them: no count may move to another bound."""
    await anyio.to_thread.run_sync(start, workers, 10)
    registry = CollectorRegistry()
    app = Metrics(sending(START, END), registry=registry, buckets=range(1, 15))
    await request(app)
    assert sum(samples(registry, COUNT).values()) == 1
    assert total(await read(), COUNT) == 10


def test_a_hundred_restarts_leave_one_file(directory: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(
        """
        import os
        from middlewares.metrics.ledger import ledger_of
        for _ in range(100):
            pid = os.fork()
            if not pid:
                ledger = ledger_of(sys.argv[2])
                cells = ledger.new("home", "http", ("GET", None, 200), 3)
                for _ in range(5):
                    cells[1] += 2
                os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
            ledger_of(sys.argv[2]).read("home")
        [(kind, key, cells)] = ledger_of(sys.argv[2]).read("home")
        assert (kind, key, list(cells)) == ("http", ("GET", None, 200), [0, 1000, 0]), (kind, key, cells)
        """
    )
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", script, root, str(directory)], check=True)
    assert len([*directory.glob("*.metrics")]) == 1


def test_a_forked_process_counts_in_a_file_of_its_own(directory: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(
        """
        import asyncio, os
        from pathlib import Path
        from prometheus_client import CollectorRegistry
        from middlewares import Metrics
        from middlewares.testing import request

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"abc"})

        metrics = Metrics(app, registry=CollectorRegistry())
        asyncio.run(request(metrics))
        directory = Path(sys.argv[2])
        [parents] = directory.glob("middlewares_*_*.metrics")
        before = parents.read_bytes()
        pid = os.fork()
        if not pid:
            asyncio.run(request(metrics))
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
        assert parents.read_bytes() == before
        assert len([*directory.glob("middlewares_*_*.metrics")]) == 2
        """
    )
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", script, root, str(directory)], check=True)


def test_a_merge_that_was_cut_short_counts_nothing_twice(directory: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(
        """
        import os
        from pathlib import Path
        from middlewares.metrics.ledger import ledger_of
        directory = Path(sys.argv[2])
        pid = os.fork()
        if not pid:
            ledger_of(sys.argv[2]).new("home", "http", ("GET",), 1)[0] += 7
            os._exit(0)
        os.waitpid(pid, 0)
        [left] = directory.glob("middlewares_*_*.metrics")
        kept = left.read_bytes()
        assert [list(cells) for *_, cells in ledger_of(sys.argv[2]).read("home")] == [[7]]
        left.write_bytes(kept)  # as if the process that merged had died before it removed the file
        assert [list(cells) for *_, cells in ledger_of(sys.argv[2]).read("home")] == [[7]]
        assert [list(cells) for *_, cells in ledger_of(sys.argv[2]).read("home")] == [[7]]
        """
    )
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", script, root, str(directory)], check=True)


async def test_threads_count_together(registry: CollectorRegistry) -> None:
    app = Metrics(sending(START, END), registry=registry)

    def call_many() -> None:
        anyio.run(_request_often, app)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, call_many)
    assert sum(samples(registry, COUNT).values()) == 200


async def _request_often(app: Metrics) -> None:
    for _ in range(50):
        await request(app)
