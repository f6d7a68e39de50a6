"""Domains below which anybody can get a name are known, from the public list or from the small table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from middlewares.cors import suffixes
from middlewares.cors.suffixes import is_public_suffix

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = [
    "com",
    "com.",
    "github.io.",
    "co.uk.",
    "intranet",
    "co.uk",
    "com.au",
    "or.jp",
    "github.io",
    "vercel.app",
    "s3.amazonaws.com",
]
OWN = ["example.com", "example.com.", "example.co.uk", "me.github.io", "uk.co", "co.uk.example", "a.b.c.d.example"]


@pytest.fixture(params=["list", "table"], autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    suffixes._listed.cache_clear()
    if request.param == "table":
        monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    yield request.param
    suffixes._listed.cache_clear()


@pytest.mark.parametrize("domain", PUBLIC)
def test_public_suffixes(domain: str) -> None:
    assert is_public_suffix(domain)


@pytest.mark.parametrize("domain", OWN)
def test_domains_of_somebody(domain: str) -> None:
    assert not is_public_suffix(domain)


def test_the_list_knows_more_than_the_table(source: str) -> None:
    assert is_public_suffix("city.kawasaki.jp") is False
    assert is_public_suffix("a.kawasaki.jp") is (source == "list")


def test_the_table_says_nothing_that_the_list_denies(source: str) -> None:
    entries = [f"{first}.{rest}" for first, all_rest in suffixes._SECOND_LEVELS.items() for rest in all_rest.split()]
    assert [domain for domain in (*entries, *suffixes._HOSTS) if not is_public_suffix(domain)] == []
