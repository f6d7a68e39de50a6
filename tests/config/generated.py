"""Random configurations that are right, and what can be done to make them wrong."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

__all__ = ("KEY", "VARIABLES", "configurations", "junk", "paths_of")

KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"
VARIABLES = {"SIZE": "700", "ORIGIN": "https://b.example", "SWITCH": "off", "STORE": "memory://"}

_NUMBER: list[Any] = [0, 1, 5, 60, 700, "${SIZE}", "${MISSING:-3}"]
_SWITCH: list[Any] = [True, False, "${SWITCH}", "${MISSING:-true}"]
_PATHS: list[Any] = [["/"], ["/api/*", "/x"], ["/a/{id}"]]
_ORIGINS: list[Any] = [["https://a.example"], ["${ORIGIN}"], ["https://a.example", "http://localhost:3000"]]
_STORE: list[Any] = ["memory://", "sqlite:///x.db", "main", "other", "${STORE}"]

OPTIONS: dict[str, dict[str, list[Any]]] = {
    "gzip": {"minimum_size": _NUMBER, "compresslevel": [1, 6, None]},
    "compress": {"minimum_size": _NUMBER, "codings": [["gzip"], ["br", "gzip"]]},
    "cors": {
        "allow_origins": _ORIGINS,
        "max_age": [0, 60],
        "allow_credentials": _SWITCH,
        "policies": [[{"paths": ["/x"], "allow_origins": ["https://c.example"]}]],
    },
    "sessions": {"secret_key": [KEY, [KEY]], "secure": _SWITCH, "max_age": [60, None], "store": _STORE},
    "rate_limit": {"limit": ["5/second", "9/minute;2/second"], "store": _STORE, "rules": [[{"limit": "1/hour"}]]},
    "timeout": {"first_byte": [1, 1.5, "${SIZE}"], "idle": [2.5]},
    "drain": {"grace": [1, 2.5, "${SIZE}"]},
    "decompress": {"max_size": [1, 700, "${SIZE}"]},
    "starlette.middleware.trustedhost:TrustedHostMiddleware": {
        "allowed_hosts": [["a.example"], ["*"]],
        "www_redirect": _SWITCH,
    },
}
_REQUIRED = {
    "sessions": ("secret_key",),
    "rate_limit": ("limit",),
    "cors": ("allow_origins",),
}


def _table(draw: st.DrawFn, options: dict[str, list[Any]], always: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        name: copy.deepcopy(draw(st.sampled_from(values)))
        for name, values in options.items()
        if name in always or draw(st.booleans())
    }


def _when(draw: st.DrawFn) -> dict[str, Any]:
    matchers = {
        "paths": _PATHS,
        "exclude_paths": _PATHS,
        "methods": [["GET"], ["GET", "POST"]],
        "hosts": [["a.example"]],
    }
    return _table(draw, matchers, (draw(st.sampled_from([*matchers])),))


def _entry(draw: st.DrawFn, use: str) -> dict[str, Any]:
    options = _table(draw, OPTIONS[use], _REQUIRED.get(use, ()))
    entry: dict[str, Any] = {"use": use}
    if draw(st.booleans()):
        entry["enabled"] = draw(st.sampled_from(_SWITCH))
    if draw(st.booleans()):
        entry["when"] = _when(draw)
    if options and draw(st.integers(0, 3)) == 0:
        return entry | {"options": options}
    return entry | options


def _change(draw: st.DrawFn, use: str) -> dict[str, Any]:
    change = _entry(draw, use)
    del change["use"]
    return change


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Return a configuration that is right, where `VARIABLES` are set."""
    uses = draw(st.lists(st.sampled_from([*OPTIONS]), min_size=1, max_size=4, unique=True))
    data: dict[str, Any] = {"middleware": [_entry(draw, use) for use in uses]}
    data["stores"] = {"main": "memory://", "other": "${STORE}"}
    if draw(st.booleans()):
        ids = [f"id-{index}" for index in range(len(uses))]
        for name, entry in zip(ids, data["middleware"], strict=True):
            entry["id"] = name
    else:
        ids = uses
    if draw(st.booleans()):
        use = draw(st.sampled_from(uses))
        if "minimum_size" in OPTIONS[use]:
            data["defaults"] = {"minimum_size": draw(st.sampled_from(_NUMBER))}
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from([*zip(ids, uses, strict=True)]), max_size=2, unique=True))
        data["profile"] = {
            "base": {"middleware": {label: _change(draw, use) for label, use in chosen}},
            "dev": {"inherits": "base", "stores": {"main": "sqlite:///dev.db"}},
        }
    return data


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything inside of a value."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [found for key, below in inner for found in ((*path, key), *paths_of(below, (*path, key)))]


junk: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2.5, 10**6, "", "text", "${SIZE}", "$${SIZE}", "$$", [], [1], ["text"], [[]], {}, {"a": 1}]
)
"""Values that fit some options, and not others."""
