"""What a file says and does not use is checked for names and types, and not for what may be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewares import ConfigError
from middlewares.config import load

GZIP = '[[middleware]]\nuse = "gzip"\nminimum_size = 1\n'
LIMIT = '[[middleware]]\nuse = "rate_limit"\n'


def problems_of(text: str, profile: str | None = None) -> list[str]:
    Path("m.toml").write_text(text)
    try:
        load("m.toml", profile=profile, environment={})
    except ConfigError as error:
        return list(error.problems)
    return []


CHANGES = {
    "an unknown option": ("minimum_siz = 1", "5:1: {}: unknown option 'minimum_siz'; did you mean 'minimum_size'?"),
    "a wrong type": ('minimum_size = "big"', "5:16: {}: minimum_size must be an integer; got 'big'"),
    "a wrong type in a list": (
        "include_types = [1]",
        "5:17: {}: include_types must be a list of strings; got [1]",
    ),
    "a wrong switch": ('enabled = "no"', "5:11: {}: enabled must be true or false; got 'no'"),
    "an unknown matcher": ("when = { path = 1 }", "5:10: {}: unknown option 'when.path'; did you mean 'paths'?"),
    "a wrong matcher": ('when = { paths = "/a" }', "5:18: {}: when.paths must be a list of strings; got '/a'"),
    "no matcher": ("when = {}", "5:8: {}: when must hold at least one of paths, exclude_paths, methods, hosts"),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_a_profile_that_is_not_chosen_is_checked(change: str, told: str) -> None:
    text = f"{GZIP}[profile.dev.middleware.gzip]\n{change}\n[profile.prod]\n"
    expected = ["m.toml:" + told.format("profile dev (gzip)")]
    assert problems_of(text) == problems_of(text, "prod") == expected


@pytest.mark.parametrize(
    "change",
    [
        'minimum_size = "${MISSING}"',
        'enabled = "${MISSING}"',
        'when = { paths = ["${file:missing}"] }',
        'predicate = "missing_module:function"',
    ],
)
def test_what_another_profile_needs_may_be_missing(change: str) -> None:
    text = f"{GZIP}[profile.dev.middleware.gzip]\n{change}\n"
    assert problems_of(text) == []
    assert len(problems_of(text, "dev")) == 1


def test_what_the_chosen_profile_replaces_is_checked() -> None:
    text = (
        '[[middleware]]\nuse = "gzip"\nminimum_size = "big"\nenabled = 3\n'
        "[profile.dev.middleware.gzip]\nminimum_size = 1\nenabled = true\n"
    )
    assert problems_of(text, "dev") == problems_of(text)
    assert len(problems_of(text)) == 2


@pytest.mark.parametrize("profile", [None, "dev"])
def test_a_default_that_all_set_for_themselves_is_checked(profile: str | None) -> None:
    text = f'{GZIP}[defaults]\nminimum_size = "big"\n[profile.dev.defaults]\nminimum_size = 2.5\nminimum_siz = 1\n'
    assert problems_of(text, profile) == [
        "m.toml:5:16: defaults: minimum_size must be an integer; got 'big'",
        "m.toml:7:16: profile dev: minimum_size must be an integer; got 2.5",
        "m.toml:8:1: profile dev: unknown option 'minimum_siz': no entry takes it; did you mean 'minimum_size'?",
    ]


@pytest.mark.parametrize("section", ["stores", "profile.dev.stores"])
def test_a_store_that_nobody_names_is_checked(section: str) -> None:
    assert problems_of(f"{LIMIT}[{section}]\nmain = 5\n") == [
        f"m.toml:4:8: {'profile dev: ' if 'dev' in section else ''}stores.main must be a string, the URL of a store"
    ]


def test_a_value_that_only_code_can_give_is_none_for_a_file() -> None:
    assert problems_of(f"{LIMIT}[profile.dev.middleware.rate_limit]\nstore = 5\n") == [
        "m.toml:4:9: profile dev (rate_limit): store must be a string or MemoryLimits or SharedLimits"
    ]


BOUNDS = {
    "entries": (GZIP * 257, "m.toml:769:1: middleware: more than 256 entries"),
    "profiles": (
        GZIP + "".join(f"[profile.p{number}]\n" for number in range(257)),
        "m.toml:260:1: profile: more than 256 profiles",
    ),
    "stores": (
        GZIP + "[stores]\n" + "".join(f's{number} = "memory://"\n' for number in range(257)),
        "m.toml:4:1: stores: more than 256 stores",
    ),
}


@pytest.mark.parametrize(("text", "told"), BOUNDS.values(), ids=BOUNDS.keys())
def test_how_much_there_may_be_is_bounded(text: str, told: str) -> None:
    assert problems_of(text) == [told]
