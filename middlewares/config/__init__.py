"""Turn a configuration file into a `Stack`: `from_config("middlewares.toml")`."""

from __future__ import annotations

from .app import ConfiguredApp
from .loader import PROFILE_VARIABLE, from_config, load, load_middleware
from .model import Configuration

__all__ = ("PROFILE_VARIABLE", "Configuration", "ConfiguredApp", "from_config", "load", "load_middleware")
