"""What the options must be, and where keys may come from."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from middlewares import MissingExtra, OptionError, Sessions
from tests.sessions.sites import KEY, OLD_KEY, Site


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"secret_key": ""}, "secret_key must", id="empty key"),
        pytest.param({"secret_key": []}, "secret_key must not be empty", id="no key"),
        pytest.param({"secret_key": "short"}, "secret_key must have at least 32 bytes", id="short key"),
        pytest.param({"secret_key": [KEY, ""]}, r"key 2 of 2", id="empty among others"),
        pytest.param({"secret_key": f"{KEY},{OLD_KEY}"}, "secret_key must hold no comma", id="commas"),
        pytest.param({"secret_key": "a" * 40}, "secret_key must be random", id="one letter"),
        pytest.param({"secret_key": "env:NO_SUCH_VARIABLE"}, "secret_key cannot be read", id="not in the environment"),
        pytest.param({"secret_key": "file:/no/such/file"}, "secret_key cannot be read", id="no such file"),
        pytest.param({"secret_key": 5}, "secret_key must be a string", id="a number for a key"),
        pytest.param({"session_cookie": "__Host-x", "path": "/app"}, "path must be '/'", id="__Host- with a path"),
        pytest.param({"session_cookie": "__hOsT-x", "domain": "a.example"}, "domain must be None", id="any case"),
        pytest.param({"session_cookie": "__Secure-x", "secure": False}, "secure must be True", id="__Secure-"),
        pytest.param({"secure": False, "same_site": "none"}, "secure must be True", id="SameSite=None"),
        pytest.param({"secure": False, "partitioned": True}, "secure must be True", id="Partitioned"),
        pytest.param({"session_cookie": "a b"}, "session_cookie must be a token", id="no name"),
        pytest.param({"path": "app"}, "path must begin with '/'", id="path"),
        pytest.param({"domain": ".example.com"}, "domain must be a host", id="domain"),
        pytest.param({"max_age": 0}, "max_age must be more", id="max_age"),
        pytest.param({"absolute_max_age": -1}, "absolute_max_age must be more", id="absolute_max_age"),
        pytest.param({"refresh": 2.0}, "refresh must be from 0 to 1", id="refresh"),
        pytest.param({"store": "mysql://"}, "store must be the URL", id="store"),
        pytest.param({"store": 5}, "store must be", id="no store at all"),
        pytest.param({"revocations": "nothing"}, "revocations must be the URL", id="revocations"),
        pytest.param({"oversize": "spill"}, "oversize 'spill' needs", id="spill without a store"),
        pytest.param({"store": "memory://", "oversize": "chunk"}, "oversize 'chunk' is for", id="chunks in a store"),
        pytest.param({"store": "memory://", "encrypted": True}, "encrypted is for", id="encrypted store"),
        pytest.param({"store": "memory://", "revocations": "memory://"}, "revocations is for", id="revoked store"),
        pytest.param({"renewal_age": 60}, "renewal_age needs", id="renewal without a store"),
        pytest.param({"https_only": True, "secure": False}, "https_only must not", id="contradiction"),
        pytest.param({"secret_key": {KEY, OLD_KEY}}, "secret_key must be a list: the first", id="no first key"),
        pytest.param(
            {"secret_key": "File:/run/secrets/session_keys_of_the_shop"}, "in lower case", id="a misspelt file"
        ),
        pytest.param({"secret_key": "file:\0"}, "secret_key cannot be read", id="no path"),
        pytest.param({"secret_key": f"{KEY}\udcff"}, "secret_key must be text", id="no text"),
        pytest.param({"old_secret_key": ""}, "old_secret_key must not be empty", id="empty old key"),
        pytest.param({"old_secret_key": "env:NO_SUCH_VARIABLE"}, "old_secret_key cannot be read", id="no old key"),
        pytest.param({"store_deadline": float("inf")}, "store_deadline must be more", id="no deadline"),
        pytest.param({"same_site": "Lax"}, "same_site must be one of", id="same_site"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_built(options: dict[str, Any], named: str) -> None:
    async def app(*_: Any) -> None: ...

    with pytest.raises(OptionError, match=named) as caught:
        Sessions(app, **{"secret_key": KEY, **options})
    assert "short" not in str(caught.value)
    assert OLD_KEY not in str(caught.value)


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MissingExtra, match=r"middlewares\[encrypted\]"):
        Site(encrypted=True)


def test_keys_may_stand_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SESSION_KEY", KEY)
    (tmp_path / "keys").write_text(f"{KEY}\n{OLD_KEY}\n")
    assert Site(secret_key="env:" + "SESSION_KEY").layer._keeper.is_like(Site().layer._keeper)
    expected = Site(secret_key=[KEY, OLD_KEY]).layer._keeper
    assert Site(secret_key=f"file:{tmp_path}/keys").layer._keeper.is_like(expected)


def test_no_key_shows_in_the_repr() -> None:
    shown = repr(Site(store="redis://user:password@localhost").layer)
    assert KEY not in shown
    assert "password" not in shown
