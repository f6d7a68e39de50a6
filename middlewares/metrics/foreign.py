"""Write the metrics that others keep in a registry: as prometheus_client writes them, and in a thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from .exposition import EOF
from .homes import IS_LEFT_OUT
from .store import DIRECTORY_VARIABLE

if TYPE_CHECKING:
    from .formats import Format

__all__ = ("write_foreign",)


def write_foreign(registry: CollectorRegistry, form: Format, names: frozenset[str] | None) -> bytes:
    """Return the text of all in a registry that is not ours, without the end of OpenMetrics."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    shown: Any = registry
    if directory and Path(directory).is_dir():
        # Each process has its own numbers in the registry; those of all are in files.
        shown = CollectorRegistry(support_collectors_without_names=True)
        MultiProcessCollector(shown, directory)  # type: ignore[no-untyped-call] # it has no annotations
    if names is not None:
        shown = shown.restricted_registry(names)
    encode, _ = choose_encoder(form.content_type)
    token = IS_LEFT_OUT.set(True)
    try:
        text: bytes = encode(shown)
    finally:
        IS_LEFT_OUT.reset(token)
    return text.removesuffix(EOF)
