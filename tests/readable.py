"""A CORS policy further in that lets every page read, and permits the preflight of a PUT."""

from __future__ import annotations

from functools import partial

from middlewares import CORS

__all__ = ("PREFLIGHT", "Policy")

PREFLIGHT = {"origin": "https://page.example", "access-control-request-method": "PUT"}

Policy = partial(CORS, allow_origins=["*"], allow_methods=["PUT"])
