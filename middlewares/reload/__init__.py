"""Exchange the stack around an application while it serves: no request is dropped, and what did not change lives on."""

from __future__ import annotations

from .app import ReloadingApp
from .watch import FileWatch

__all__ = ("FileWatch", "ReloadingApp")
