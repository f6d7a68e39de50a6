"""Only the spelling in which browsers send an origin is one; others are refused with the right one, if it is clear."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core import origins
from middlewares.core.origins import Origin, origin_problem, parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

CANONICAL = {
    "https://example.com": Origin("https", "example.com"),
    "http://localhost:3000": Origin("http", "localhost", 3000),
    "https://a-b.example.com:8443": Origin("https", "a-b.example.com", 8443),
    "http://example.com:443": Origin("http", "example.com", 443),
    "https://example.com:80": Origin("https", "example.com", 80),
    "https://xn--bcher-kva.example": Origin("https", "xn--bcher-kva.example"),
    "http://my_host": Origin("http", "my_host"),
    "https://example.com.": Origin("https", "example.com."),
    "http://127.0.0.1:8000": Origin("http", "127.0.0.1", 8000),
    "http://[::1]:8000": Origin("http", "[::1]", 8000),
    "http://[::]": Origin("http", "[::]"),
    "http://[2001:db8::1]": Origin("http", "[2001:db8::1]"),
    "http://[2001:db8:0:1:1:1:1:1]": Origin("http", "[2001:db8:0:1:1:1:1:1]"),
    "http://[2001:0:0:1::1]": Origin("http", "[2001:0:0:1::1]"),
    "http://[1::2:0:0:3]": Origin("http", "[1::2:0:0:3]"),
    "http://[10::1]": Origin("http", "[10::1]"),
    "http://[1:2:3:4:5:6:7:8]": Origin("http", "[1:2:3:4:5:6:7:8]"),
    "http://[1::]": Origin("http", "[1::]"),
    "http://[::ffff:102:304]": Origin("http", "[::ffff:102:304]"),
    "chrome-extension://abcdefghijklmnop": Origin("chrome-extension", "abcdefghijklmnop"),
    "capacitor://localhost": Origin("capacitor", "localhost"),
    "https://1password.example": Origin("https", "1password.example"),
    "https://0x.example": Origin("https", "0x.example"),
}


@pytest.mark.parametrize(("spelling", "origin"), CANONICAL.items())
def test_what_browsers_send(spelling: str, origin: Origin):
    assert parse_origin(spelling) == origin
    assert str(origin) == spelling
    assert origin_problem(spelling) is None


@pytest.mark.parametrize(
    ("spelling", "right"),
    [
        ("https://Example.COM", "https://example.com"),
        ("HTTPS://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("https://example.com/path?q#f", "https://example.com"),
        ("https://example.com?q", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80/", "http://example.com"),
        ("https://user:pass@example.com", "https://example.com"),
        (" https://example.com\n", "https://example.com"),
        ("example.com", "https://example.com"),
        ("app.example.com/", "https://app.example.com"),
        ("http://[0:0:0:0:0:0:0:1]:8000", "http://[::1]:8000"),
        ("http://[2001:DB8::0:1]", "http://[2001:db8::1]"),
        ("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"),
        ("https://bücher.example:8443", "https://xn--bcher-kva.example:8443"),
    ],
)
def test_other_spellings_are_refused_with_the_right_one(spelling: str, right: str):
    assert parse_origin(spelling) is None
    problem = origin_problem(spelling)
    assert problem is not None
    assert problem == (
        "must hold origins as browsers send them, such as 'https://app.example.com' or 'http://localhost:3000'",
        f"did you mean {right!r}?",
    )


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "all",
        "https://",
        "://example.com",
        "https:example.com",
        "https:/example.com",
        "https//example.com",
        "https://*.example.com",
        "https://example..com",
        "https://.example.com",
        "https://example.com:0",
        "https://example.com:080",
        "https://example.com:65536",
        "https://example.com:x",
        "https://exa mple.com",
        "https://exa\nmple.com",
        "https://straße.example",  # whose spelling depends on the edition of the standard
        "https://example.com:٣",
        "https://evil.example,https://example.com",
        "https://evil.example https://example.com",
        "https://[::1",
        "https://[::1]x",
        "https://[:::]",
        "https://[]",
        "https://]",
        "1https://example.com",
        # Hosts that browsers take for IPv4 addresses, and send as such.
        "http://127.1",
        "http://0x7f.0.0.1",
        "http://127.0.0.01",
        "http://2130706433",
        "http://1.2.3.4.",
        "http://example.1",
        "http://0x",
        "https://" + "a" * 300,
    ],
)
def test_what_is_no_origin_is_refused(spelling: str):
    assert parse_origin(spelling) is None
    problem = origin_problem(spelling)
    assert problem is not None
    assert problem[1] is None


def test_null_is_refused_with_a_warning():
    assert parse_origin("null") is None
    problem = origin_problem("null")
    assert problem is not None
    assert problem[1] == "any sandboxed page can send 'null'"


def test_long_values_are_not_kept_in_memory():
    before = origins._parse.cache_info().currsize
    for number in range(20):
        assert parse_origin("https://" + "a" * 1000 + str(number)) is None
    assert origins._parse.cache_info().currsize == before


def test_few_values_are_kept_in_memory():
    for number in range(3000):
        parse_origin(f"https://a{number}.example")
    assert origins._parse.cache_info().currsize <= 1024


urls = st.builds(
    "{}://{}{}".format, st.sampled_from(["http", "HTTPS", "", "x"]), st.text(), st.text(":/@[]0123456789.")
)


@given(st.text() | urls | st.text("htps:/[]@.:0123456789abcdefx%", max_size=40))
def test_no_value_breaks_the_parser(value: str):
    origin = parse_origin(value)
    if origin is not None:
        assert str(origin) == value
        assert origin_problem(value) is None
    else:
        problem = origin_problem(value)
        assert problem is not None
        if problem[1] is not None and value != "null":
            right = problem[1].removeprefix("did you mean '").removesuffix("'?")
            assert parse_origin(right) is not None


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_has_one_spelling(address: Any):
    problem = origin_problem(f"http://[{address.exploded}]")
    right = f"http://[{address.exploded}]" if problem is None else (problem[1] or "").split("'")[1]
    origin = parse_origin(right)
    assert origin is not None
    assert type(address)(origin.host[1:-1]) == address
    assert "." not in right


# -- the URL standard's own test data, a few of them where there is no copy

FEW: list[dict[str, Any]] = [
    {"input": "http://user:pass@foo:21/bar;par?b#c", "origin": "http://foo:21"},
    {"input": "https://test:@test", "origin": "https://test"},
    {"input": "http://www.example.com:80/", "origin": "http://www.example.com"},
    {"input": "http://0x7f.1/test", "origin": "http://127.0.0.1"},
    {"input": "http://[1::2]:3:4", "failure": True},
    {"input": "http://[www.google.com]/", "failure": True},
    {"input": "http://foo.09", "failure": True},
    {"input": "http://1.2.3.4.5", "failure": True},
    {"input": "http://[2001::1]:80", "origin": "http://[2001::1]"},
    {"input": "http://[::127.0.0.1]", "origin": "http://[::7f00:1]"},
]

UNUSUAL = {"http://!\"$&'()*+,-.;=_`{}~", "wss://!\"$&'()*+,-.;=_`{}~", "http://.", "http://..", "http://f:0"}
"""Origins that the standard allows and no site has: they are not understood."""


def vectors() -> Iterator[dict[str, Any]]:
    folder = os.environ.get("TEST_VECTORS")
    file = Path(folder, "url", "urltestdata.json") if folder else None
    if file is None or not file.exists():
        yield from FEW
        return
    for vector in json.loads(file.read_text()):
        if isinstance(vector, dict) and ("failure" in vector or "origin" in vector):
            yield vector


def test_what_the_url_standard_serialises_is_understood():
    spelt = {vector["origin"] for vector in vectors() if vector.get("origin", "null") != "null"}
    assert len(spelt) >= 6
    assert {origin for origin in spelt if parse_origin(origin) is None} <= UNUSUAL


def test_what_the_url_standard_spells_otherwise_or_refuses_is_no_origin():
    for vector in vectors():
        if parse_origin(vector["input"]) is not None:
            assert vector.get("origin") in (vector["input"], "null"), vector
