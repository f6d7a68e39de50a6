"""What a middleware says of its own options is read from its class, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, field, make_dataclass
from typing import Literal

import pytest

from middlewares.asgi import ASGIApp
from middlewares.core.option_docs import OptionDoc, option_docs
from middlewares.core.options import option_fields
from middlewares.registry import BUILTIN, load_builtin


@dataclass(frozen=True, kw_only=True)
class Base:
    app: ASGIApp = field(kw_only=False)
    size: int = 5
    """Bytes
    that are `kept`."""
    names: Collection[str] = ("a", "b")
    """Names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub(Base):
    """A docstring of the class, which is no option's."""

    names: Collection[str] = ()
    """Other names."""
    secret: str
    mode: Literal["x", "y"] = "x"
    assert mode  # a statement under a field that is no docstring
    key: Callable[[object], str] | None = None
    """A key."""
    listed: list[int] = field(default_factory=lambda: [1])
    """A fresh list."""
    _computed: int = field(init=False, repr=False)
    """Not an option."""


def test_options_are_read_from_the_class_and_its_bases() -> None:
    assert option_docs(Sub) == (
        OptionDoc("size", "an integer", 5, "Bytes that are `kept`."),
        OptionDoc("names", "a list of strings", (), "Other names."),
        OptionDoc("secret", "a string", MISSING, ""),
        OptionDoc("mode", "one of 'x', 'y'", "x", ""),
        OptionDoc("key", "a callable or None", None, "A key."),
        OptionDoc("listed", "a list of integers", [1], "A fresh list."),
    )


def test_an_option_without_a_default_is_required() -> None:
    assert [option.name for option in option_docs(Sub) if option.is_required] == ["secret"]


def test_a_class_without_source_has_its_options_without_their_texts() -> None:
    made = make_dataclass("Made", [("app", ASGIApp), ("size", int, 3)])
    assert option_docs(made) == (OptionDoc("size", "an integer", 3, ""),)


def test_what_is_no_dataclass_is_refused() -> None:
    with pytest.raises(TypeError):
        option_docs(int)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_option_of_every_middleware_says_what_it_is(name: str) -> None:
    cls = load_builtin(name)
    docs = option_docs(cls)
    assert [option.name for option in docs] == [field.name for field in option_fields(cls)]
    assert [option.name for option in docs if not option.doc.endswith(".")] == []
