"""Which media types are worth compressing, and how patterns of them are written."""

from __future__ import annotations

import pytest

from middlewares.compression.media_types import COMPRESSIBLE_TYPES, MediaTypes, media_type_problem


@pytest.mark.parametrize(
    ("content_type", "compressible"),
    [
        (b"text/html", True),
        (b"text/html; charset=utf-8", True),
        (b"Text/HTML ;charset=utf-8", True),
        (b"text/event-stream", True),
        (b"text/x-anything", True),
        (b"application/json", True),
        (b"application/JSON", True),
        (b"application/problem+json", True),
        (b"application/atom+xml;type=entry", True),
        (b"application/x-ndjson", True),
        (b"application/wasm", True),
        (b"image/svg+xml", True),
        (b"font/ttf", True),
        (b"image/png", False),
        (b"image/webp", False),
        (b"font/woff2", False),
        (b"video/mp4", False),
        (b"application/zip", False),
        (b"application/gzip", False),
        (b"application/pdf", False),
        (b"application/octet-stream", False),
        (b"application/grpc", False),
        (b"application/jsonp", False),
        (b"video/x+json", False),
        (b"", False),
        (b";", False),
        (b"\xff/\xff", False),
        (b"image/png, text/html", False),
        (b"image/png; name=text/html", False),
    ],
)
def test_types_that_shrink_are_compressed_and_others_are_not(content_type: bytes, compressible: bool) -> None:
    types = MediaTypes(COMPRESSIBLE_TYPES)
    assert types[content_type] is compressible
    assert types[content_type] is compressible  # remembered


@pytest.mark.parametrize(
    ("patterns", "content_type", "matches"),
    [
        (["Text/*"], b"text/html", True),
        (["text/*"], b"texts/html", False),
        (["application/*+json"], b"application/a+json", True),
        (["application/*+json"], b"application/json", False),
        (["application/*+json"], b"image/a+json", False),
        (["text/html"], b"text/htmlx", False),
        ([], b"text/html", False),
    ],
)
def test_patterns_match_whole_types(patterns: list[str], content_type: bytes, matches: bool) -> None:
    assert MediaTypes(patterns)[content_type] is matches


@pytest.mark.parametrize("pattern", [*COMPRESSIBLE_TYPES, "font/*", "application/vnd.api+json", "x/*+y"])
def test_patterns_that_are_right(pattern: str) -> None:
    assert media_type_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "text",
        "text/",
        "/html",
        "*",
        "*/*",
        "te*t/html",
        "text/h*",
        "text/*html",
        "text/*+",
        "text/html;q=1",
        "a/b/c",
    ],
)
def test_patterns_that_are_wrong(pattern: str) -> None:
    assert media_type_problem(pattern) == (
        "must hold media types such as 'text/html', 'text/*' or 'application/*+json'"
    )
