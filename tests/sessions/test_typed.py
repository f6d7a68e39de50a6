"""Sessions as objects of a dataclass, or of a model of pydantic or msgspec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.sessions import SessionError
from tests.sessions.sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session


def put(**values: Any) -> Callable[[Session], None]:
    return lambda session: session.update(values)


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)
    coupon: str | None = None


class TestTyped:
    async def test_changes_of_a_dataclass_are_saved(self, site: Site) -> None:
        browser = site.browser()
        await browser.visit(lambda session: session.typed(Cart, "cart").items.append("lamp"))
        assert await browser.data() == {"cart": {"items": ["lamp"], "coupon": None}}
        seen: list[Cart] = []
        await browser.visit(lambda session: seen.append(session.typed(Cart, "cart")))
        assert seen == [Cart(["lamp"])]

    async def test_reading_one_writes_nothing(self, site: Site) -> None:
        response = await site.visit(lambda session: session.typed(Cart).items and None)
        assert response.header("set-cookie") is None

    async def test_the_whole_session_can_be_one(self, site: Site) -> None:
        browser = site.browser()

        def act(session: Session) -> None:
            session.typed(Cart).coupon = "TEN"
            assert session.typed(Cart) is session.typed(Cart)

        await browser.visit(act)
        assert await browser.data() == {"items": [], "coupon": "TEN"}

    async def test_models_of_pydantic_and_msgspec_do_as_well(self, site: Site) -> None:
        import msgspec
        import pydantic

        class Settings(pydantic.BaseModel):
            theme: str = "light"

        class Visit(msgspec.Struct):
            pages: int = 0

        def act(session: Session) -> None:
            session.typed(Settings, "settings").theme = "dark"
            session.typed(Visit, "visit").pages += 1

        browser = site.browser()
        await browser.visit(act)
        await browser.visit(act)
        assert await browser.data() == {"settings": {"theme": "dark"}, "visit": {"pages": 2}}

    async def test_what_does_not_fit_is_told(self) -> None:
        import pydantic

        class Visit(pydantic.BaseModel):
            pages: int

        browser = Site().browser()
        await browser.visit(put(pages="many"))
        with pytest.raises(SessionError, match="does not fit Visit"):
            await browser.visit(lambda session: session.typed(Visit))
        with pytest.raises(SessionError, match="dataclass"):
            await browser.visit(lambda session: session.typed(int))
