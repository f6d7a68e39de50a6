"""Keys at the top of a file that stand for several entries: ``observability = true``."""

from __future__ import annotations

from typing import Final

from middlewares.observability import OBSERVABILITY

__all__ = ("SHORTHANDS",)

SHORTHANDS: Final[dict[str, tuple[str, ...]]] = {
    "observability": OBSERVABILITY,
}
"""The built-in middlewares that a key stands for, outermost first. They stand outside of all entries of the file."""
