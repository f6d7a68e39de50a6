"""What a middleware declares of its options: their names, annotations, defaults and texts.

Ours declare them by their fields. Of any other class or factory, the parameters behind the application are the
options; one without a usable annotation is of the type of its default.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import MISSING
from functools import cache
from typing import Any

from middlewares.core.layer import is_self_checking
from middlewares.core.option_docs import OptionDoc, option_docs
from middlewares.core.options import describe, option_types

__all__ = ("option_hints", "options_of", "summary_of")


@cache
def option_hints(cls: Any) -> dict[str, Any]:
    """Return the annotation of each option of a middleware."""
    if is_self_checking(cls):
        return option_types(cls)
    return {parameter.name: _hint(cls, parameter) for parameter in _parameters(cls)}


def options_of(cls: Any) -> tuple[OptionDoc, ...]:
    """Return the options of a middleware, with their texts where it is ours."""
    if is_self_checking(cls):
        return option_docs(cls)
    hints = option_hints(cls)
    return tuple(
        OptionDoc(one.name, describe(hints[one.name]), MISSING if one.default is one.empty else one.default, "")
        for one in _parameters(cls)
    )


def summary_of(cls: Any) -> str:
    """Return the first paragraph of a middleware's docstring, in one line."""
    text = inspect.getdoc(cls) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def _parameters(cls: Any) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(cls).parameters.values())[1:]  # the first is the application
    except (TypeError, ValueError):
        return []
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter for parameter in parameters if parameter.kind in by_name]


def _hint(cls: Any, parameter: inspect.Parameter) -> Any:
    """Return the annotation of a parameter; what it cannot be resolved to, its default tells, else `Any`."""
    function = cls.__init__ if inspect.isclass(cls) else cls
    # One by one, since many an annotation names what only a type checker imports.
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    if parameter.annotation is not parameter.empty:
        try:
            return typing.get_type_hints(holder, getattr(function, "__globals__", {}))[parameter.name]
        except Exception:  # noqa: BLE001 - annotations that are not ours may be any expression
            return _type_of(parameter.default)
    return _type_of(parameter.default)


def _type_of(default: Any) -> Any:
    return type(default) if isinstance(default, (bool, int, float, str)) else Any
