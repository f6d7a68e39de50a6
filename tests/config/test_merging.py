"""Includes, defaults, stores, profiles and shorthands come together in the entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from middlewares import ConfigError, from_config, registry
from middlewares.config import load
from middlewares.config.resolve import resolve_middleware

KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"
SESSIONS = f'[[middleware]]\nuse = "sessions"\nsecret_key = "{KEY}"\n'


def problems_of(text: str, **options: Any) -> list[str]:
    Path("m.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load("m.toml", environment={}, **options)
    return list(caught.value.problems)


def drawn(text: str, profile: str | None = None) -> str:
    Path("m.toml").write_text(text)
    return str(from_config("m.toml", profile=profile))


# -- include


def test_entries_of_an_included_file_stand_outside() -> None:
    Path("parts").mkdir()
    Path("parts/a.yaml").write_text("middleware:\n- use: gzip\ninclude: b.json\n")
    Path("parts/b.json").write_text('{"middleware": [{"use": "drain"}]}')
    tree = drawn('include = ["parts/a.yaml"]\n[[middleware]]\nuse = "timeout"\n')
    assert tree == "Stack\n├─ Drain()\n├─ GZip()\n└─ Timeout()"


def test_a_file_may_hold_nothing_but_includes() -> None:
    Path("a.toml").write_text('[[middleware]]\nuse = "gzip"')
    assert drawn('include = "a.toml"') == "Stack\n└─ GZip()"


def test_a_file_that_is_included_twice_counts_once() -> None:
    Path("a.toml").write_text('[[middleware]]\nuse = "gzip"')
    Path("b.toml").write_text('include = "a.toml"\nmiddleware = []')
    assert drawn('include = ["a.toml", "b.toml"]') == "Stack\n└─ GZip()"


def test_problems_of_included_files_name_those() -> None:
    Path("bad.toml").write_text("a = = 1")
    Path("wrong.toml").write_text('[[middleware]]\nuse = "gzp"')
    Path("again.toml").write_text('include = "m.toml"\nmiddleware = []')
    text = 'include = ["bad.toml", "wrong.toml",\n"none.toml", "again.toml"]\nmiddleware = 1\n'
    assert problems_of(text) == [
        "bad.toml:1:5: is not TOML: Invalid value",
        "m.toml:2:1: include: none.toml: there is no such file",
        "m.toml:3:14: middleware must be an array of tables: write [[middleware]]",
        "wrong.toml:2:7: middleware[1]: unknown middleware 'gzp'; did you mean 'gzip'?",
        "again.toml:1:11: include: 'm.toml' includes this file, so neither can be read first",
    ]


@pytest.mark.parametrize("written", ["1", '["a", 1]', "{}"])
def test_an_include_must_be_names(written: str) -> None:
    assert problems_of(f"include = {written}\nmiddleware = []") == [
        "m.toml:1:11: include must be a file name, or a list of them"
    ]


def test_endless_includes_are_refused() -> None:
    for number in range(40):
        Path(f"{number}.toml").write_text(f'include = "{number + 1}.toml"\nmiddleware = []')
    assert problems_of('include = "0.toml"\nmiddleware = []')[0].endswith("include: more than 32 files")


# -- defaults and stores


def test_defaults_are_for_entries_that_take_them_and_do_not_set_them() -> None:
    text = f'[defaults]\nsecret_key = "{KEY}"\nmax_age = 60\n[[middleware]]\nuse = "sessions"\nmax_age = 5\n'
    text += '[[middleware]]\nuse = "cors"\n[[middleware]]\nuse = "gzip"\n'
    assert drawn(text) == "Stack\n├─ Sessions(max_age=5, secret_key=…)\n├─ CORS(max_age=60)\n└─ GZip()"


def test_a_default_that_nobody_takes_is_told() -> None:
    assert problems_of('[[middleware]]\nuse = "gzip"\n[defaults]\nminimum_siz = 1') == [
        "m.toml:4:1: defaults: unknown option 'minimum_siz': no entry takes it; did you mean 'minimum_size'?"
    ]


def test_a_wrong_default_is_told_once_where_it_stands() -> None:
    text = '[[middleware]]\nuse = "gzip"\n[[middleware]]\nuse = "zstd"\n[defaults]\nminimum_size = "x"'
    assert problems_of(text) == ["m.toml:6:16: middleware[1] (gzip): minimum_size must be an integer; got 'x'"]


def test_a_store_has_a_name() -> None:
    text = f'{SESSIONS}store = "main"\n[[middleware]]\nuse = "rate_limit"\nstore = "main"\n[stores]\nmain = "sqlite:///a.db"'
    Path("m.toml").write_text(text)
    entries = load("m.toml").entries
    assert [entry.options["store"].value for entry in entries] == ["sqlite:///a.db"] * 2


def test_a_store_without_a_name_is_told() -> None:
    text = '[stores]\nmain = "memory://"\n[[middleware]]\nuse = "rate_limit"\nstore = "mian"'
    assert problems_of(text) == [
        "m.toml:5:9: middleware[1] (rate_limit): store names no store under [stores]: 'mian'; did you mean 'main'?"
    ]


def test_a_wrong_store_is_told_where_its_url_stands() -> None:
    text = '[stores]\nmain = "ftp://x"\n[[middleware]]\nuse = "rate_limit"\nstore = "main"'
    assert problems_of(text)[0].startswith("m.toml:2:8: middleware[1] (rate_limit): store must be the URL of a store")


# -- profiles

PROFILES = f"""
{SESSIONS}
[[middleware]]
use = "cors"
id = "public"
allow_origins = ["https://shop.example"]

