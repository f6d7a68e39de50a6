"""Write names as scrapers want them that know letters, digits and underscores alone.

Standard: Prometheus, "Escaping schemes".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("escaped",)

_METRIC: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SURROGATES: Final = range(0xD800, 0xE000)


def escaped(name: str, scheme: str, *, is_label: bool = False) -> str:
    """Return the name of a metric or a label in an escaping scheme."""
    legal = _LABEL if is_label else _METRIC
    if not name or scheme == "allow-utf-8" or (scheme != "dots" and legal.fullmatch(name)):
        return name
    write = _WRITE[scheme]
    # The first may not be a digit, which is fine behind another.
    characters = (
        character if character != "_" and legal.fullmatch(f"_{character}" if index else character) else write(character)
        for index, character in enumerate(name)
    )
    return ("U__" if scheme == "values" else "") + "".join(characters)


def _dotted(character: str) -> str:
    return "_dot_" if character == "." else "__"


def _valued(character: str) -> str:
    if character == "_":
        return "__"
    code = ord(character)
    return "_FFFD_" if code in _SURROGATES else f"_{code:x}_"


_WRITE: Final[dict[str, Callable[[str], str]]] = {"underscores": lambda _: "_", "dots": _dotted, "values": _valued}
