"""Open event streams take little memory in every coding, and give it back when they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compression.event_streams import LAYERS

MOST = {"gzip": 60_000, "br": 450_000, "zstd": 200_000}
"""Bytes of memory for one stream."""


def measured(coding: str, streams: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.compression.event_streams", coding, str(streams)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, float] = json.loads(result.stdout)
    return found


def check(coding: str, streams: int) -> None:
    found = measured(coding, streams)
    assert found["alive"] == 0
    assert 0 < found["stream"] <= MOST[coding], found
    assert found["left"] <= (found["bare"] + found["stream"]) / 2, found  # Python keeps some for itself
    assert found["event"] <= found["raw"] / 8, found


pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="run on Linux, where /proc tells the memory"),
    pytest.mark.parametrize("coding", LAYERS),
]


def test_an_open_stream_is_small_and_then_gone(coding: str) -> None:
    check(coding, 200)


@pytest.mark.sweep
def test_a_thousand_open_streams_are_small_and_then_gone(coding: str) -> None:
    check(coding, 1000)
