"""Negotiation chooses what the client likes best and the server has, never what the client refuses."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.core import negotiation
from middlewares.core.negotiation import IDENTITY, CodingChooser, choose_coding, prefer_media_type

AVAILABLE = (b"br", b"gzip")
REFUSED = None


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        # compression 1: no field, or an empty one: identity.
        (None, IDENTITY),
        (b"", IDENTITY),
        (b" ", IDENTITY),
        (b", ,", IDENTITY),
        # compression 2: q=0 is never used, names compare without case, several lines are one list.
        (b"gzip;q=0", IDENTITY),
        (b"gzip;q=0.0", IDENTITY),
        (b"gzip; q=0.000, br;q=0", IDENTITY),
        (b"GZip", b"gzip"),
        (b"deflate, zstd, gzip", b"gzip"),
        (b"gzip;q=0, gzip;q=1", IDENTITY),
        (b"gzip;q=1, gzip;q=0", IDENTITY),
        (b"notgzip, gzipped", IDENTITY),
        # compression 3: * covers only unlisted codings.
        (b"*", b"br"),
        (b"br;q=0, *", b"gzip"),
        (b"gzip;q=0, br;q=0, *", IDENTITY),
        (b"gzip;q=0.5, *;q=0.4", b"gzip"),
        (b"gzip;q=0.4, *;q=0.5", b"br"),
        # compression 4: the highest weight above 0 wins, the server's order decides ties.
        (b"gzip, br", b"br"),
        (b"gzip;q=0.8, br;q=0.8", b"br"),
        (b"gzip;q=0.801, br;q=0.8", b"gzip"),
        (b"identity;q=1, gzip;q=0.5", IDENTITY),
        (b"identity;q=0.5, gzip;q=0.5", b"gzip"),
        (b"identity;q=0.5, gzip;q=0.6", b"gzip"),
        (b"identity, *;q=0.1", IDENTITY),
        (b"gzip;q=0.001", b"gzip"),
        # compression 5: identity unless it is refused.
        (b"compress", IDENTITY),
        (b"identity;q=0", REFUSED),
        (b"identity;q=0, gzip;q=0", REFUSED),
        (b"identity;q=0, compress", REFUSED),
        (b"*;q=0", REFUSED),
        (b"*;q=0, compress", REFUSED),
        (b"identity;q=0, gzip", b"gzip"),
        (b"*;q=0, gzip;q=0.1", b"gzip"),
        (b"*;q=0, identity;q=0.1", IDENTITY),
        (b"identity;q=0, *", b"br"),
        # compression 6: x-gzip means gzip.
        (b"x-gzip", b"gzip"),
        (b"X-GZIP;q=0, br;q=0, *", IDENTITY),
        (b"gzip, x-gzip;q=0", IDENTITY),
        # compression 7: an invalid weight skips its item.
        (b"gzip;q=2, br;q=0.1", b"br"),
        (b"gzip;q=0.1234", IDENTITY),
        (b"gzip;q=-1", IDENTITY),
        (b"gzip;q=nan, *;q=0", REFUSED),
        (b"identity;q=5, gzip;q=0.1", b"gzip"),
    ],
)
def test_content_coding(field: bytes | None, coding: bytes | None):
    assert choose_coding(field, AVAILABLE) == coding
    chooser = CodingChooser(AVAILABLE)
    if field is not None:
        assert chooser[field] == (None if coding == IDENTITY else coding)
    assert chooser.acceptable(field) is (coding is not REFUSED)


def test_without_codings_there_is_only_identity():
    assert choose_coding(b"gzip, *", ()) == IDENTITY
    assert choose_coding(b"gzip, *;q=0", ()) is None


# What browsers and attackers could list, as (written name, written weight, weight or None if invalid).
_NAMES = ["br", "gzip", "GZIP", "x-gzip", "deflate", "identity", "*"]
_WEIGHTS = [("", Fraction(1)), (";q=0", Fraction(0)), ("; q=0.000", Fraction(0)), (";q=1.0", Fraction(1))]
_WEIGHTS += [(";q=0.3", Fraction(3, 10)), (" ;Q=0.31", Fraction(31, 100)), (";q=0.999", Fraction(999, 1000))]
_INVALID = [(";q=1.5", None), (";q=0.0001", None), (";q", None)]
items = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_WEIGHTS + _INVALID))


def _slow_choice(listed: list[tuple[str, Fraction | None]], available: list[bytes]) -> bytes | None:
    """Ask of each candidate in turn what the client thinks of it, as RFC 9110, 12.5.3 puts it."""

    def opinion(coding: str) -> Fraction | None:
        aliases = {"gzip": ("gzip", "x-gzip")}.get(coding, (coding,))
        own = [weight for name, weight in listed if weight is not None and name.lower() in aliases]
        if own:
            return min(own)
        rest = [weight for name, weight in listed if weight is not None and name == "*"]
        return min(rest) if rest else None

    ranked = []
    for place, coding in enumerate(available):
        weight = opinion(coding.decode())
        if weight:
            ranked.append((-weight, place, coding))
    identity_listed = any(name == "identity" and weight is not None for name, weight in listed)
    identity = opinion("identity")
    if identity_listed and identity:
        ranked.append((-identity, len(available), IDENTITY))
    elif identity is None or identity > 0:
        ranked.append((Fraction(0), len(available), IDENTITY))
    return min(ranked)[2] if ranked else None


@given(st.lists(items, max_size=6), st.permutations([b"br", b"gzip", b"deflate"]))
def test_the_choice_is_that_of_a_slow_and_obvious_procedure(
    listed: list[tuple[str, tuple[str, Fraction | None]]], available: list[bytes]
):
    field = ", ".join(name + written for name, (written, _) in listed).encode()
    expected = _slow_choice([(name, weight) for name, (_, weight) in listed], available)
    assert choose_coding(field, available) == expected


@given(st.binary(max_size=40) | st.text("gzipbr*;q=01., ", max_size=40).map(str.encode))
def test_a_chooser_answers_twice_as_the_function_does(field: bytes):
    chooser = CodingChooser(AVAILABLE)
    expected = choose_coding(field, AVAILABLE)
    first, second = chooser[field], chooser[field]
    assert first == second == (None if expected == IDENTITY else expected)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """Fields that reached `choose_coding`, in order."""
    seen: list[bytes | None] = []

    def counted(field: bytes | None, available: tuple[bytes, ...]) -> bytes | None:
        seen.append(field)
        return choose_coding(field, available)

    monkeypatch.setattr(negotiation, "choose_coding", counted)
    return seen


@pytest.mark.parametrize("field", [b"", b"gzip, br", b"*;q=0", b"gzip" + b" " * 252])
def test_a_repeated_field_is_parsed_once(parsed: list[bytes | None], field: bytes):
    chooser = CodingChooser(AVAILABLE)
    assert chooser[field] == chooser[field]
    assert parsed == [field]


def test_a_field_over_256_bytes_is_not_kept(parsed: list[bytes | None]):
    chooser = CodingChooser(AVAILABLE)
    field = b"gzip" + b" " * 253
    assert chooser[field] == chooser[field] == b"gzip"
    assert parsed == [field, field]


def test_a_chooser_keeps_at_most_512_fields_and_goes_on_remembering(parsed: list[bytes | None]):
    chooser = CodingChooser(AVAILABLE)
    for number in range(2000):
        assert chooser[b"gzip, x%d" % number] == b"gzip"
        assert len(chooser) <= 512
    assert chooser[b"gzip, x1999"] == b"gzip"
    assert len(parsed) == 2000


HTML_FIRST = ("text/html", "text/plain", "application/problem+json")


@pytest.mark.parametrize(
    ("accept", "offer"),
    [
        (None, "text/html"),
        (b"", "text/html"),
        (b", ,", "text/html"),
        (b"text/html;q=7", "text/html"),
        (b"*/*", "text/html"),
        (b"text/*", "text/html"),
        (b"text/plain", "text/plain"),
        (b"TEXT/Plain", "text/plain"),
        (b"application/*", "application/problem+json"),
        (b"application/json", None),
        (b"image/*", None),
        (b"*/*;q=0", None),
        (b"text/plain;q=0.5, text/html;q=0.5", "text/html"),
        (b"text/plain;q=0.51, text/html;q=0.5", "text/plain"),
        (b"text/html;q=0, */*", "text/plain"),
        (b"text/html;q=0, text/*", "text/plain"),
        (b"text/*;q=0, */*", "application/problem+json"),
        (b"text/*;q=0.1, text/plain;q=0.2, */*;q=0.15", "text/plain"),
        (b"text/*;q=0.1, */*;q=0.15", "application/problem+json"),
        (b"text/html;level=1;q=0.1, text/plain;charset=utf-8;q=0.2", "text/plain"),
        (b"text/html;level=1;q=0, text/html", "text/html"),
        (b"text/html;level=1, text/html;q=0", "text/html"),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        (b"application/problem+json;q=1.001, text/plain;q=0.1", "text/plain"),
        (b"html", None),
        (b"*", None),
    ],
)
def test_preferred_media_type(accept: bytes | None, offer: str | None):
    """The most specific range decides on an offer, weights between offers, the server's order on ties."""
    assert prefer_media_type(accept, HTML_FIRST) == offer


def test_an_offer_is_returned_as_it_was_given():
    assert prefer_media_type(b"text/plain", ["Text/Plain; charset=utf-8"]) == "Text/Plain; charset=utf-8"


@pytest.mark.parametrize("accept", [None, b"*/*"])
def test_nothing_on_offer(accept: bytes | None):
    assert prefer_media_type(accept, ()) is None
