"""Turn a configuration file into a `Stack`: `from_config("middlewares.toml")`."""

from __future__ import annotations

from .loader import from_config, load, load_middleware
from .model import Configuration

__all__ = ("Configuration", "from_config", "load", "load_middleware")
