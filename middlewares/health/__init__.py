"""Answer health checks: alive, ready for requests, started.

::

    app = Health(app, checks={"database": ping_database, "disk": has_room})
"""

from __future__ import annotations

from .middleware import Health

__all__ = ("Health",)
