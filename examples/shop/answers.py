"""What several endpoints need: JSON with an entity tag, numbers from a query, a body read up to a limit."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

__all__ = ("Document", "answer_document", "query_number", "read_body")

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text and its strong entity tag (RFC 9110, 8.8.3)."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, value: object) -> Document:
        """Write a value as compact JSON in UTF-8."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(body, f'"{sha256(body).hexdigest()[:32]}"')


def answer_document(request: Request, document: Document) -> Response:
    """Answer with a document, or with 304 to a client that has it already."""
    headers = {"etag": document.etag, "cache-control": "no-cache"}
    # RFC 9110, 13.1.2: If-None-Match compares weakly, so `W/` in front of a tag does not matter.
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if document.etag in held or "*" in held:
        return Response(status_code=304, headers=headers)
    return Response(document.body, media_type="application/json", headers=headers)


def query_number(
    request: Request, name: str, default: _Number, highest: _Number, parse: Callable[[str], _Number]
) -> _Number:
    """Return a number between 0 and ``highest`` from the query; answer 400 to anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = parse(text)
    except ValueError:
        pass
    else:
        if 0 <= number <= highest:  # false for NaN
            return number
    raise HTTPException(400, f"{name} must be a number from 0 to {highest}")


async def read_body(request: Request, longest: int) -> bytes:
    """Return the body of a request; answer 413 as soon as it is longer than ``longest`` bytes."""
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > longest:
                raise HTTPException(413, f"The body must be at most {longest} bytes.")
    return bytes(body)
