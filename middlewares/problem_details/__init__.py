"""Make an answer that clients understand of what an application raises, and of errors that it answers without a word.

::

    app = ProblemDetails(app, handlers={OutOfStock: 409})
"""

from __future__ import annotations

from .middleware import ProblemDetails

__all__ = ("ProblemDetails",)
