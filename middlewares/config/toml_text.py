"""Read TOML with the places of its keys and values. Standard: TOML 1.0."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from .positions import Malformed, Place, Positions, locate

__all__ = ("parse_toml",)

_LONG_NUMBER = re.compile(r"[+-]?[0-9](?:_?[0-9]){640,}")  # the least limit that Python can be given

_MESSAGE = re.compile(r"(?s)(?P<reason>.*?)(?: \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\))?")


def parse_toml(text: str) -> tuple[dict[str, Any], Positions]:
    """Return the tables of a TOML text and where everything stands; raises `Malformed`."""
    # First, since it bounds the nesting: `tomllib` calls itself for each level, and copies long keys.
    positions = locate(text)
    try:
        return tomllib.loads(text), positions
    except tomllib.TOMLDecodeError as error:
        raise Malformed(_located(text, str(error))) from None
    except ValueError as error:
        # A decimal number beyond what Python converts, of which `tomllib` does not tell the place.
        place = positions.find(_LONG_NUMBER, text)
        words = str(error) if place is None else "an integer must fit 64 bits"
        raise Malformed((place, f"is not TOML: {words}")) from None


def _located(text: str, message: str) -> tuple[Place, str]:
    """Return `tomllib`'s message with the place apart."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None  # noqa: S101 - for the type checker: the pattern matches every text
    line, column = match["line"], match["column"]
    if line is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    return Place(int(line), int(column)), f"is not TOML: {match['reason']}"
