"""An option accepts what its annotation says, and what is wrong is told in the words of whoever configures it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NewType, Optional, Protocol, TypedDict, runtime_checkable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.layer import Layer, placeholder
from middlewares.core.options import check_types, describe, matches, option_fields, option_types
from middlewares.errors import OptionError, OptionErrors


class Colour(Enum):
    RED = "red"


class Shaped(Protocol):
    size: int


@runtime_checkable
class Sized(Protocol):
    def __len__(self) -> int: ...


class Table(TypedDict):
    size: int


Seconds = NewType("Seconds", int)

STRING_LISTS = [[], (), ["a"], ("a", "b"), {"a"}, frozenset({"a"}), {"a": 1}.keys()]
NO_STRING_LISTS = ["a", b"a", bytearray(b"a"), memoryview(b"a"), {"a": 1}, [1], ["a", None], None, 1, iter(["a"])]


@pytest.mark.parametrize(
    ("hint", "words", "right", "wrong"),
    [
        (bool, "true or false", [True, False], [0, 1, "true", None]),
        (int, "an integer", [0, -1, 10**30], [True, False, 1.0, "1", None]),
        (float, "a number", [0, 0.5, 1, float("inf")], [True, "1", None, 1j]),
        (str, "a string", ["", "a"], [b"a", 1, None, ["a"]]),
        (bytes, "bytes", [b"", b"a"], ["a", bytearray(b"a"), None]),
        (type(None), "None", [None], [False, 0, ""]),
        (Literal["lax", "strict"], "one of 'lax', 'strict'", ["lax", "strict"], ["LAX", None, 1]),
        (Literal[1, "all"], "one of 1, 'all'", [1, "all"], [True, 1.0, "1"]),
        (int | None, "an integer or None", [1, None], [True, "1"]),
        (Optional[str], "a string or None", ["", None], [1]),  # noqa: UP045 - the older spelling is met too
        (int | Literal["auto"], "an integer or one of 'auto'", [1, "auto"], ["1", True]),
        (Collection[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (Sequence[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (Iterable[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (AbstractSet[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (frozenset[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (set[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (list[str], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (tuple[str, ...], "a list of strings", STRING_LISTS, NO_STRING_LISTS),
        (Collection[str] | None, "a list of strings or None", [None, ["a"]], ["a", [1]]),
        (Collection[str | bytes], "a list of strings or bytes", [["a", b"b"]], [[1], "a"]),
        (Collection[bool], "a list of booleans", [[True]], [[1]]),
        (Collection[int], "a list of integers", [[1]], [[True], ["1"]]),
        (Collection[float], "a list of numbers", [[1, 0.5]], [[True]]),
        (Collection[Any], "a list of anything", [[1, "a"]], ["a", None]),
        (Collection, "a list of anything", [[1, "a"]], ["a", None, {"a": 1}]),
        (list, "a list of anything", [[1, "a"], ()], ["a", None]),
        (tuple[int, str], "a list of an integer, a string", [(1, "a"), [1, "a"]], [(1,), ("a", 1), (1, "a", 2), "ab"]),
        (
            Collection[tuple[str, int]],
            "a list of lists of a string, an integer",
            [[("a", 1)], []],
            [[("a",)], [("a", "b")], ("a", 1)],
        ),
        (Collection[Collection[str]], "a list of lists of strings", [[["a"]], []], [["a"]]),
        (Collection[Callable[..., Any]], "a list of callables", [[len]], [[1]]),
        (Mapping[str, int], "a table of integers", [{}, {"a": 1}], [{"a": "1"}, {1: 1}, [("a", 1)], "a", None]),
        (MutableMapping[str, int], "a table of integers", [{"a": 1}], [{"a": True}]),
        (dict[str, str], "a table of strings", [{"a": "b"}], [{"a": 1}]),
        (dict, "a table of anything", [{"a": 1}, {1: "a"}], [[1]]),
        (Collection[Mapping[str, int]], "a list of tables of integers", [[{"a": 1}]], [[{"a": ""}], {"a": 1}]),
        (Callable[..., Any], "a callable", [len, Colour, lambda: 1], ["len", None]),
        (Callable, "a callable", [len], [1]),
        (re.Pattern[str], "Pattern", [re.compile("a")], ["a", None]),
        (Colour, "Colour", [Colour.RED], ["red", None]),
        (Collection[Colour], "a list of Colour objects", [[Colour.RED]], [["red"]]),
        (Sized, "Sized", ["", []], [1, None]),
        # What cannot be asked at run time is accepted.
        (Any, "anything", [1, None, "a"], []),
        (object, "object", [1, None, "a"], []),
        (Shaped, "Shaped", [1, None], []),
        (Table, "Table", [{"size": "x"}, None], []),
        (Seconds, "Seconds", [1, "x"], []),
    ],
    ids=str,
)
def test_annotations(hint: Any, words: str, right: list[Any], wrong: list[Any]):
    assert describe(hint) == words
    for value in right:
        assert matches(value, hint), value
    for value in wrong:
        assert not matches(value, hint), value


def test_the_options_of_a_class_are_what_its_constructor_takes_but_app():
    assert [option.name for option in option_fields(Example)] == ["size", "names", "secret", "keys"]
    assert option_types(Example) == {
        "size": int,
        "names": Collection[str] | None,
        "secret": str,
        "keys": Collection[str],
    }


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Example(Layer):
    """A layer with options of several kinds."""

    app: ASGIApp = field(kw_only=False)
    size: int = 1
    names: Collection[str] | None = ()
    secret: str = field(default="", repr=False)
    keys: Collection[str] = field(default=(), repr=False)
    _computed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def problems_of(**options: Any) -> list[str]:
    with pytest.raises(OptionError) as caught:
        Example(**{"app": placeholder, **options})
    return str(caught.value).splitlines()


def test_all_options_of_the_wrong_type_are_reported_at_once():
    assert problems_of(app=None, size="5", names=[1]) == [
        "Example: app must be an ASGI application; got None",
        "Example: size must be an integer; got '5'",
        "Example: names must be a list of strings or None; got [1]",
    ]


def test_a_string_for_a_list_is_refused_with_a_hint():
    """Python would take it for a list of its characters."""
    assert problems_of(names="https://a.example") == [
        "Example: names must be a list of strings or None; got 'https://a.example' (write ['https://a.example'])"
    ]


def test_a_hint_is_given_only_where_it_helps():
    assert problems_of(names=b"a") == ["Example: names must be a list of strings or None; got b'a'"]
    assert problems_of(size="a") == ["Example: size must be an integer; got 'a'"]
    assert "write" not in problems_of(names="a" * 81)[0]


def test_a_secret_is_not_shown_even_where_it_is_wrong():
    assert problems_of(secret=["hunter2"], keys="hunter2") == [
        "Example: secret must be a string",
        "Example: keys must be a list of strings",
    ]


def test_right_options_raise_nothing():
    Example(placeholder, size=5, names=None, secret="x", keys={"y"})  # noqa: S106 - no secret of anybody


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(anything, anything)
def test_no_value_breaks_the_check(value: Any, other: Any):
    with suppress(OptionError):
        Example(placeholder, size=value, names=other, keys=value)
