"""Give each request an id that its response, its log records and the services behind it share.

::

    app = RequestID(app)

    get_request_id()  # anywhere in the application: "0198f5a2-6c1d-7e40-9d0c-5f0a2b7c91e3"
"""

from __future__ import annotations

from .context import RequestIDFilter, add_request_id, get_request_id, request_id
from .middleware import RequestID

__all__ = ("RequestID", "RequestIDFilter", "add_request_id", "get_request_id", "request_id")
