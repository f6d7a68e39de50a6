"""``middlewares lint``, started as a user starts it: what it prints where, in each form, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from middlewares import __version__
from middlewares.testing.lint import RULES
from tests.test_cli import environment

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
    print("a greeting of the module")

    async def good(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        print("a greeting of the application")
        body = b"" if scope["method"] == "HEAD" else b"hello"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-mood", b"good")]})
        await send({"type": "http.response.body", "body": body})

    async def shouting(scope, receive, send):
        async def send_upper(message):
            if "headers" in message:
                message = {**message, "headers": [(name.upper(), value) for name, value in message["headers"]]}
            await send(message)
        await good(scope, receive, send_upper)

    class Shouting:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def send_upper(message):
                if "headers" in message:
                    message = {**message, "headers": [(name.upper(), value) for name, value in message["headers"]]}
                await send(message)
            await self.app(scope, receive, send_upper)

    async def warned(scope, receive, send):
        await good({**scope, "method": "GET"}, receive, send)

    def create_app():
        return good

    async def failing(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

    class TwoCalls:
        def __init__(self, scope):
            self.scope = scope

        async def __call__(self, receive, send):
            await good(self.scope, receive, send)

    def wsgi(environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"hello"]
"""
LAYERS = '[[middleware]]\nuse = "gzip"\n\n[[middleware]]\nuse = "shop:Shouting"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(dedent(SHOP))
    (tmp_path / "layers.toml").write_text(LAYERS)
    return tmp_path


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "middlewares", "lint", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("app", "status", "summary"),
    [
        ("shop:good", 0, "0 errors and 0 warnings"),
        ("shop:create_app()", 0, "0 errors and 0 warnings"),
        ("shop:TwoCalls", 0, "0 errors and 0 warnings"),
        ("shop:wsgi", 0, "0 errors and 0 warnings"),
        ("shop:warned", 0, "0 errors and 1 warning"),
        ("shop:shouting", 1, "1 error and 0 warnings"),
    ],
)
def test_the_exit_status_says_whether_there_are_errors(app: str, status: int, summary: str, folder: Path):
    done = lint(folder, app)
    assert done.stdout.splitlines()[-1] == f"{app}: {summary} in 126 requests"
    assert done.returncode == status
    assert "greeting" not in done.stdout


def test_what_other_programs_print_is_no_part_of_the_report(folder: Path):
    (folder / "loud.py").write_text(
        "import os\nfrom shop import good as inner\n"
        "async def app(scope, receive, send):\n    os.system('echo a greeting of a program')\n"
        "    os.write(1, b'a greeting past sys.stdout\\n')\n    await inner(scope, receive, send)\n"
    )
    done = lint(folder, "loud:app", "--format", "json", "--no-strict")
    assert json.loads(done.stdout)["summary"]["errors"] == 0
    assert "a greeting of a program" in done.stderr
    assert "a greeting past sys.stdout" in done.stderr


@pytest.mark.parametrize(("count", "is_cut"), [(99, False), (101, True)])
def test_a_note_says_that_not_all_routes_are_asked(folder: Path, count: int, is_cut: bool):
    (folder / "many.py").write_text(
        "from starlette.applications import Starlette\nfrom starlette.responses import Response\n"
        "from starlette.routing import Route\nasync def empty(request):\n    return Response()\n"
        f"app = Starlette(routes=[Route(f'/{{n}}', empty) for n in range({count})])\n"
    )
    done = lint(folder, "many:app", "--no-strict")
    assert done.returncode == 0, done.stderr
    assert ("of the routes, 100 paths are asked; name others by --path" in done.stderr) is is_cut


def test_the_table_says_who_what_and_how_to_mend_it(folder: Path):
    done = lint(folder, "shop:shouting", "--no-strict")
    assert done.stdout == dedent("""\
        LEVEL  RULE  AT FAULT      TIMES  FIRST SEEN IN  WHAT
        error  H24   app shouting  44     GET /          b'X-MOOD' must be in lower case

        H24: Names of response headers are in lower case.
          Lower-case the names.

        shop:shouting: 1 error and 0 warnings in 63 requests
    """)
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert notes[0].startswith("note: lifespan: not supported: the application raised NotImplementedError")
    assert notes[1].endswith(" (18 times)")
    assert len(notes) == 2


def test_with_a_file_the_layer_at_fault_is_named(folder: Path):
    done = lint(folder, "shop:good", "--config", "layers.toml", "--format", "json")
    document = json.loads(done.stdout)
    [found] = document["findings"]
    assert (found["id"], found["party"], found["layer"]) == ("H24", "middleware", "Shouting")
    assert document["config"] == "layers.toml"
    assert done.returncode == 1


