"""What a layer costs a request, in classes that matter when one chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from middlewares.core.layer import is_self_checking
from middlewares.core.options import option_fields
from middlewares.order.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Entry

__all__ = ("COSTS", "cost_of", "is_store_option", "memory_stores")

COSTS: Final = {
    "light": "microseconds",
    "body": "grows with the body",
    "disk": "waits for a file on this machine",
    "network": "waits for another machine",
    "unknown": "not ours; measure it with `middlewares bench`",
}
"""Every class, and what it means. `middlewares bench` measures what it comes to."""

_BODY_ROLES = ("compression", "decompress", "body_rewrite", "etag", "cache", "signature", "base_http")


def cost_of(cls: Any, options: Mapping[str, Any]) -> str:
    """Return the class of a layer: of the store it asks, else of what it does.

    A class of a third party tells its own by an attribute ``cost``.
    """
    declared = getattr(cls, "cost", None)
    if isinstance(declared, str) and declared in COSTS:
        return declared
    stores = [_store_cost(value) for name, value in options.items() if is_store_option(name)]
    for cost in ("network", "disk"):
        if cost in stores:
            return cost
    role = role_of(cls, options, {})
    if role in _BODY_ROLES:
        return "body"
    return "light" if is_self_checking(cls) else "unknown"


def is_store_option(name: str) -> bool:
    """Return whether an option takes the URL of a store, or the name of one under ``[stores]``."""
    return name in ("store", "revocations") or name.endswith("_store")


def memory_stores(entry: Entry) -> list[str]:
    """Return the options of an entry whose store is in the memory of one process, by default too."""
    if not is_self_checking(entry.cls):
        return []
    defaults = {option.name: option.default for option in option_fields(entry.cls)}
    given = defaults | {name: setting.value for name, setting in entry.options.items()}
    return [
        name
        for name, value in given.items()
        if is_store_option(name) and isinstance(value, str) and value.startswith("memory:")
    ]


def _store_cost(value: Any) -> str:
    scheme = urlsplit(value).scheme if isinstance(value, str) and "://" in value else "memory"
    return {"memory": "light", "sqlite": "disk"}.get(scheme, "network")
