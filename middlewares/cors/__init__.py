"""Let browser pages of other origins use an application: cross-origin resource sharing.

::

    app = CORS(app, allow_origins=["https://app.example.com"], allow_methods=["GET", "POST"])

A page of ``https://app.example.com`` can then read the responses: they carry
``Access-Control-Allow-Origin: https://app.example.com``. Its preflights are answered here.
"""

from __future__ import annotations

from .middleware import CORS
from .path_policy import CORSPolicy

__all__ = ("CORS", "CORSPolicy")
