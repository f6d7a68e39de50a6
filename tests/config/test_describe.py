"""A stack is described the same way whether it was built in code or from a file, and written back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.middleware.trustedhost import TrustedHostMiddleware

from middlewares import CORS, GZip, Middleware, RateLimit, Sessions, Stack, Timeout, When
from middlewares.config import load
from middlewares.config.describe import describe, describe_configuration
from middlewares.config.writing import to_toml
from tests.config.files import FORMATS, write
from tests.config.test_faults import RIGHT

KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"

ENTRIES: list[dict[str, Any]] = [
    *RIGHT,
    {"use": "sessions", "secret_key": "${SECRET_KEY}", "max_age": None},
    {"use": "gzip", "minimum_size": "${SIZE:-100}", "enabled": "${ON:-true}", "id": 'a "b" \\ é\u007f'},
    {"use": "rate_limit", "store": "sqlite:///a.db", "limit": "5/second;7/hour", "max_wait": 0.5},
    {"use": "cors", "allow_origins": [f"https://{n}.a-rather-long-name.example" for n in range(9)]},
    {"use": "starlette.middleware:Middleware", "options": {"use": {"a b": [1, 2.5, True, None]}, "x": "${A:-$$}"}},
]


@pytest.mark.parametrize("name", FORMATS)
@given(entries=st.lists(st.sampled_from(ENTRIES), max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_written_file_is_a_fixed_point(name: str, entries: list[dict[str, Any]]) -> None:
    environment = {"SECRET_KEY": KEY, "SESSIONS_SECRET_KEY": KEY}
    write(name, {"middleware": entries})
    first = load(name, environment=environment)
    text = to_toml(first)
    Path("written.toml").write_text(text, encoding="utf-8")
    second = load("written.toml", environment=environment)
    assert to_toml(second) == text.replace(" # a secret that the file holds", "")
    assert [entry.fingerprint() for entry in second.entries] == [entry.fingerprint() for entry in first.entries]


def test_includes_defaults_stores_and_the_profile_are_written_in_their_places() -> None:
    Path("sub").mkdir()
    Path("sub/key").write_text(KEY)
    Path("sub/base.toml").write_text('[[middleware]]\nuse = "sessions"\nsecret_key = "${file:key}"')
    Path("m.toml").write_text(
        'include = "sub/base.toml"\n[defaults]\nstore = "main"\n[stores]\nmain = "sqlite:///${DB:-a}.db"\n'
        '[[middleware]]\nuse = "rate_limit"\n[profile.dev.middleware.rate_limit]\nlimit = "9/minute"\n'
    )
    configuration = load("m.toml", profile="dev", environment={})
    assert to_toml(configuration).splitlines() == [
        "[[middleware]]",
        'use = "sessions"',
        'secret_key = "${file:sub/key}"',
        'store = "sqlite:///${DB:-a}.db"',
        "",
        "[[middleware]]",
        'use = "rate_limit"',
        'limit = "9/minute"',
        'store = "sqlite:///${DB:-a}.db"',
    ]


def test_code_and_file_are_described_alike_but_for_the_sources() -> None:
    write(
        "m.toml",
        {
            "middleware": [
                {"use": "cors", "allow_origins": ["https://a.example"], "when": {"paths": ["/api/*"]}},
                {"use": "sessions", "secret_key": KEY, "store": "redis://u:pw@h/1", "max_age": None},
                {"use": "rate_limit", "rules": [{"limit": "1/hour", "paths": ["/x"]}], "key": "os.path:exists"},
                {"use": "timeout", "idle": 3},
                {"use": "starlette.middleware.trustedhost:TrustedHostMiddleware", "allowed_hosts": ["a.example"]},
                {"use": "gzip"},
            ]
        },
    )
    import posixpath

    stack = Stack(
        When(Middleware(CORS, allow_origins=("https://a.example",)), paths=["/api/*"]),
        Middleware(Sessions, secret_key=KEY, store="redis://u:pw@h/1", max_age=None),
        Middleware(RateLimit, rules=({"limit": "1/hour", "paths": ["/x"]},), key=posixpath.exists),
        Middleware(Timeout, idle=3),
        Middleware(TrustedHostMiddleware, allowed_hosts=["a.example"]),
        GZip,
    )
    in_code = [layer.lines(sources=False) for layer in describe(stack)]
    in_file = [layer.lines(sources=False) for layer in describe_configuration(load("m.toml"))]
    assert in_code == in_file
    assert in_file[1][0] == "Sessions  cost: network, waits for another machine"


def test_every_option_that_takes_effect_is_told_with_its_source() -> None:
    write("m.toml", {"middleware": [{"use": "gzip", "minimum_size": "${SIZE}"}]})
    [layer] = describe_configuration(load("m.toml", environment={"SIZE": "9"}))
    told = {row.name: (row.value, row.source) for row in layer.options}
    assert told["minimum_size"] == ("9", "m.toml:3:1, $SIZE")
    assert told["flush"] == ('"always"', "default")
    assert told["compresslevel"] == ("none", "default")


def test_a_stack_in_a_stack_is_described_inside() -> None:
    [layer] = describe(Stack(Stack(GZip, Timeout)))
    assert [inner.title for inner in layer.inner] == ["GZip", "Timeout"]
    assert any("Timeout" in line for line in layer.lines())
