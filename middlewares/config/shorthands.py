"""Keys at the top of a file that stand for several entries: ``observability = true``."""

from __future__ import annotations

from typing import Final

__all__ = ("SHORTHANDS",)

SHORTHANDS: Final[dict[str, tuple[str, ...]]] = {
    "observability": ("request_id", "access_log", "tracing", "metrics"),
}
"""The built-in middlewares that a key stands for, outermost first. They stand outside of all entries of the file."""
