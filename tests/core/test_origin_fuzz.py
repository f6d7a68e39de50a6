"""What is taken for an origin, and for one of a set, is what another parser of the URL standard says."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import ada_url
import pytest

from middlewares.core.origin_set import OriginSet
from middlewares.core.origins import parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (
    "https://example.com",
    "https://a.example.com",
    "https://b.a.example.com:8443",
    "http://localhost:3000",
    "http://127.0.0.1:8000",
    "http://[::1]:3000",
    "http://[2001:db8::1]",
    "https://evil.net",
    "https://example.com.evil.net",
    "https://evilexample.com",
    "null",
)
PARTS = (
    *"/:@.#?\\%*-_ \t\0[]01A,;é\xad。",
    *(
        "//",
        "::",
        "..",
        "%2e",
        "\r\n",
        "00",
        "0x7f",
        "255",
        "256",
        ":80",
        ":443",
        ":0",
        ":65535",
        ":65536",
        ":1",
        "null",
    ),
    *("http:", "https:", "ftp:", "HTTPS:", ".com", "example.com", "xn", "user@"),
)

ORIGINS = OriginSet(["https://example.com", "https://*.example.com", "https://*.a.example.com:*", "http://localhost:*"])

# Hosts that the standard allows and no site has are not understood: odd characters, labels without any, port 0.
USUAL = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?)(:[1-9][0-9]*)?")


def values(random: Random, number: int) -> Iterator[str]:
    for _ in range(number):
        value = random.choice(SEEDS)
        for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3))):
            start = random.randint(0, len(value))
            value = value[:start] + random.choice(PARTS) + value[start + random.choice((0, 0, 1, 2, 5)) :]
        yield value


def spelt_by_browsers(value: str) -> bool:
    """Return whether a browser could send ``value`` as the origin of a page that it got over HTTP."""
    try:
        url = ada_url.URL(value)
    except ValueError:
        return False
    return url.protocol in ("http:", "https:") and url.origin == value and USUAL.fullmatch(value) is not None


def is_inside(value: str) -> bool:
    """Return whether ``value`` is in `ORIGINS`, told from the parts that the other parser finds."""
    if not spelt_by_browsers(value):
        return False
    url = ada_url.URL(value)
    if url.protocol == "http:":
        return url.hostname == "localhost"
    if url.hostname.endswith(".a.example.com"):
        return True
    return url.port == "" and (url.hostname == "example.com" or url.hostname.endswith(".example.com"))


def compare(random: Random, number: int) -> tuple[int, int]:
    """Compare both parsers; return how many values were origins, and how many were in the set."""
    understood = inside = 0
    for value in values(random, number):
        origin = parse_origin(value)
        if value.startswith(("http:", "https:")):
            assert (origin is not None) == spelt_by_browsers(value), value
        assert origin is None or str(origin) == value
        assert (value in ORIGINS) == is_inside(value), value
        assert (value.encode("latin-1", "replace") in ORIGINS) == is_inside(value), value
        understood += origin is not None
        inside += value in ORIGINS
    return understood, inside


def test_fuzzed_origins_are_understood_as_by_another_parser():
    understood, inside = compare(Random(16), 5_000)  # noqa: S311 - repeatable on purpose
    assert understood > 500
    assert inside > 200


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_a_million_fuzzed_origins_are_understood_as_by_another_parser():
    compare(Random(1_000_000), 1_000_000)  # noqa: S311 - repeatable on purpose
