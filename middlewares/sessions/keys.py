"""Secret keys: what is refused as one, and what is derived from it, once, when the layer is built."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ("derive", "key_problem", "read_keys")

_FEWEST_BYTES: Final = 32
_FEWEST_DIFFERENT: Final = 8
_SOURCES: Final = ("env:", "file:")


def read_keys(given: str | Collection[str]) -> tuple[str, ...]:
    """Return the keys that an option names: one, or several of which the first signs and all verify.

    ``env:NAME`` is read from the environment, and ``file:PATH`` from a file with one key per line, so that no key
    need stand in a configuration file. Raises `LookupError` or `OSError` with the name of what is not there, and
    `ValueError` for what is no path or no text.
    """
    found: list[str] = []
    for key in [given] if isinstance(given, str) else given:
        if key.startswith("env:"):
            if key[4:] not in os.environ:
                raise LookupError(f"the environment has no {key[4:]!r}")
            found.append(os.environ[key[4:]])
        elif key.startswith("file:"):
            found += [line for line in map(str.strip, Path(key[5:]).read_text().splitlines()) if line]
        else:
            found.append(key)
    return tuple(found)


def key_problem(key: str) -> str | None:
    """Return why a key cannot be right, without showing it; ``None`` if it can."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "must be text in UTF-8"
    if key.lower().lstrip().startswith(_SOURCES):
        return "must name its source in lower case, without spaces in front: 'env:NAME' or 'file:PATH'"
    if "," in key:
        return "must hold no comma: several keys are written as a list"
    if length < _FEWEST_BYTES:
        return f"must have at least {_FEWEST_BYTES} bytes, and has {length}"
    if len(set(key)) < _FEWEST_DIFFERENT:
        return f"must be random, and has only {len(set(key))} different characters"
    return None


def derive(key: str, purpose: str, cookie: str) -> bytes:
    """Return the key of 256 bits for one purpose and one cookie, from which no other can be told.

    What is signed elsewhere with the same secret, or for a cookie of another name, is not genuine here.
    Standard: RFC 5869, 2.3, with the secret as the pseudorandom key and one block of output.
    """
    info = f"middlewares.sessions\0{purpose}\0{cookie}\0\x01".encode()
    return hmac.digest(key.encode(), info, "sha256")
