"""What can be wrong with an encoded body: found by decoders and limits, told to the client and the application."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from middlewares.core.refusals import Refusal
from middlewares.errors import MiddlewaresError

__all__ = ("CorruptDataError", "LimitError", "RefusedBody", "refused")


class CorruptDataError(Exception):
    """Data is not what its coding says it is; the text is for the client."""


class LimitError(Exception):
    """A body is larger than it may be, or made to be expensive; the text is for the client."""

    def __init__(self, limit: str, detail: str) -> None:
        self.limit = limit
        """The name of the limit, for logs."""
        super().__init__(detail)


def refused(error: CorruptDataError | LimitError) -> Refusal:
    """Return how a request is answered whose body is at fault."""
    if isinstance(error, LimitError):
        return Refusal(status=413, code=f"decompress.{error.limit}", detail=str(error))
    return Refusal(status=400, code="decompress.corrupt", detail=str(error))


class RefusedBody(MiddlewaresError, HTTPException):
    """``receive`` raises it in the application where a request body cannot be decoded, or only beyond a limit.

    What has been received so far is not the whole body, and the rest will not come. The client is answered by the
    layer, whatever the application does now, unless its response has begun. Starlette and FastAPI handle it
    quietly, as any `HTTPException`.
    """

    def __init__(self, refusal: Refusal) -> None:
        HTTPException.__init__(self, refusal.status, refusal.detail)
        self.refusal = refusal
        """What the client is told."""

    def __reduce__(self) -> tuple[type, tuple[Refusal]]:
        return type(self), (self.refusal,)
