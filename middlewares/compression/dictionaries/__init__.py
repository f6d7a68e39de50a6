"""Compression Dictionary Transport: send what has changed since a version that the client holds already.

::

    dictionaries = Dictionaries([Dictionary(match="/static/app.*.js", path="releases/app")])

    codec = dictionaries.offer(scope, accept_encoding, available_dictionary)  # request: a codec, or None
    headers += dictionaries.announce(scope, status, headers)  # response: Use-As-Dictionary
    learner = dictionaries.learner(scope, status, headers)  # response: takes the body's bytes, or None

A `Dictionary` says which responses clients may keep as dictionaries and which later ones may use them;
`Dictionaries` holds their bytes for one layer, negotiates ``dcz`` and ``dcb``, and learns from responses.

Standard: RFC 9842.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .declaration import Dictionary, declare

if TYPE_CHECKING:
    from .dictionaries import Dictionaries
    from .learning import Learner

__all__ = ("Dictionaries", "Dictionary", "Learner", "declare")

_LAZY = {"Dictionaries": ".dictionaries", "Learner": ".learning"}  # the libraries of codings are behind the first


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
