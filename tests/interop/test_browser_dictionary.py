"""A real browser keeps a response as a dictionary, and decodes the next version with it."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.compression.versions import available
from tests.interop.dictionaries import VERSIONS
from tests.interop.test_browser import visit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.servers import RunningServer

pytestmark = pytest.mark.needs("chromium")

MAGIC = {"dcz": "5e2a4d1820000000", "dcb": "ff444342"}


@pytest.mark.parametrize(
    ("server", "coding"),
    [(("uvicorn", f"tests.interop.dictionaries:{coding}"), coding) for coding in MAGIC],
    indirect=["server"],
    ids=MAGIC,
)
def test_the_second_version_is_decoded_with_the_first(server: RunningServer, coding: str, tmp_path: Path) -> None:
    """``http://localhost`` is a secure context, so neither a certificate nor a flag is needed."""
    written = visit(f"http://localhost:{server.port}/page", tmp_path)
    old, new = VERSIONS["1"], VERSIONS["2"]
    assert written["verdicts"] == {
        "1": {"status": 200, "length": len(old), "hash": sha256(old).hexdigest()},
        "2": {"status": 200, "length": len(new), "hash": sha256(new).hexdigest()},
    }
    first, second = written["wire"]["/products/1"], written["wire"]["/products/2"]
    assert first["available"] is None
    assert first["coding"] == "zstd"
    assert first["bytes"] < len(old) / 3
    assert second["available"] == available(old).decode()
    assert coding in second["accept"]
    assert second["coding"] == coding
    assert second["begins"].startswith(MAGIC[coding] + sha256(old).hexdigest())
    assert second["bytes"] * 4 < len(zlib.compress(new, 6))
    assert first["vary"] == second["vary"] == "Accept-Encoding, Available-Dictionary"