[[middleware]]
use = "gzip"
enabled = false

[profile.local.middleware.sessions]
secure = false

[profile.dev]
inherits = "local"
defaults = {{ max_age = 1 }}

[profile.dev.middleware.public]
allow_origins = ["http://localhost:3000"]
when = {{ paths = ["/api/*"] }}

[profile.dev.middleware.gzip]
enabled = true
"""


def test_a_profile_changes_entries_where_they_stand() -> None:
    assert drawn(PROFILES) == "Stack\n├─ Sessions(secret_key=…)\n└─ CORS(allow_origins=['https://shop.example'])"
    assert drawn(PROFILES, "dev").splitlines() == [
        "Stack",
        "├─ Sessions(secret_key=…, secure=False, max_age=1)",
        "├─ When(paths=['/api/*'])",
        "│  └─ CORS(allow_origins=['http://localhost:3000'], max_age=1)",
        "└─ GZip()",
    ]


def test_an_id_is_not_the_name_of_another_middleware() -> None:
    assert problems_of('[[middleware]]\nuse = "cors"\nid = "gzip"') == [
        "m.toml:3:6: middleware[1]: id must not be the name of another middleware; got 'gzip'"
    ]


def test_the_environment_chooses_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWARES_PROFILE", "local")
    assert "secure=False" in drawn(PROFILES)
    assert "GZip" in drawn(PROFILES, "dev")  # what is named counts more


def test_an_unknown_profile_is_told() -> None:
    assert problems_of(PROFILES, profile="dve") == ["m.toml: there is no profile 'dve'; did you mean 'dev'?"]
    assert problems_of("middleware = []", profile="dev") == ["m.toml: there is no profile 'dev'; the file has none"]


def test_profiles_are_checked_though_they_are_not_chosen() -> None:
    text = """
    [[middleware]]
    use = "gzip"
    [[middleware]]
    use = "cors"
    [[middleware]]
    use = "cors"
    [profile.a]
    inherits = "b"
    default = {}
    [profile.b]
    inherits = "a"
    [profile.c]
    inherits = "d"
    [profile.c.middleware.gzp]
    [profile.c.middleware.cors]
    [profile.c.middleware.gzip]
    minimum_siz = 1
    use = "zstd"
    [profile]
    e = 1
    """
    text = text.replace("    ", "").replace("[profile]\ne = 1\n", "")
    assert problems_of("profile.e = 1\n" + text) == [
        "m.toml:1:13: profile e: must be a table of inherits, defaults, stores, middleware",
        "m.toml:10:12: profile a: profile 'a' inherits from itself",
        "m.toml:11:1: profile a: unknown option 'default'; did you mean 'defaults'?",
        "m.toml:13:12: profile b: profile 'b' inherits from itself",
        "m.toml:15:12: profile c: there is no profile 'd'",
        "m.toml:16:23: profile c: there is no entry 'gzp'; did you mean 'gzip'?",
        "m.toml:17:23: profile c: means 2 entries: give each of them an id",
        "m.toml:19:1: profile c (gzip): unknown option 'minimum_siz'; did you mean 'minimum_size'?",
        "m.toml:20:1: profile c (gzip): unknown option 'use'",
    ]


def test_a_profile_of_an_included_file_is_the_same_profile() -> None:
    Path("base.toml").write_text('[[middleware]]\nuse = "gzip"\n[profile.dev.middleware.gzip]\nminimum_size = 1')
    text = 'include = "base.toml"\n[profile.dev.middleware.gzip]\ncompresslevel = 2'
    assert drawn(text, "dev") == "Stack\n└─ GZip(minimum_size=1, compresslevel=2)"


# -- shorthands and plugins


@pytest.fixture
def _layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stand-ins have the names that `observability` stands for."""
    for name, like in {"request_id": "gzip", "access_log": "timeout", "tracing": "drain", "metrics": "cors"}.items():
        monkeypatch.setitem(registry.BUILTIN, name, registry.BUILTIN[like])


