"""Reviews that visitors write: checked, and kept in bounded memory."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ("LONGEST_BODY", "Review", "ReviewBook", "ReviewError", "parse_review")

LONGEST_BODY = 8 * 1024
_LONGEST_TEXT = 1_000
_LONGEST_AUTHOR = 60
_KEPT_PER_PRODUCT = 20


class ReviewError(ValueError):
    """A body is no review; ``problems`` says everything that is wrong with it."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody thinks of a product."""

    rating: int
    text: str
    author: str


class ReviewBook:
    """The newest reviews of each product; older ones make room."""

    def __init__(self) -> None:
        self._reviews: defaultdict[int, deque[Review]] = defaultdict(lambda: deque(maxlen=_KEPT_PER_PRODUCT))

    def add(self, product_id: int, review: Review) -> None:
        self._reviews[product_id].append(review)

    def of(self, product_id: int) -> list[dict[str, Any]]:
        """Return the reviews of a product, oldest first, as JSON objects."""
        return [asdict(review) for review in self._reviews.get(product_id, ())]


def parse_review(body: bytes) -> Review:
    """Return the review that a JSON text holds; raise `ReviewError`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: a few thousand opening brackets
        raise ReviewError("the body must be JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise ReviewError("the body must be a JSON object")
    rating: Any = value.get("rating")
    text: Any = value.get("text")
    author: Any = value.get("author", "anonymous")
    problems = [f"{name!r} is not known" for name in sorted(value.keys() - {"rating", "text", "author"})[:5]]
    if type(rating) is not int or not 1 <= rating <= 5:
        problems.append("rating must be a whole number from 1 to 5")
    if not _is_text(text, _LONGEST_TEXT):
        problems.append(f"text must be a text of 1 to {_LONGEST_TEXT} characters")
    if not _is_text(author, _LONGEST_AUTHOR):
        problems.append(f"author must be a text of 1 to {_LONGEST_AUTHOR} characters")
    if problems:
        raise ReviewError(*problems)
    return Review(rating, text, author)


def _is_text(value: object, longest: int) -> bool:
    """Say whether a value is a text that can be shown: JSON may also hold half a surrogate pair."""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        return False
    return bool(value.strip()) and not any("\ud800" <= character <= "\udfff" for character in value)
