"""Types of command-line arguments."""

from __future__ import annotations

import argparse
from math import inf
from typing import TypeVar

__all__ = ("count", "milliseconds")

_Number = TypeVar("_Number", int, float)


def count(value: str) -> int:
    """Parse a whole number of at least one."""
    return _above_zero(int(value))


def milliseconds(value: str) -> float:
    """Parse a positive number."""
    return _above_zero(float(value))


def _above_zero(number: _Number) -> _Number:
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be positive; got {number}")
    return number
