"""A real server whose log nobody reads answers as ever, and ends when it is told to."""

from __future__ import annotations

import http.client
import time

from tests.interop.servers import serve


def test_a_full_pipe_delays_neither_answers_nor_the_end() -> None:
    with serve("uvicorn", "tests.access_log.piped_app:app") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        slowest = lost = 0.0
        for _ in range(1_000):
            began = time.monotonic()
            connection.request("GET", "/" + "x" * 500)
            lost = int(connection.getresponse().read())
            slowest = max(slowest, time.monotonic() - began)
        connection.close()
        assert lost > 100, "the pipe was not full"
        assert slowest < 2
        server.stop()  # it fails if that takes long
