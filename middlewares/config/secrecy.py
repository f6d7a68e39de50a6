"""Take secrets out of text that is told to somebody."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from middlewares.errors import ConfigError, MiddlewaresError

from .resolve import describe_error

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ("blotted", "without_secrets")

_SHORTEST_SECRET = 4
_LONG_SECRET = 12
"""Characters from which on a secret is blotted out inside of words too; a shorter one might be part of any."""


def blotted(text: str, secrets: Collection[str]) -> str:
    """Return a text with a ``…`` in the place of each secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        for form in {secret, repr(secret)[1:-1], " ".join(secret.split())}:
            if len(form) < _SHORTEST_SECRET or form not in text:
                continue
            if len(form) >= _LONG_SECRET:
                text = text.replace(form, "…")
            else:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "…", text)
    return text


def without_secrets(error: Exception, what: str, secrets: Collection[str]) -> Exception:
    """Return what to raise in the place of an error of code that is not ours, which may repeat what it was given.

    It is the error itself, with its traceback, unless that shows one of the secrets.
    """
    told = "".join(traceback.format_exception(error))
    if blotted(told, secrets) == told:
        return error
    if isinstance(error, MiddlewaresError):
        return ConfigError(blotted(str(error), secrets))
    described = describe_error(error, lambda text: blotted(text, secrets))
    return ConfigError(f"{described}, while {what}")
