"""Negotiation: who is answered with a dictionary, and what responses say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.compression import dictionaries as package
from middlewares.compression.dictionaries import Dictionaries, Dictionary, libbrotli
from middlewares.compression.dictionaries.codings import find_codings
from tests.compression.versions import ALL, NEW, OLD, available, decoded, request

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares.core.headers import HeaderList

PUBLIC: HeaderList = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=60")]
HASH = available(OLD)


@pytest.fixture
def known(tmp_path: Path) -> Dictionaries:
    """Dictionaries that know the old version of ``/products``."""
    (tmp_path / "old.json").write_bytes(OLD)
    dictionaries = Dictionaries([Dictionary(match="/products", path=tmp_path)])
    assert dictionaries.settle()
    return dictionaries


def test_a_client_that_has_the_old_version_gets_what_has_changed(known: Dictionaries) -> None:
    codec = known.offer(request(), ALL, HASH)
    assert codec is not None
    assert codec.name == b"dcz"
    encoded = codec.whole(NEW)
    assert len(encoded) * 3 < len(NEW)
    assert decoded(encoded, b"dcz", OLD) == NEW


def test_dcb_is_prepared_for_the_first_client_that_wants_it(known: Dictionaries) -> None:
    """Until that is done, off the loop, such clients get what they would get without a dictionary."""
    assert known.offer(request(), b"br, dcb", HASH) is None
    assert known.settle()
    codec = known.offer(request(), b"br, dcb", HASH)
    assert codec is not None
    assert codec.name == b"dcb"
    assert decoded(codec.whole(NEW), b"dcb", OLD) == NEW


@pytest.mark.parametrize(
    "accept",
    [
        None,
        b"",
        b"*",  # says nothing of dictionaries
        b"gzip, br, zstd",
        b"dcz;q=0",
        b"dcz;q=0, dcb;q=0.0",
        b"dcz;q=0, *",
        b"dcz;q=2",
        b"dcz;q=0.5, br",  # something else is preferred
        b"dcz;q=0.5, identity",
        b"dczx, xdcz",
    ],
)
def test_the_coding_must_be_listed_and_preferred(known: Dictionaries, accept: bytes | None) -> None:
    """RFC 9842, 6.1; RFC 9110, 12.5.3."""
    assert known.offer(request(), accept, HASH) is None


@pytest.mark.parametrize(
    "accept", [b"dcz", b"DCZ", b"br, dcz;q=1.0, dcb", b"br;q=0.5, dcz;q=0.6", b"dcz, identity;q=0"]
)
def test_any_spelling_of_the_coding_counts(known: Dictionaries, accept: bytes) -> None:
    codec = known.offer(request(), accept, HASH)
    assert codec is not None
    assert codec.name == b"dcz"


@pytest.mark.parametrize("field", [None, b"", available(NEW), HASH[1:], HASH + b", " + HASH, b"?1"])
def test_the_hash_must_be_well_formed_and_known(known: Dictionaries, field: bytes | None) -> None:
    assert known.offer(request("/products", (b"dictionary-id", b'"old"')), ALL, field) is None


def test_the_dictionary_must_be_declared_for_the_path(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    (tmp_path / "b").write_bytes(NEW)
    declared = [Dictionary(match="/a/*", path=tmp_path / "a"), Dictionary(match="/b/*", path=tmp_path / "b")]
    dictionaries = Dictionaries(declared)
    assert dictionaries.settle()
    assert dictionaries.offer(request("/a/1"), ALL, HASH)
    assert dictionaries.offer(request("/b/1"), ALL, HASH) is None
    assert dictionaries.offer(request("/c"), ALL, HASH) is None


@pytest.mark.parametrize(
    ("scheme", "host", "is_secure"),
    [
        ("https", b"shop.example", True),
        ("http", b"shop.example", False),
        ("http", b"localhost", True),
        ("http", b"LocalHost:8000", True),
        ("http", b"app.localhost.:8000", True),
        ("http", b"127.0.0.1:8000", True),
        ("http", b"127.8.9.1", True),
        ("http", b"[::1]:8000", True),
        ("http", b"[::2]", False),
        ("http", b"[", False),
        ("http", b"10.0.0.1", False),
        ("http", b"localhost.shop.example", False),
        ("http", b"notlocalhost", False),
        ("http", b"\xff", False),
        ("http", None, False),
    ],
)
def test_the_context_must_be_secure(known: Dictionaries, scheme: str, host: bytes | None, is_secure: bool) -> None:
    scope = request(scheme=scheme)
    scope["headers"] = [] if host is None else [(b"host", host)]
    assert bool(known.offer(scope, ALL, HASH)) == is_secure
    assert bool(known.announce(scope, 200, PUBLIC)) == is_secure


SITE, MODE, ORIGIN = b"sec-fetch-site", b"sec-fetch-mode", b"origin"


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ([], True),
        ([(SITE, b"same-origin")], True),
        ([(SITE, b"same-origin"), (MODE, b"cors")], True),
        ([(SITE, b"none"), (MODE, b"navigate")], True),
        ([(SITE, b"cross-site"), (MODE, b"navigate")], True),
        ([(SITE, b"same-site"), (MODE, b"same-origin")], True),
        ([(SITE, b"same-site"), (MODE, b"cors")], False),
        ([(SITE, b"cross-site"), (MODE, b"no-cors")], False),
        ([(SITE, b"cross-site"), (MODE, b"cors"), (ORIGIN, b"https://other.example")], False),
        ([(SITE, b"cross-site")], False),
        ([(SITE, b"same-origin"), (SITE, b"cross-site"), (MODE, b"cors")], False),
        ([(SITE, b"nonsense"), (MODE, b"cors")], False),
        ([(ORIGIN, b"https://shop.example")], True),
        ([(ORIGIN, b"https://other.example")], False),
        ([(ORIGIN, b"null")], False),
        ([(ORIGIN, b"https://shop.example"), (ORIGIN, b"https://shop.example")], False),
    ],
)
def test_a_page_of_another_origin_gets_no_dictionary(
    known: Dictionaries, headers: HeaderList, is_answered: bool
) -> None:
    """RFC 9842, 9.3.3, where what CORS would let the page read counts as not readable."""
    assert bool(known.offer(request("/products", *headers), ALL, HASH)) == is_answered


@given(
    accept=st.binary(max_size=60), field=st.binary(max_size=60), path=st.text(max_size=20), host=st.binary(max_size=9)
)
def test_nothing_a_client_sends_breaks_the_negotiation(accept: bytes, field: bytes, path: str, host: bytes) -> None:
    dictionaries = Dictionaries([Dictionary(match="/:a/*b*", learn=True)])
    scope = request(path, (SITE, accept), (MODE, field))
    scope["headers"][0] = (b"host", host)
    for coding, digest in ((accept, field), (accept, HASH), (ALL, field)):
        assert dictionaries.offer(scope, coding, digest) is None
    dictionaries.announce({**scope, "scheme": "http"}, 200, [(b"cache-control", accept), (b"vary", field)])
    dictionaries.learner(scope, 200, [(b"cache-control", accept)])


def test_clients_are_told_to_keep_matching_responses(known: Dictionaries) -> None:
    expected = [(b"use-as-dictionary", b'match="/products"')]
    assert known.announce(request(), 200, PUBLIC) == expected
    assert known.announce(request(method="HEAD"), 200, PUBLIC) == expected
    assert known.announce(request("/other"), 200, PUBLIC) == []
    assert known.announce(request(method="POST"), 200, PUBLIC) == []
    assert known.announce(request(), 206, PUBLIC) == []
    assert known.announce(request(), 404, PUBLIC) == []


def test_all_that_is_declared_is_told() -> None:
    declaration = Dictionary(
        match="/pages/*", announce_at="/site.dict", learn=True, id="site", match_dest=["document", "iframe"]
    )
    dictionaries = Dictionaries([declaration])
    value = b'match="/pages/*", match-dest=("document" "iframe"), id="site"'
    assert dictionaries.announce(request("/site.dict"), 200, PUBLIC) == [(b"use-as-dictionary", value)]
    assert dictionaries.announce(request("/pages/1"), 200, PUBLIC) == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"cache-control", b"public")],
        [(b"cache-control", b"max-age=0")],
        [(b"cache-control", b"max-age=1x")],
        [(b"cache-control", b"max-age=60, max-age=90")],
        [(b"cache-control", b"s-maxage=60")],
        [(b"cache-control", b"private, max-age=60")],
        [(b"cache-control", b"max-age=60"), (b"Cache-Control", b"No-Store")],
        [(b"cache-control", b'no-cache="set-cookie", max-age=60')],
        [*PUBLIC, (b"Set-Cookie", b"a=b")],
        [*PUBLIC, (b"content-encoding", b"br")],
        [*PUBLIC, (b"vary", b"accept"), (b"Vary", b"x, Cookie")],
        [*PUBLIC, (b"vary", b"authorization")],
        [*PUBLIC, (b"vary", b"*")],
    ],
)
def test_what_clients_may_not_keep_or_is_one_users_own_is_not_announced(
    known: Dictionaries, headers: HeaderList
) -> None:
    assert known.announce(request(), 200, headers) == []


def test_what_the_application_announces_is_left_alone(known: Dictionaries) -> None:
    assert known.announce(request(), 200, [*PUBLIC, (b"Use-As-Dictionary", b'match="/x"')]) == []


def test_any_client_may_keep_what_is_public() -> None:
    """Whether it is learned is another matter."""
    dictionaries = Dictionaries([Dictionary(match="/products", learn=True)])
    assert dictionaries.announce(request("/products", (b"cookie", b"a=b")), 200, PUBLIC)


def test_responses_vary_where_a_dictionary_may_be_used(known: Dictionaries) -> None:
    """RFC 9842, 6.2."""
    assert known.varies(request())
    assert known.varies(request(scheme="http"))
    assert not known.varies(request("/other"))
    headers: HeaderList = [(b"vary", b"Origin")]
    known.vary.extend(headers)
    assert headers == [(b"vary", b"Origin, Accept-Encoding, Available-Dictionary")]


def test_nothing_is_shared_between_two_layers(known: Dictionaries) -> None:
    other = Dictionaries([Dictionary(match="/products", learn=True)])
    assert known.offer(request(), ALL, HASH)
    assert other.offer(request(), ALL, HASH) is None


def test_levels_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(OLD)
    sizes = []
    for level in (1, 19):
        dictionaries = Dictionaries([Dictionary(match="/products", path=tmp_path)], levels={b"dcz": level})
        assert dictionaries.settle()
        codec = dictionaries.offer(request(), ALL, HASH)
        assert codec is not None
        sizes.append(len(codec.whole(NEW)))
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(("coding", "level"), [(b"dcz", 0), (b"dcz", 20), (b"dcb", 4), (b"dcb", 12)])
def test_levels_that_do_not_exist_are_refused(coding: bytes, level: int) -> None:
    with pytest.raises(ValueError, match=f"{coding.decode()}: level must be from .* got {level}"):
        Dictionaries([], levels={coding: level})


def test_without_libraries_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbrotli, "_LIBRARY", None)
    assert [*find_codings()] == [b"dcz"]
    monkeypatch.setitem(sys.modules, f"{package.__name__}.dcz", None)
    monkeypatch.delattr(package, "dcz")
    assert [*find_codings()] == []
    monkeypatch.setattr(f"{Dictionaries.__module__}.CODINGS", {})
    nothing = Dictionaries([Dictionary(match="/products", learn=True, path=__file__)])
    assert nothing.settle()
    assert nothing.codings == ()
    assert not nothing.varies(request())
    assert nothing.offer(request(), ALL, HASH) is None
    assert nothing.announce(request(), 200, PUBLIC) == []
    assert nothing.learner(request(), 200, PUBLIC) is None
