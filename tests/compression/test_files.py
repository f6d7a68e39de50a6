"""Files that the server is to send by their path are encoded slice by slice, or replaced by an encoded sibling."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from middlewares.compression import files
from middlewares.testing import Driver, http_scope, request
from tests.compression.answers import ETAG, TEXT, answering, body, start
from tests.compression.coders import CODERS, Coder

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares.asgi import ASGIApp, Message

DATA = TEXT * 500
"""Several slices."""
SUFFIXES = {"gzip": ".gz", "br": ".br", "zstd": ".zst"}
each_coding = pytest.mark.parametrize("coder", CODERS, ids=str)


def sending(path: Path | str, size: int = len(DATA), content_type: str = "text/html") -> ASGIApp:
    return answering(
        start({"content-length": str(size), "etag": ETAG}, content_type=content_type),
        {"type": "http.response.pathsend", "path": str(path)},
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_bytes(DATA)
    return path


def beside(page: Path, coder: Coder, data: bytes = b"encoded") -> Path:
    path = page.with_name(page.name + SUFFIXES[coder.coding])
    path.write_bytes(data)
    return path


@each_coding
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_is_encoded_slice_by_slice(coder: Coder, page: Path, method: str) -> None:
    response = await request(coder.make(sending(page)), method, headers=coder.accepts)
    assert response.header("content-encoding") == coder.coding
    assert response.header("content-length") is None
    assert response.header("etag") == f"W/{ETAG}"
    assert (coder.read(response) == DATA) if method == "GET" else (response.body == b"")
    assert {message["type"] for message in response.messages[1:]} == {"http.response.body"}
    assert response.messages[-1]["more_body"] is False


@each_coding
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/html"])
async def test_a_file_is_encoded_also_after_its_start_has_left(coder: Coder, page: Path, content_type: str) -> None:
    push: Message = {"type": "http.response.push", "path": "/style.css", "headers": []}
    app = answering(start(content_type=content_type), push, {"type": "http.response.pathsend", "path": str(page)})
    response = await request(coder.make(app), headers=coder.accepts)
    assert coder.read(response) == DATA


@each_coding
@pytest.mark.parametrize("layer", [{"files": False}, {"minimum_size": len(DATA) + 1}, {"exclude_types": ["text/html"]}])
async def test_a_file_that_is_not_to_be_compressed_is_left_to_the_server(
    coder: Coder, page: Path, layer: dict[str, object]
) -> None:
    response = await request(coder.make(sending(page), **layer), headers=coder.accepts)
    assert response.messages[1] == {"type": "http.response.pathsend", "path": str(page)}
    assert response.values("content-length") == [str(len(DATA))]
    assert response.header("content-encoding") is None


@each_coding
@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "short"])
async def test_what_is_no_regular_file_of_some_size_is_left_to_the_server(
    coder: Coder, tmp_path: Path, kind: str
) -> None:
    """A named pipe must not make a thread wait for its other end."""
    path = tmp_path / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "short":
        path.write_bytes(b"short")
    response = await request(coder.make(sending(path)), headers=coder.accepts)
    assert [message["type"] for message in response.messages] == ["http.response.start", "http.response.pathsend"]
    assert response.header("content-encoding") is None


@each_coding
async def test_a_file_that_is_missing_after_its_start_has_left_is_an_error(coder: Coder, tmp_path: Path) -> None:
    app = answering(
        start(content_type="text/event-stream"), {"type": "http.response.pathsend", "path": str(tmp_path / "none")}
    )
    response = await request(coder.make(app), headers=coder.accepts, raise_exceptions=False)
    assert isinstance(response.exception, FileNotFoundError)
    assert response.body == b""


@each_coding
@pytest.mark.parametrize("ending", ["cancel", "fail"])
async def test_a_file_is_closed_when_its_client_goes(
    coder: Coder, page: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read for nobody."""
    opened: list[files.OpenFile] = []
    open_file = files.open_file

    def recorded(path: str) -> files.OpenFile | None:
        file = open_file(path)
        assert file is not None
        opened.append(file)
        return file

    monkeypatch.setattr("middlewares.compression.encoding.open_file", recorded)
    monkeypatch.setattr(files, "_SLICE", 1)
    app = coder.make(sending(page), breach="off")
    async with Driver(app, http_scope(headers=coder.accepts), hold_sends=True, fail_sends=True) as call:
        await call.receive("http.response.start")
        if ending == "cancel":
            await call.cancel()
        else:
            with anyio.fail_after(5):
                while not call.sent[1:]:
                    await anyio.lowlevel.checkpoint()
                    monkeypatch.setattr(files, "_SLICE", 10_000_000)
            call.disconnect()
            with pytest.raises(OSError, match="disconnected"):
                await call.finish()
    (file,) = opened
    assert file.read() == b""
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(file._descriptor)


