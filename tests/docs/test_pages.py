"""All code that the pages show runs, in the order of the page."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from middlewares.testing import request
from tests.docs.pages import PAGES, ROOT, Reader, blocks

if TYPE_CHECKING:
    from pathlib import Path


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_of_a_page_runs(page: Path, folder: Path) -> None:
    Reader(page, folder).read()


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_first_application_of_a_newcomer_is_compressed_and_readable(page: str, folder: Path) -> None:
    """Both pages promise it, so the application that they end with must do it."""
    import anyio

    reader = Reader(ROOT / page, folder)
    reader.read()
    headers = {"accept-encoding": "gzip", "origin": "http://localhost:3000"}
    app = reader.module.app
    response = anyio.run(lambda: request(app, path="/products", headers=headers))
    assert response.header("content-encoding") == "gzip"
    assert response.header("access-control-allow-origin") == "http://localhost:3000"


def test_the_quickstart_shows_the_error_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs/quickstart.md"
    Reader(page, folder).read()
    shown = [line.strip().removeprefix("# ") for line in page.read_text().splitlines() if line.startswith("    # GZip")]
    assert capsys.readouterr().out.splitlines()[-2:] == shown


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readme_gives_each_command_alone_on_its_line(command: str) -> None:
    assert command in (ROOT / "README.md").read_text().splitlines()


DJANGO = """
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", SECRET_KEY="of the tests", MIDDLEWARE=[])
urlpatterns = [path("", lambda request: HttpResponse(b"hello " * 1000))]
{lines}
import anyio
from middlewares.testing import request

response = anyio.run(lambda: request(application, headers={{"accept-encoding": "gzip"}}))
print(response.status, response.header("content-encoding"))
"""


def test_the_lines_for_django_put_a_file_around_a_project(folder: Path) -> None:
    [lines] = [block.code for block in blocks(ROOT / "docs/configuration.md") if "get_asgi_application" in block.code]
    (folder / "middlewares.toml").write_text('[[middleware]]\nuse = "compress"\n')
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DJANGO.format(lines=lines)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.returncode) == ("200 gzip\n", 0), ended.stderr


def test_what_is_not_run_says_why(folder: Path) -> None:
    for page in PAGES:
        for block in blocks(page):
            assert block.reason is None or len(block.reason) > 10, f"{page}:{block.line}"


class TestReader:
    """A page that is wrong is not read to its end."""

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("```python\nimport no_such_module\n```", ModuleNotFoundError),
            ("```python\ndef test_it():\n    assert False\n```", AssertionError),
            ("```python\nasync def test_it():\n    assert False\n```", AssertionError),
            ("<!-- no-run: it waits for ever -->\n```python\nx = = 1\n```", SyntaxError),
            ('```toml\n[[middleware]]\nuse = "gzpi"\n```', Exception),
            ("```console\n$ middlewares run no_such_module:app\n```", AssertionError),
            ("```console\n$ middlewares walk\n```", AssertionError),
            ("```sh\nmake run\ncurl http://127.0.0.1:8000/no-such-path\n```", AssertionError),
            (
                "```console\n$ make run\n$ curl -i http://127.0.0.1:8000/products\ncontent-type: text/html\n```",
                AssertionError,
            ),
            ("```sh\nmake no-such-verb\n```", AssertionError),
            ("```sh\npip install 'middlewares[no_such_extra]'\n```", AssertionError),
            ("```sh\nno-such-program\n```", AssertionError),
        ],
    )
    def test_a_mistake_is_found(self, text: str, error: type[Exception], folder: Path) -> None:
        page = folder / "page.md"
        page.write_text(f"# Page\n\n{text}\n")
        with pytest.raises(error):
            Reader(page, folder).read()

    def test_blocks_share_what_they_define_and_know_their_lines(self, folder: Path) -> None:
        page = folder / "page.md"
        page.write_text(
            '# Page\n\n```python title="one.py"\nx = 1\n```\n\n```python\nfrom one import x as y\nassert x == y\n```\n'
        )
        Reader(page, folder).read()
        assert [block.line for block in blocks(page)] == [4, 8]
