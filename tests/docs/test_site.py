"""The documentation builds without a warning, says what the code says, and its links lead somewhere."""

from __future__ import annotations

import re
import runpy
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

import middlewares
import middlewares.testing
from middlewares.config.resolve import Unresolved
from middlewares.core.option_docs import option_docs
from middlewares.order import ORDER_RULES, ROLES
from middlewares.registry import BUILTIN, load_builtin
from middlewares.testing.lint import RULES
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
_FOREIGN = re.compile(
    r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//(?!middlewares\.)', re.IGNORECASE
)

OUTSIDE = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page in Markdown has on GitHub and in the documentation."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_links_of_the_repository_lead_somewhere(page: Path) -> None:
    """Those between the pages are checked by the strict build."""
    for target in _LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("name", BUILTIN)
def test_every_middleware_has_a_page_in_the_fixed_order_with_all_its_options(name: str, site: Path) -> None:
    html = (site / "middlewares" / name / "index.html").read_text()
    sections = re.findall(r'<h2 id="([^"]+)"', html)
    assert sections == ["example", "options", "reads-and-sets", "order", "standards", "limits"]
    words = text_of(html)
    for option in option_docs(load_builtin(name)):
        assert f"{option.name} {option.type}" in words
        assert option.doc.replace("``", "") in words
    assert "<!-- options" not in html
    assert f"middlewares/{name}.md" in (ROOT / "README.md").read_text()
    assert f"middlewares/{name}.md" in (ROOT / "docs/index.md").read_text()


@pytest.mark.parametrize("module", [middlewares, middlewares.testing], ids=lambda module: module.__name__)
def test_every_public_name_stands_in_the_reference_with_its_text(module: Any, site: Path) -> None:
    html = (site / "reference" / "index.html").read_text()
    for name in set(module.__all__) - {"__version__"}:
        assert f'id="{module.__name__}.{name}"' in html
    assert "::" not in text_of(html)


def test_the_signature_of_a_middleware_is_the_real_one(site: Path) -> None:
    words = text_of((site / "reference" / "index.html").read_text())
    assert "GZip( app: ASGIApp, *, minimum_size: int = 500," in words


def test_the_changelog_is_that_of_the_repository(site: Path) -> None:
    words = text_of((site / "changelog" / "index.html").read_text())
    assert "GZip compresses responses for clients that accept gzip." in words


def test_reading_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not _FOREIGN.search(page.read_text()), page


def test_python_files_of_the_documentation_are_not_published(site: Path) -> None:
    assert list(site.rglob("*.py")) == []


def test_every_rule_and_role_of_order_stands_on_its_page(site: Path) -> None:
    html = (site / "order" / "index.html").read_text()
    words = text_of(html)
    for rule in ORDER_RULES:
        assert f"{rule.outer} {rule.inner} {rule.reason} {rule.harm}" in words
    for role, text in ROLES.items():
        assert f"{role} {text}" in words
    assert "<!-- order" not in html
    assert "CORS, CORSMiddleware (starlette)" in words


def test_a_mark_is_filled_from_the_class_that_it_names() -> None:
    fill = runpy.run_path(str(ROOT / "docs/hooks.py"))["fill"]
    filled = fill("One\n\n<!-- options: middlewares.when:Conditional -->\n\n<!-- default: cors.allow_methods -->")
    assert "| `layer` | Middleware | required | The middleware to apply. |\n" in filled
    assert "| `paths` | a list of strings | `[]` | Path patterns, one of which must match: `/health`," in filled
    assert filled.endswith("\n\n`GET`")
    with pytest.raises(Unresolved, match="did you mean 'gzip'"):
        fill("<!-- options: gzpi -->")


def test_the_page_of_lint_rules_holds_every_rule(site: Path) -> None:
    html = (site / "lint_rules" / "index.html").read_text()
    words = text_of(html)
    for rule in RULES.values():
        assert f'id="{rule.id.lower()}"' in html
        assert rule.statement.replace("`", "") in words
        assert (rule.unobservable or rule.hint).replace("`", "") in words
        assert (rule.unseen or "").replace("`", "") in words
    assert "<!-- lint" not in html