@each_coding
@pytest.mark.parametrize("change", ["shrinks", "grows"])
async def test_a_file_that_changes_while_it_is_sent(
    coder: Coder, page: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was cut short must not look whole; and a log that never ends has one as of now."""
    monkeypatch.setattr(files, "_SLICE", 1000)
    read = files.OpenFile.read

    def read_and_change(file: files.OpenFile) -> bytes:
        data = read(file)
        if change == "shrinks":
            os.truncate(page, 2000)
        elif data:
            with page.open("ab") as log:
                log.write(b"and more " * 1000)
        return data

    monkeypatch.setattr(files.OpenFile, "read", read_and_change)
    response = await request(coder.make(sending(page)), headers=coder.accepts, raise_exceptions=False)
    if change == "grows":
        assert coder.read(response) == DATA
    else:
        assert isinstance(response.exception, EOFError)
        assert all(message["more_body"] for message in response.messages[1:])


@each_coding
async def test_what_comes_after_the_end_is_left_to_the_server(coder: Coder, page: Path) -> None:
    """A second file must not enter an encoder that another response may use already."""
    file: Message = {"type": "http.response.pathsend", "path": str(page)}
    app = coder.make(answering(start(content_type="text/event-stream"), file, file, body(b"late")))
    async with Driver(app, http_scope(headers=coder.accepts)) as call:
        await call.finish()
        ends = [index for index, message in enumerate(call.sent) if message.get("more_body") is False]
        assert call.sent[ends[0] + 1 :] == [file, body(b"late")]


@each_coding
@pytest.mark.parametrize("precompressed", [True, False])
async def test_a_path_that_no_file_can_have_is_left_to_the_server(coder: Coder, precompressed: bool) -> None:
    app = coder.make(sending("page\0.html"), precompressed=precompressed)
    response = await request(app, headers=coder.accepts)
    assert response.messages[1]["path"] == "page\0.html"


# -- siblings


@each_coding
async def test_a_fresh_sibling_is_sent_in_its_place(coder: Coder, page: Path) -> None:
    sibling = beside(page, coder)
    response = await request(coder.make(sending(page), precompressed=True), headers=coder.accepts)
    assert response.messages[1] == {"type": "http.response.pathsend", "path": str(sibling)}
    assert response.header("content-encoding") == coder.coding
    assert response.values("content-length") == ["7"]
    assert response.header("etag") == f"W/{ETAG}"
    assert response.header("vary") == "Accept-Encoding"


@each_coding
async def test_siblings_are_looked_for_only_if_asked(coder: Coder, page: Path) -> None:
    beside(page, coder)
    assert coder.read(await request(coder.make(sending(page)), headers=coder.accepts)) == DATA
    untouched = await request(coder.make(sending(page), precompressed=True))
    assert untouched.messages[1]["path"] == str(page)


@each_coding
@pytest.mark.parametrize("wrong", ["older", "symlink", "directory", "larger", "empty", "other coding"])
async def test_other_siblings_are_not_sent(coder: Coder, page: Path, wrong: str) -> None:
    """A link could lead anywhere; what is older than the page shows an old one."""
    sibling = page.with_name(page.name + SUFFIXES[coder.coding])
    if wrong == "older":
        beside(page, coder)
        os.utime(sibling, (1, 1))
    elif wrong == "symlink":
        sibling.symlink_to(page)
    elif wrong == "directory":
        sibling.mkdir()
    elif wrong == "larger":
        beside(page, coder, DATA + b"!")
    elif wrong == "empty":
        beside(page, coder, b"")
    else:
        page.with_name(page.name + ".xz").write_bytes(b"encoded")
    response = await request(coder.make(sending(page), precompressed=True), headers=coder.accepts)
    assert coder.read(response) == DATA
