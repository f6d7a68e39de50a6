"""The products of the shop: made from a seed when the module is imported, so they are the same everywhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING

from .answers import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ("CATALOG", "Catalog", "Product", "make_catalog")

_CATEGORIES = {
    "books": ("atlas", "cookbook", "field guide", "novel", "notebook", "songbook"),
    "camping": ("hammock", "headlamp", "sleeping mat", "stove", "tent", "water bottle"),
    "garden": ("bird feeder", "herb planter", "pruning shears", "rake", "trowel", "watering can"),
    "home": ("blanket", "clock", "cushion", "lamp", "mirror", "vase"),
    "kitchen": ("bread tin", "chopping board", "colander", "kettle", "mortar", "teapot"),
    "music": ("kalimba", "metronome", "music stand", "ocarina", "tambourine", "tuning fork"),
    "toys": ("building blocks", "kite", "marble run", "puzzle", "spinning top", "wooden train"),
}
_LOOKS = ("amber", "crème", "dark blue", "forest green", "natural", "pearl grey", "slate", "terracotta")
_MAKERS = ("Ahornhof", "Brío & Søn", "Fjordlys", "Kōbō Works", "Old Mill", "Três Rios", "Wren and Daughters")
_PRAISE = (
    "Made to be repaired, and made to be handed on.",
    "Light enough to take along, sturdy enough to forget about.",
    "A quiet favourite of everyone who works here.",
    "Comes with a spare part for the one that always gets lost.",
    "Finished by hand; no two are quite the same.",
)


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on sale."""

    id: int
    name: str
    category: str
    maker: str
    price: str
    """Decimal digits such as ``"12.90"``: a binary fraction would not hold it exactly."""
    currency: str
    stock: int
    description: str


class Catalog:
    """All products, with everything that answers need worked out once."""

    def __init__(self, products: Iterable[Product]) -> None:
        self.products = tuple(products)
        self.categories = tuple(sorted({product.category for product in self.products}))
        self.document = Document.of([asdict(product) for product in self.products])
        """The whole list as JSON, ready to be sent."""
        # The key is text as it stands in a path: `int()` of thousands of digits would raise.
        self._by_id = {str(product.id): product for product in self.products}
        self._haystacks = [f"{product.name} {product.description}".casefold() for product in self.products]

    def find(self, product_id: str) -> Product | None:
        """Return the product with this id, given as text."""
        return self._by_id.get(product_id)

    def search(self, text: str = "", category: str = "") -> Sequence[Product]:
        """Return the products of a category whose name or description contains a text, in any letter case."""
        if not text and not category:
            return self.products
        wanted = text.casefold()
        return [
            product
            for product, haystack in zip(self.products, self._haystacks, strict=True)
            if wanted in haystack and category in ("", product.category)
        ]

    def search_document(self, text: str = "", category: str = "") -> Document:
        """Return what `search` finds as JSON; the whole list is at hand already."""
        found = self.search(text, category)
        if found is self.products:
            return self.document
        return Document.of([asdict(product) for product in found])


def _make_products(count: int, seed: int) -> Iterator[Product]:
    """Yield ``count`` products, the same ones for the same seed."""
    # `random()` is the one method whose sequence Python promises to keep between versions.
    draw = Random(seed).random  # noqa: S311 - nothing here is a secret

    def choose(words: Sequence[str]) -> str:
        return words[int(draw() * len(words))]

    for number in range(1, count + 1):
        category = choose(tuple(_CATEGORIES))
        thing, look, maker = choose(_CATEGORIES[category]), choose(_LOOKS), choose(_MAKERS)
        yield Product(
            id=number,
            name=f"{look} {thing}".capitalize(),
            category=category,
            maker=maker,
            price=f"{3 + int(draw() * 120)}.{choose(('00', '50', '90'))}",
            currency="EUR",
            stock=int(draw() * 80),
            description=f"{thing.capitalize()} in {look}, from {maker}. {choose(_PRAISE)}",
        )


def make_catalog(count: int = 300, seed: int = 20_250) -> Catalog:
    """Return the catalog of the shop."""
    return Catalog(_make_products(count, seed))


CATALOG = make_catalog()