@pytest.mark.usefixtures("_layers")
@pytest.mark.parametrize(
    ("written", "tree"),
    [
        ("true", ["Drain()", "GZip()", "Timeout()", "CORS()", "Zstd()"]),
        ('"${UNSET:-on}"', ["Drain()", "GZip()", "Timeout()", "CORS()", "Zstd()"]),
        ("false", ["Zstd()"]),
        ("{ tracing = false, metrics = { max_age = 7 } }", ["GZip()", "Timeout()", "CORS(max_age=7)", "Zstd()"]),
    ],
)
def test_a_shorthand_stands_for_several_entries(written: str, tree: list[str]) -> None:
    text = drawn(f'observability = {written}\n[[middleware]]\nuse = "zstd"')
    assert [line[3:] for line in text.splitlines()[1:]] == tree


@pytest.mark.usefixtures("_layers")
def test_what_the_file_lists_itself_stays_there() -> None:
    text = drawn(
        'observability = true\n[[middleware]]\nuse = "metrics"\nmax_age = 3\n[profile.p.middleware.tracing]\ngrace=1',
        "p",
    )
    assert text.splitlines()[1:] == ["├─ Drain(grace=1)", "├─ GZip()", "├─ Timeout()", "└─ CORS(max_age=3)"]


@pytest.mark.usefixtures("_layers")
def test_what_is_wrong_with_a_shorthand_is_told() -> None:
    assert problems_of("observability = 3\nmiddleware=[]") == [
        "m.toml:1:17: observability must be true or false, or a table of tracing, request_id, access_log, metrics"
    ]
    assert problems_of("observability = {metric = 1, tracing = 2, metrics = {max_ag = 1}}\nmiddleware=[]") == [
        "m.toml:1:18: unknown option 'observability.metric'; did you mean 'metrics'?",
        "m.toml:1:40: tracing must be true or false, or a table of options",
        "m.toml:1:54: observability (metrics): unknown option 'max_ag'; did you mean 'max_age'?",
    ]


def test_packages_offer_middlewares_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    plugin = importlib.metadata.EntryPoint("shiny", "starlette.middleware.gzip:GZipMiddleware", "middlewares.plugins")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [plugin] if group == plugin.group else [])
    assert resolve_middleware("shiny").__name__ == "GZipMiddleware"
    assert problems_of('[[middleware]]\nuse = "shinny"') == [
        "m.toml:2:7: middleware[1]: unknown middleware 'shinny'; did you mean 'shiny'?"
    ]


@pytest.mark.usefixtures("_layers")
def test_the_switches_of_a_shorthand_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ON", "no")
    text = 'observability = {{ metrics = "{}", tracing = false }}\nmiddleware = []'
    assert "Tracing" not in drawn(text.format("${ON}"))
    assert len(drawn(text.format("${ON}")).splitlines()) == len(drawn(text.format("${ON_:-yes}")).splitlines()) - 1
    assert problems_of(text.format("${MISSING}")) == [
        (
            "m.toml:1:29: observability.metrics needs the variable MISSING, which is not set; "
            "set it, or write ${MISSING:-default}"
        )
    ]


@pytest.mark.usefixtures("_layers")
def test_a_shorthand_whose_variable_is_missing_is_told_once() -> None:
    [problem] = problems_of('observability = "${MISSING}"\nmiddleware = []')
    assert problem.startswith("m.toml:1:17: observability needs the variable MISSING")
