"""What a client of a real server sees of a timeout: an answer before the start, and a broken one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.interop.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.servers import RunningServer


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with serve(request.param, "tests.timeout.served:app") as running:
        yield running


def test_before_the_start_it_is_answered(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/silent", timeout=10)
    assert (response.status_code, response.headers["content-type"]) == (504, "application/problem+json")


@pytest.mark.parametrize("path", ["/chunked", "/sized"])
def test_after_the_start_no_client_takes_what_came_for_the_whole(server: RunningServer, path: str) -> None:
    with httpx.stream("GET", f"{server.url}{path}", timeout=10) as response:
        assert response.status_code == 200
        found = b""
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - the beginning is to be read
            for chunk in response.iter_raw():
                found += chunk
    assert found == b"the beginning"


def test_what_is_whole_stays_so(server: RunningServer) -> None:
    assert httpx.get(f"{server.url}/whole", timeout=10).content == b"the beginning"
