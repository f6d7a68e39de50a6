"""The fixture ``asgi_lint`` fails a test over what the lint finds, with every client that tests use."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from middlewares.testing import pytest_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(pytest_plugin.__file__).parents[2]

APPS = """
    import pytest
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def shouting(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Mood", b"bad")]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def polite(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-mood", b"good")]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def habitual(scope, receive, send):
        while (await receive())["more_body"]:
            pass
        await polite(scope, receive, send)

    shop = Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])

    def get(app, method="GET"):
        import anyio
        from middlewares.testing import request
        return anyio.run(lambda: request(app, method))
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a test module in a process of its own, with the plugin as an installation would load it."""

    def run_tests(source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(apps=APPS, test_it=source)
        plugins = ("-p", "middlewares.testing.pytest_plugin", "-p", "no:cacheprovider")
        return pytester.runpytest_subprocess(*plugins, "--strict-markers", *options)

    return run_tests


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Else the plugin would be there twice where the project is installed.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_the_project_declares_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [(name, module)] = project["entry-points"]["pytest11"].items()
    assert name == "middlewares"
    assert import_module(module) is pytest_plugin


def test_an_installation_loads_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    info = pytester.mkdir("middlewares-0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: middlewares\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\nmiddlewares = middlewares.testing.pytest_plugin\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{pytester.path}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    pytester.makepyfile("def test_it(asgi_lint): pass")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_but_itself():
    code = (
        "import sys, pytest; before = set(sys.modules); import middlewares.testing.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["middlewares", "middlewares.testing", "middlewares.testing.pytest_plugin"]


def test_an_error_fails_the_test_and_is_listed_once(run):
    result = run("""
        from apps import *

        def test_it(asgi_lint):
            app = asgi_lint(shouting)
            assert get(app).body == get(app).body == b"hello"
    """)
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str().partition("short test summary")[0]
    assert text.count("H24 error, app shouting: b'X-Mood' must be in lower case") == 1
    assert "ERROR test_it.py::test_it - Failed: the lint has found H24:" in result.stdout.str()
    assert "seen 2 times" in text
    assert "mend: Lower-case the names." in text


def test_a_clean_application_passes(run):
    run("""
        from apps import *

        def test_it(asgi_lint):
            assert get(asgi_lint(polite)).body == b"hello"

        def test_nothing_is_linted(asgi_lint):
            pass
    """).assert_outcomes(passed=2)


def test_warnings_of_the_lint_are_warnings(run):
    result = run("""
        from apps import *

        def test_it(asgi_lint):
            get(asgi_lint(polite), "HEAD")
    """)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LintWarning: the lint has found H33:*"])


def test_the_marker_leaves_rules_out_and_the_nearest_one_counts(run):
    result = run("""
        from apps import *

        @pytest.mark.asgi_lint(ignore=["H24"])
        class TestAll:
            def test_it(self, asgi_lint):
                get(asgi_lint(shouting))

            @pytest.mark.asgi_lint(ignore=["H33"])
            def test_another(self, asgi_lint):
                get(asgi_lint(shouting))
    """)
    result.assert_outcomes(passed=2, errors=1)


def test_strict_is_set_by_the_marker_and_by_the_call(run):
    """An application that relies on an optional key stumbles in strict mode only."""
    result = run("""
        from apps import *

        def test_plain(asgi_lint):
            get(asgi_lint(habitual))

        def test_call(asgi_lint):
            with pytest.raises(KeyError):
                get(asgi_lint(habitual, strict=True))

        @pytest.mark.asgi_lint(strict=True)
        def test_marker(asgi_lint):
            with pytest.raises(KeyError):
                get(asgi_lint(habitual))

        @pytest.mark.asgi_lint(strict=True)
        def test_call_counts_more(asgi_lint):
            get(asgi_lint(habitual, strict=False))
    """)
    result.assert_outcomes(passed=4)


def test_a_layer_between_two_lints_is_named(run):
    result = run("""
        from apps import *

        class Shouting:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                async def send_upper(message):
                    if "headers" in message:
                        message = {**message, "headers": [(name.upper(), value) for name, value in message["headers"]]}
                    await send(message)

                await self.app(scope, receive, send_upper)

        def test_it(asgi_lint):
            get(asgi_lint(Shouting(asgi_lint(polite))))
            [finding] = asgi_lint.findings
            assert (finding.party, finding.layer) == ("middleware", "Shouting")
            asgi_lint.findings.clear()
    """)
    result.assert_outcomes(passed=1)


CLIENTS = {
    "TestClient": """
        from starlette.testclient import TestClient

        @pytest.mark.parametrize("app", [shop, shouting])
        def test_it(app, asgi_lint):
            client = TestClient(asgi_lint(app))
            assert client.get("/").text == "hello"
            assert client.post("/", content=b"x" * 1000).status_code in (200, 405)
    """,
    "TestClient with its lifespan": """
        from starlette.testclient import TestClient

        @pytest.mark.parametrize("app", [shop, shouting])
        def test_it(app, asgi_lint):
            if app is shouting:
                asgi_lint(app)
            with TestClient(asgi_lint(shop)) as client:
                assert client.get("/").text == "hello"
            if app is shouting:
                assert TestClient(asgi_lint(app)).get("/").text == "hello"
    """,
    "httpx": """
        import anyio, httpx

        @pytest.mark.parametrize("app", [shop, shouting])
        def test_it(app, asgi_lint):
            async def ask():
                transport = httpx.ASGITransport(app=asgi_lint(app))
                async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                    assert (await client.get("/")).text == "hello"
                    assert (await client.post("/", content=b"x" * 1000)).status_code in (200, 405)
            anyio.run(ask)
    """,
}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_it_works_with_the_clients_that_tests_use(client: str, run):
    """What these clients do is not held against the application; what the application does is."""
    result = run(f"from apps import *\n{client}".replace("\n        ", "\n"), "-W", "ignore::DeprecationWarning")
    result.assert_outcomes(passed=2, errors=1)
    assert "H24 error, app shouting" in result.stdout.str()


@pytest.mark.parametrize("options", ["strikt=True", "True"])
def test_a_wrong_marker_is_told(options: str, run):
    result = run(f"""
        from apps import *

        @pytest.mark.asgi_lint({options})
        def test_it(asgi_lint):
            pass
    """)
    result.assert_outcomes(errors=1)
    assert "the marker asgi_lint takes strict and ignore by name" in result.stdout.str()


def test_an_unknown_rule_is_told(run):
    result = run("""
        from apps import *

        @pytest.mark.asgi_lint(ignore=["H999"])
        def test_it(asgi_lint):
            asgi_lint(polite)
    """)
    result.assert_outcomes(failed=1)
    assert "Lint: ignore must hold ids of rules; got 'H999'" in result.stdout.str()


def test_the_marker_is_listed(run):
    result = run("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.asgi_lint(strict=False, ignore=[[][]]): options of the fixture*"])


def test_a_fault_of_every_request_does_not_fill_the_memory(run: Callable[..., pytest.RunResult]) -> None:
    result = run("""
        from apps import shouting
        from middlewares.testing.lint import Finding

        def test_many(asgi_lint):
            lint = asgi_lint(shouting)
            for _ in range(1500):
                lint.report(Finding("H24", "app", None, "", "", (), ""))
            assert len(asgi_lint.findings) == 1000
            asgi_lint.findings.clear()
    """)
    result.assert_outcomes(passed=1)
