"""Where middlewares keep what must outlive a request: in memory, in an SQLite file, or in Redis or Valkey.

::

    store = open_store("sqlite:///sessions.db", namespace="sessions")

One contract (`Store`) over all of them. Nothing is opened before the first call.
"""

from __future__ import annotations

from .base import Item, QuickStore, Store, StoreUnavailable, loop_problem
from .opening import open_store, url_problem

__all__ = ("Item", "QuickStore", "Store", "StoreUnavailable", "loop_problem", "open_store", "url_problem")
