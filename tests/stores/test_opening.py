"""URLs of stores: each names one, and what names none is refused with a hint."""

from __future__ import annotations

import pytest

from middlewares.errors import MissingExtra
from middlewares.stores import open_store, url_problem
from middlewares.stores.memory import MemoryStore
from middlewares.stores.redis import RedisStore
from middlewares.stores.sqlite import SQLiteStore


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryStore),
        ("memory://?max_records=5", MemoryStore),
        ("sqlite:///relative.db", SQLiteStore),
        ("sqlite:////tmp/absolute.db", SQLiteStore),
        ("redis://localhost:6379/0", RedisStore),
        ("rediss://user:secret@cache.example:6380/1", RedisStore),
        ("valkey://localhost", RedisStore),
        ("unix:///run/valkey.sock", RedisStore),
        ("redis+sentinel://a:26379,b:26379/main/0", RedisStore),
        ("redis+cluster://a:7000", RedisStore),
    ],
)
def test_a_url_names_a_store_and_opens_nothing(url: str, kind: type) -> None:
    assert url_problem(url) is None
    assert isinstance(open_store(url), kind)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", None),
        ("localhost:6379", None),
        ("reddis://localhost", "did you mean 'redis'?"),
        ("sqlite://file.db", "three slashes for a relative path, four for an absolute one"),
        ("sqlite://", "three slashes for a relative path, four for an absolute one"),
        ("memory://?max_records=-1", "max_records must be a whole number above 0"),
        ("memory://?max_records=many", "max_records must be a whole number above 0"),
        ("redis://localhost:99999", "Port out of range 0-65535"),
        (" redis://localhost", "spaces and control characters are percent-encoded"),
        ("sqlite:///:memory:", "'memory://' keeps records in memory"),
        ("sqlite:///a.db?mode=ro", "'?' and '#' in a path are written as %3F and %23"),
        ("sqlite:///a#1.db", "'?' and '#' in a path are written as %3F and %23"),
        ("sqlite:///a%00.db", "a path holds no zero byte"),
    ],
)
def test_what_names_no_store_is_refused_with_a_hint(url: str, hint: str | None) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert problem[0].startswith("must be the URL of a store")
    assert problem[1] == hint
    with pytest.raises(ValueError, match="must be the URL of a store"):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "redi://user:secret@cache.example:1",
        "redis://:secret/word@cache.example:1",
        "redis://:secret#word@cache.example:1",
        "redis://:secret?word@cache.example:1",
        "redis://:6379/secret@cache.example:1",
        "redis://:6379#secret@cache.example:1",
    ],
)
def test_a_refusal_repeats_no_password(url: str) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert "secret" not in str(problem)
    with pytest.raises(ValueError, match="store must be") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_what_is_not_installed_is_said_when_a_store_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by each request."""
    monkeypatch.setattr("middlewares.stores.opening.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"middlewares\[redis\]"):
        open_store("redis://localhost")
