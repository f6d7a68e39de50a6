"""A set of origins holds what its patterns say, label by label, and nothing that only looks like it."""

from __future__ import annotations

import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core.origin_set import OriginSet, parse_pattern, pattern_problem
from middlewares.core.origins import parse_origin, same_host


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (
            "https://example.com",
            ["https://example.com"],
            ["http://example.com", "https://example.com:8443", "https://a.example.com", "https://example.com."],
        ),
        (
            "https://*.example.com",
            ["https://a.example.com", "https://b.a.example.com", "https://xn--bcher-kva.example.com"],
            [
                "https://example.com",
                "https://evilexample.com",
                "https://a.example.com.evil.net",
                "https://a.example.com:8443",
                "http://a.example.com",
                "https://.example.com",
                "https://a..example.com",
                "https://a.example.com.",
                "https://evil.net/.example.com",
                "https://evil.net#.example.com",
                "https://user@a.example.com",
                "https://A.example.com",
                "https://*.example.com",
                "null",
                "",
            ],
        ),
        (
            "https://*.example.com:8443",
            ["https://a.example.com:8443"],
            ["https://a.example.com", "https://a.example.com:84430", "https://a.example.com:844"],
        ),
        (
            "http://localhost:*",
            ["http://localhost", "http://localhost:3000", "http://localhost:65535"],
            [
                "http://localhost:0",
                "http://localhost:65536",
                "http://localhost:",
                "http://localhost:*",
                "https://localhost",
                "http://a.localhost",
                "http://localhost:80",
                "http://localhost.evil.net:3000",
            ],
        ),
        (
            "http://*.localhost:*",
            ["http://a.localhost", "http://b.a.localhost:3000"],
            ["http://localhost", "http://alocalhost:3000"],
        ),
        ("http://[::1]:*", ["http://[::1]", "http://[::1]:3000"], ["http://[::2]:3000", "http://[0:0::1]:3000"]),
        ("https://*.com", ["https://a.com", "https://b.a.com"], ["https://com", "https://a.net"]),
    ],
)
@pytest.mark.parametrize("others", [(), ("https://other.example", "https://*.other.example", "http://other:*")])
def test_patterns_hold_what_they_say(pattern: str, inside: list[str], outside: list[str], others: tuple[str, ...]):
    """Alone and beside others."""
    origins = OriginSet([*others, pattern])
    assert [origin for origin in inside if origin not in origins] == []
    assert [origin for origin in outside if origin in origins] == []
    assert [origin for origin in inside if origin.encode() not in origins] == []
    assert [origin for origin in outside if origin.encode() in origins] == []


@pytest.mark.parametrize("pattern", ["https://*.example.com", "https://*.a.b:*", "http://[::1]:*", "https://a:8443"])
def test_a_pattern_is_printed_as_it_is_spelt(pattern: str):
    assert str(parse_pattern(pattern)) == pattern
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ("https://*.Example.com/", "did you mean 'https://*.example.com'?"),
        ("*.example.com", "did you mean 'https://*.example.com'?"),
        ("HTTP://LOCALHOST:*", "did you mean 'http://localhost:*'?"),
        ("https://example.com/", "did you mean 'https://example.com'?"),
        *(
            (spelling, "a star stands for whole labels in front or for the port, as in 'https://*.example.com'")
            for spelling in (
                "https://*",
                "https://*example.com",
                "https://a.*.example.com",
                "https://example.*",
                "https://*.*.example.com",
                "*://example.com",
                "https://*.127.0.0.1",
                "https://*.[::1]",
                "http://localhost:30*",
                "http://localhost:81:*",
                "https://*.",
            )
        ),
        ("https://", None),
    ],
)
def test_other_stars_are_refused_with_a_hint(spelling: str, hint: str | None):
    problem = pattern_problem(spelling)
    assert problem is not None
    assert problem[1] == hint
    with pytest.raises(ValueError, match=re.escape(repr(spelling))):
        OriginSet([spelling])


def test_an_expression_matches_the_whole_of_an_origin():
    for pattern in (
        r"https://[a-z]+\.example\.com",
        r"^https://[a-z]+\.example\.com$",
        r"https://a\.b|https://[a-z]+\.example\.com",
    ):
        origins = OriginSet(regex=pattern)
        assert "https://app.example.com" in origins
        for other in ("https://app.example.com.evil.net", "xhttps://app.example.com", "https://app.example.com\n"):
            assert other not in origins
    assert "https://evil.net/.example.com" not in OriginSet(regex="(?s).*")


def test_a_secure_set_holds_no_plain_http_but_loopback():
    origins = OriginSet(["http://a.example", "http://*.b.example", "http://localhost"], ".*", only_secure=True)
    for outside in ("http://a.example", "http://x.b.example", "http://c.example", "http://127.0.0.1.example"):
        assert outside not in origins
    for inside in (
        "http://localhost",
        "http://a.localhost:1",
        "http://127.1.2.3",
        "http://[::1]:1",
        "https://a.example",
    ):
        assert inside in origins


def test_single_origins_can_be_listed():
    assert {*OriginSet(["https://a.example", "https://*.b.example"])} == {b"https://a.example"}
    assert OriginSet(["https://a.example"]).is_exact
    assert not OriginSet(["https://a.example:*"]).is_exact


def test_ten_thousand_origins_cost_no_more_than_one():
    """By more than the noise of a machine that does other things too."""
    one = OriginSet(["https://a1.example", "https://*.b1.example"])
    many = OriginSet(pattern for n in range(10_000) for pattern in (f"https://a{n}.example", f"https://*.b{n}.example"))
    for origin in (b"https://a1.example", b"https://x.b1.example", b"https://evil.example"):
        seconds = [min(timeit.repeat(lambda: origin in found, number=2_000, repeat=15)) for found in (one, many)]  # noqa: B023 - called at once
        assert seconds[1] < 2 * seconds[0]


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://example.com", "example.com", True),
        ("https://example.com", "EXAMPLE.com:", True),
        ("https://example.com", "example.com:443", True),
        ("http://example.com", "example.com:443", False),
        ("http://example.com:8000", "example.com:8000", True),
        ("http://example.com:8000", "example.com", False),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://evil.net", "example.com", False),
        ("https://user@example.com", "example.com", False),
        ("https://user@example.com", "user@example.com", False),
        ("https://example.com/", "example.com/", False),
        ("capacitor://localhost", "localhost", False),
        ("null", "null", False),
        ("", "", False),
    ],
)
def test_an_origin_is_of_a_host_whatever_its_scheme(origin: str, host: str, same: bool):
    assert same_host(origin, host) is same


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=2, max_size=5).map(lambda parts: ".".join([*parts[:-1], "x" + parts[-1]]))


@given(below=domains, host=domains, ports=st.tuples(*[st.sampled_from(["", ":8443", ":*"])] * 2))
def test_below_means_more_labels_in_front(below: str, host: str, ports: tuple[str, str]):
    """As a plain comparison of the lists of labels has it."""
    candidates = [host, f"{host}.{below}", f"{host}{below}", below]
    for name in candidates:
        port = ports[1].replace("*", "3000")
        labels_of, wanted = name.split("."), below.split(".")
        is_below = len(labels_of) > len(wanted) and labels_of[-len(wanted) :] == wanted
        is_port = ports[0] in (":*", port)
        origin = f"https://{name}{port}"
        assert parse_origin(origin) is not None
        assert (origin in OriginSet([f"https://*.{below}{ports[0]}"])) is (is_below and is_port)