def test_json_holds_all_that_is_known(folder: Path):
    document = json.loads(lint(folder, "shop:shouting", "--format", "json", "--path", "/more?q=1").stdout)
    assert document["tool"] == {"name": "middlewares", "version": __version__}
    assert document["application"] == "shop:shouting"
    assert document["summary"] == {
        "requests": 188,
        "errors": 1,
        "warnings": 0,
        "not_started": None,
        "left_off": 0,
    }
    [found] = document["findings"]
    assert found == {
        "id": "H24",
        "level": "error",
        "party": "app",
        "layer": "shouting",
        "detail": "b'X-MOOD' must be in lower case",
        "statement": RULES["H24"].statement,
        "hint": RULES["H24"].hint,
        "source": RULES["H24"].source,
        "history": ["app sends http.response.start 200"],
        "lint": "Lint around shouting",
        "request": "GET /",
        "count": 132,
    }
    assert {note["kind"] for note in document["notes"]} == {"lifespan", "raised"}


def results(document: Any) -> Any:
    """Return the results of a SARIF log, after a look at all that its schema requires."""
    assert document["version"] == "2.1.0"
    [run] = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "middlewares"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert {*ids} == {*RULES, "HANG"}
    for rule in driver["rules"]:
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note", "none")
    for invocation in run["invocations"]:
        assert isinstance(invocation["executionSuccessful"], bool)
        assert all(note["message"]["text"] for note in invocation["toolExecutionNotifications"])
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note", "none")
        assert result["message"]["text"]
        assert result["occurrenceCount"] >= 1
        [location] = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    return run["results"]


def test_sarif_points_to_the_application(folder: Path):
    [result] = results(json.loads(lint(folder, "shop:shouting", "--format", "sarif").stdout))
    assert (result["ruleId"], result["level"]) == ("H24", "error")
    [location] = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "shop.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 12},
    }
    assert [(part["name"], part["kind"]) for part in location["logicalLocations"]] == [
        ("shouting", "type"),
        ("GET /", "resource"),
    ]


def test_sarif_points_to_the_file_that_lists_a_layer(folder: Path):
    done = lint(folder, "shop:good", "--config", "layers.toml", "--format", "sarif")
    [result] = results(json.loads(done.stdout))
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "layers.toml"
    assert location["logicalLocations"][0]["name"] == "Shouting"


def test_sarif_knows_a_finding_again_whatever_was_asked_besides(folder: Path):
    prints = [
        results(json.loads(lint(folder, "shop:shouting", "--format", "sarif", *more).stdout))[0]["partialFingerprints"]
        for more in ([], ["--path", "/more", "--no-strict"])
    ]
    assert prints[0] == prints[1]


def test_sarif_names_a_file_elsewhere_by_its_whole_path(folder: Path):
    elsewhere = folder / "else where"
    elsewhere.mkdir()
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from middlewares.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "lint", "shop:shouting", "--format", "sarif"],
        cwd=elsewhere,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    [result] = results(json.loads(done.stdout))
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (folder / "shop.py").as_uri()}


@pytest.mark.parametrize("format_", ["table", "json", "sarif"])
def test_an_application_that_does_not_start_is_told(format_: str, folder: Path):
    done = lint(folder, "shop:failing", "--format", format_)
    assert done.stderr.splitlines()[-1] == "application 'shop:failing': its startup failed: no database"
    assert done.returncode == 2
    if format_ == "sarif":
        [run] = json.loads(done.stdout)["runs"]
        assert run["invocations"][0]["executionSuccessful"] is False


REFUSED = {
    "no such module": (["shopp:app"], "application 'shopp:app': there is no module 'shopp'"),
    "no such file": (["shop:good", "--config", "no.toml"], "no.toml: there is no such file"),
    "both": (
        ["shop:god", "--config", "no.toml"],
        (
            "no.toml: there is no such file\n"
            "application 'shop:god': module 'shop' has no attribute 'god'; did you mean 'good'?"
        ),
    ),
    "no such rule": (["shop:good", "--ignore", "H240"], "--ignore: there is no rule 'H240'; did you mean 'H24'?"),
    "no number": (["shop:good", "--timeout", "nan"], "Lint: deadline must be above 0 seconds; got nan"),
    "no path": (["shop:good", "--path", "more"], "--path: a path must begin with '/'; got 'more'"),
    "a class": (
        ["shop:Shouting"],
        "the middlewares cannot be built around 'shop:Shouting': Stack: app must be an application, not its class;",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_told_in_one_message(arguments: list[str], message: str, folder: Path):
    done = lint(folder, *arguments)
    words = done.stderr.replace("a greeting of the module\n", "")
    assert words.startswith(message)
    assert words.count("\n") == message.count("\n") + 1
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize("arguments", [["--timeout", "0"], ["--format", "xml"]])
def test_a_wrong_option_is_refused(arguments: list[str], folder: Path):
    done = lint(folder, "shop:good", *arguments)
    assert "Error: Invalid value for" in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_routes_are_asked_unless_that_is_not_wanted(folder: Path):
    (folder / "routed.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.responses import Response\n"
        "from starlette.routing import Route\n"
        "app = Starlette(routes=[Route('/empty', lambda request: Response(headers={'X-Mood': 'a\\nb'}))])\n"
    )
    found = json.loads(lint(folder, "routed:app", "--format", "json").stdout)["findings"]
    assert ("H26", "GET /empty") in {(one["id"], one["request"]) for one in found}
    assert "H26" not in lint(folder, "routed:app", "--no-discover").stdout
