"""The comparison over loopback reads wrk rightly, and says what is missing."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import http

PRINTED = """\
Running 1s test @ http://127.0.0.1:34567/small
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   612.09us  213.07us   4.79ms   92.49%
    Req/Sec    26.20k     1.45k   28.10k    70.00%
  Latency Distribution
     50%  598.00us
     75%  645.00us
     90%  720.00us
     99%    1.40ms
  26070 requests in 1.00s, 9.42MB read
Requests/sec:  26012.34
Transfer/sec:      9.40MB
"""


def test_what_wrk_prints_is_read() -> None:
    assert http.parse_wrk(PRINTED) == http.Measured(26012.34, 598.0, 1400.0)


@pytest.mark.parametrize(
    "printed",
    [
        "",
        PRINTED.replace("99%", "98%"),
        PRINTED + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        PRINTED + "  Non-2xx or 3xx responses: 26070\n",
    ],
)
def test_failed_requests_are_no_result(printed: str) -> None:
    with pytest.raises(http.LoadError):
        http.parse_wrk(printed)


def test_missing_wrk_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert http.main([]) == 2
    assert "apt install wrk" in capsys.readouterr().err


def test_server_that_cannot_start_is_reported_with_its_log() -> None:
    with pytest.raises(http.LoadError, match="no_such_factory"), http.serve("no_such_factory"):
        pass


@pytest.mark.needs("wrk")
def test_comparison_over_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    status = http.main(["--seconds", "1", "--rounds", "1", "--connections", "2"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    for path in ("/small", "/json"):
        assert f"{path}: about" in printed.out
    assert printed.out.count("starlette CORS, GZip") == 2
