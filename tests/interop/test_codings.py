"""Real clients decode every coding: curl, httpx, and a browser."""

from __future__ import annotations

import gzip
import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # it has no annotations
import httpx
import pytest
from backports import zstd

from tests.interop.codings import LAYERS, SHAPES, TEXT
from tests.interop.test_browser import visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.servers import RunningServer

pytestmark = pytest.mark.parametrize(
    "server", [("uvicorn", "tests.interop.codings:app")], indirect=True, ids=["uvicorn"]
)

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
}
BEGINNINGS = {"gzip": "1f8b08", "zstd": "28b52ffd", "padded-gzip": "1f8b0810", "padded-zstd": "502a4d18"}
"""What tells a coding, and that padding stands in front (RFC 1952, 2.3.1; RFC 8878, 3.1). Brotli has no such mark."""

codings = pytest.mark.parametrize("coding", CODINGS)
layers = pytest.mark.parametrize("layer", LAYERS)
shapes = pytest.mark.parametrize("shape", SHAPES)


def coding_of(layer: str) -> str:
    """Return the coding that a layer sends to who takes all."""
    return "zstd" if layer == "any" else layer.removeprefix("padded-")


# -- curl


def curl(*arguments: str) -> bytes:
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def of_curl() -> set[str]:
    """The codings that this curl was built with; not every one knows Brotli and Zstandard."""
    output = curl("--version").decode()
    features = next(line for line in output.splitlines() if line.startswith("Features:")).split()
    known = {"libz": "gzip", "brotli": "br", "zstd": "zstd"}
    return {coding for feature, coding in known.items() if feature in features}


@pytest.mark.needs("curl")
@layers
@shapes
def test_curl_decodes_what_it_asks_for(
    server: RunningServer, of_curl: set[str], layer: str, shape: str, tmp_path: Path
) -> None:
    """``curl --compressed`` asks for what it was built with; for another coding it gets the text as it is."""
    file = tmp_path / "body"
    arguments = ["--compressed", "--output", str(file), "--write-out", "%header{content-encoding}"]
    coding = curl(*arguments, f"{server.url}/{layer}/{shape}").decode()
    assert file.read_bytes() == TEXT.encode()
    best = [each for each in ("zstd", "br", "gzip") if each in of_curl]
    wanted = best[:1] if layer == "any" else [each for each in best if each == coding_of(layer)]
    assert coding == (wanted[0] if wanted else "")


@pytest.mark.needs("curl")
@codings
@shapes
def test_curl_gets_few_bytes(server: RunningServer, coding: str, shape: str) -> None:
    """Whatever it was built with: it can be told to ask for a coding and to leave the body as it comes."""
    raw = curl("--header", f"accept-encoding: {coding}", f"{server.url}/any/{shape}")
    assert len(raw) < len(TEXT) / 3
    assert CODINGS[coding](raw) == TEXT.encode()


# -- httpx


@layers
@shapes
def test_httpx_decodes_what_it_asks_for(server: RunningServer, layer: str, shape: str) -> None:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        # Which codings it knows depends on what is installed beside it.
        assert set(client.headers["accept-encoding"].split(", ")) >= {"gzip", "br", "zstd"}
        response = client.get(f"/{layer}/{shape}")
        assert response.headers["content-encoding"] == coding_of(layer)
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.text == TEXT
        assert response.num_bytes_downloaded < len(TEXT) / 3


@layers
@shapes
def test_httpx_gets_the_fields_of_get_for_head(server: RunningServer, layer: str, shape: str) -> None:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        get, head = client.get(f"/{layer}/{shape}"), client.head(f"/{layer}/{shape}")
        assert head.content == b""
        for name in ("content-type", "content-encoding", "vary"):
            assert head.headers[name] == get.headers[name]


# -- a browser


@pytest.mark.needs("chromium")
def test_a_browser_decodes_every_coding(server: RunningServer, tmp_path: Path) -> None:
    """Padding too: a gzip comment, a Brotli metadata block, and a skippable frame before that of Zstandard."""
    written = visit(f"http://localhost:{server.port}/page", tmp_path)
    for layer in LAYERS:
        for shape in SHAPES:
            path, coding = f"/{layer}/{shape}", coding_of(layer)
            status, said, text = written["verdicts"][path]
            assert (status, said) == (200, coding), path
            assert sha256(text.encode()).digest() == sha256(TEXT.encode()).digest(), path
            wire = written["wire"][path]
            assert wire["coding"] == coding
            assert {"gzip", "br", "zstd"} <= set(wire["accept"].split(", "))
            assert wire["bytes"] < len(TEXT) / 3
            assert wire["begins"].startswith(BEGINNINGS.get(coding if layer == "any" else layer, ""))
