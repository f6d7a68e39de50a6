"""Errors name owner, option, rule, value and hint, hold what was learned, and survive pickling."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from middlewares import ConfigError, MiddlewaresError, MissingExtra, OptionError
from middlewares.errors import OptionErrors, Problem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = {
    "options": OptionError("GZip", [Problem("minimum_size", "must not be negative", "-1"), Problem("x", "is unknown")]),
    "config": ConfigError("a.toml:1:1: one", "a.toml:2:1: two"),
    "extra": MissingExtra("GZip", "fast"),
}


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Problem("size", "is required"), "size is required"),
        (Problem("size", "must be positive", "-1"), "size must be positive; got -1"),
        (Problem("siz", "is unknown", hint="did you mean 'size'?"), "siz is unknown (did you mean 'size'?)"),
        (Problem("size", "must be big", "1", "try 2"), "size must be big; got 1 (try 2)"),
    ],
)
def test_a_problem_reads_as_a_sentence(problem: Problem, words: str):
    assert str(problem) == words


def test_an_option_error_has_a_line_for_each_problem():
    assert str(ERRORS["options"]) == "GZip: minimum_size must not be negative; got -1\nGZip: x is unknown"


def test_a_missing_extra_names_what_to_install():
    assert str(ERRORS["extra"]) == "GZip needs an optional dependency: pip install 'middlewares[fast]'"


@pytest.mark.parametrize(
    ("error", "kinds"),
    [("options", (ValueError,)), ("config", ()), ("extra", (ImportError,))],
)
def test_every_error_is_of_our_tree_and_of_the_kind_python_would_raise(error: str, kinds: tuple[type, ...]):
    assert isinstance(ERRORS[error], MiddlewaresError)
    assert all(isinstance(ERRORS[error], kind) for kind in kinds)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 - our own bytes
def test_errors_survive_copying_and_pickling(error: Exception, copied: Callable[[Exception], Exception]):
    """So they cross from a worker process to its parent."""
    twin = copied(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


# -- collecting


def test_nothing_is_raised_where_nothing_was_found():
    problems = OptionErrors("GZip")
    assert problems.check(True, "size", "must be positive", 1)
    problems.raise_if_any()


def test_all_that_was_found_is_raised_at_once():
    problems = OptionErrors("GZip")
    assert not problems.check(False, "size", "must be positive", -1, "try 1")
    problems.add("level", "must be from 1 to 9", "x")
    with pytest.raises(OptionError) as caught:
        problems.raise_if_any()
    assert caught.value.owner == "GZip"
    assert caught.value.problems == (
        Problem("size", "must be positive", "-1", "try 1"),
        Problem("level", "must be from 1 to 9", "'x'"),
    )


@dataclass
class Owner:
    """An object being built."""

    size: int = 1
    secret: str = field(default="", repr=False)


def test_the_owner_is_named_by_its_class():
    problems = OptionErrors(Owner())
    problems.add("size", "must be positive", -1)
    with pytest.raises(OptionError, match=r"^Owner: size must be positive; got -1$"):
        problems.raise_if_any()


def test_secrets_are_not_shown():
    problems = OptionErrors(Owner(secret="hunter2"))  # noqa: S106 - no secret of anybody
    problems.add("secret", "must have 32 characters", "hunter2")
    assert problems.found == [Problem("secret", "must have 32 characters")]


def test_long_values_are_cut():
    problems = OptionErrors("GZip")
    problems.add("names", "must be few", ["a"] * 1000)
    (problem,) = problems.found
    assert problem.value is not None
    assert len(problem.value) == 120
    assert problem.value.startswith("['a', 'a'")
    assert problem.value.endswith("…")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("allow_orgins", "did you mean 'allow_origins'?"),
        ("max-age", "did you mean 'max_age'?"),
        ("allow_origins", "did you mean 'allow_origins'?"),
        ("colour", None),
        ("", None),
    ],
)
def test_the_nearest_known_word_is_suggested(word: str, hint: str | None):
    assert did_you_mean(word, ("allow_origins", "allow_methods", "max_age")) == hint


def test_without_known_words_nothing_is_suggested():
    assert did_you_mean("size", ()) is None
