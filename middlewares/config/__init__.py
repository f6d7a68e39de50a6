"""Turn a configuration file into a `Stack`: `from_config("middlewares.toml")`."""

from __future__ import annotations

from .loader import from_config

__all__ = ("from_config",)
