"""A real browser does what policies mean: thousands of them, and answers that are made outside of them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cors.local import HOSTS, Broken, hosts_of, local_case
from tests.interop.crossing import ANSWERERS
from tests.interop.test_browser import OPTIONS as VISITING
from tests.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.servers import RunningServer

# httptools knows no methods in lower case, of which browsers send some.
SERVER = ("uvicorn", "tests.interop.crossing:app", "--http", "h11")

pytestmark = [
    pytest.mark.needs("chromium"),
    pytest.mark.parametrize("server", [SERVER], indirect=True, ids=["uvicorn"]),
]

OPTIONS = [option for option in VISITING if not option.startswith(("--virtual-time", "--dump"))]
WITHIN = 60.0  # seconds; generous, for a machine that is busy with other tests

SEED = 20_260_501
FEW, BATCH, BATCHES = 250, 500, 5


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    """Have a page open. It does not end by virtual time, as a visit does: frames of other sites have their own."""
    command = [find_program("chromium") or "", *OPTIONS, f"--user-data-dir={profile}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def judged(server: RunningServer, profile: Path, start: int, stop: int) -> dict[str, Any]:
    """Let the browser make the calls of some cases, and hold its verdicts against what is declared."""
    query = f"seed={SEED}&start={start}&stop={stop}"
    with browsing(f"http://run.localhost:{server.port}/page?{query}", profile):
        told = httpx.get(f"{server.url}/verdicts?{query}", timeout=WITHIN, trust_env=False)
    verdicts, reached = told.json()
    wrong = []
    for number in range(start, stop):
        case = local_case(SEED, number, server.port)
        read = verdicts[hosts_of(case)][str(number)]
        meant = case.is_readable()
        names = set() if isinstance(case.app, Broken) else case.visible()
        wanted = [500 if isinstance(case.app, Broken) else case.app.status, sorted(names)] if meant else None
        found = read and [read[0], sorted(read[1])]
        if found != wanted or reached[str(number)] != [case.page.method] * case.is_permitted():
            wrong.append((number, found, wanted, reached[str(number)], case))
    assert not wrong, f"{len(wrong)} of {stop - start} cases: {wrong[:3]}"
    return verdicts  # type: ignore[no-any-return]  # by origin and name


def test_verdicts_are_as_declared(server: RunningServer, tmp_path: Path) -> None:
    verdicts = judged(server, tmp_path, 0, FEW)
    # Not one sided: much is read, and much is withheld.
    read = [verdicts[host][name] for host in verdicts for name in verdicts[host] if name.isdigit()]
    assert len(read) == FEW
    assert FEW / 10 < read.count(None) < FEW * 9 / 10
    for host in HOSTS:
        # What stands outside of CORS answers, and the page that is allowed reads it.
        found = {name: verdicts[host][name] for name in ANSWERERS}
        if host == "app":
            assert {name: read and read[0] for name, read in found.items()} == {
                name: status for name, (*_, status) in ANSWERERS.items()
            }
            assert found["status 429"][1] == found["status 429, asked first"][1] == ["ratelimit-policy"]
        else:
            assert {name for name, read in found.items() if read} <= {"redirect"}, f"{host} reads {found}"
        # Attack 37: nobody else opens a socket.
        assert verdicts[host]["socket"] == ("secret" if host == "app" else None)
    assert verdicts["null"]["socket"] is None


@pytest.mark.sweep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_thousands_of_verdicts_are_as_declared(server: RunningServer, tmp_path: Path, batch: int) -> None:
    start = FEW + batch * BATCH
    judged(server, tmp_path, start, start + BATCH)
