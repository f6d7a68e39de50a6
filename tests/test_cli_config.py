"""The commands around a configuration file: check, explain, init, list, show, schema, bench, completion, and run."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from middlewares import ConfigError
from middlewares.cli.commands import cli
from middlewares.config import load
from middlewares.registry import BUILTIN
from middlewares.serve import METRICS_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
KEY = "mVq7-3kd93jf8sXk2-0sdfk3jd93kdjf8w"
SHOP = "async def app(scope, receive, send):\n    raise NotImplementedError\n"

GOOD = """
[[middleware]]
use = "cors"
allow_origins = ["https://a.example"]
when = { paths = ["/api/*"] }

[[middleware]]
use = "rate_limit"
limit = "${LIMIT:-5/minute}"
"""
UNWISE = """
[[middleware]]
use = "rate_limit"
store = "sqlite:///a.db"
[[middleware]]
use = "maintenance"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("MIDDLEWARES_PROFILE", "MIDDLEWARES_CONFIG", "MIDDLEWARES_APP"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cli_shop.py").write_text(SHOP)
    (tmp_path / "middlewares.toml").write_text(GOOD)
    return tmp_path


def run(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, words, prog_name="middlewares", **options)


# -- check


def test_a_right_file_is_said_to_be_right() -> None:
    result = run("check")
    assert (result.output, result.exit_code) == ("middlewares.toml: right, 2 layers\n", 0)


def test_errors_are_counted_and_end_with_status_2() -> None:
    Path("bad.toml").write_text('[[middleware]]\nuse = "gzp"\nx = 1\n[[middleware]]\nuse = "drain"\ngrase = 1')
    result = run("check", "bad.toml")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr.splitlines() == [
        "bad.toml:2:7: middleware[1]: unknown middleware 'gzp'; did you mean 'gzip'?",
        "bad.toml:6:1: middleware[2] (drain): unknown option 'grase'; did you mean 'grace'?",
        "2 errors",
    ]
    told = json.loads(run("check", "bad.toml", "--json").output)
    assert told["errors"][1] == {
        "file": "bad.toml",
        "line": 6,
        "column": 1,
        "message": "middleware[2] (drain): unknown option 'grase'; did you mean 'grace'?",
    }


def test_an_unwise_order_is_a_warning_at_the_entry_with_its_reason() -> None:
    Path("unwise.toml").write_text(UNWISE)
    result = run("check", "unwise.toml")
    first, *_ = result.output.splitlines()
    assert first == "unwise.toml:2:1: warning: RateLimit [1] is better inside Maintenance [2]"
    assert "  why:   What is refused for everybody should use up nobody's quota." in result.output
    assert (result.exit_code, run("check", "unwise.toml", "--strict").exit_code) == (0, 1)
    [warning] = json.loads(run("check", "unwise.toml", "--json").output)["warnings"]
    assert (warning["line"], warning["order"]) == (2, ["Maintenance", "RateLimit"])


def test_every_profile_is_checked() -> None:
    Path("m.toml").write_text(GOOD + '[profile.dev.middleware.cors]\nmax_age = "x"\n')
    result = run("check", "m.toml")
    assert result.stderr.splitlines()[0].endswith(": profile dev (cors): max_age must be an integer; got 'x'")
    Path("m.toml").write_text(GOOD + "[profile.dev.middleware.cors]\nmax_age = -1\n[profile.ok]\n")
    result = run("check", "m.toml")
    assert result.stderr.splitlines()[0].endswith("max_age must not be negative; got -1 (profile dev)")
    assert run("check", "m.toml", "--profile", "ok").output == "m.toml with profile ok: right, 2 layers\n"


def test_checking_the_example_is_quick(tmp_path: Path) -> None:
    """At most 400 ms, the start of Python included, once it is compiled."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}
    program = (
        "import resource, sys, atexit\n"
        "atexit.register(lambda: print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])))\n"
        "sys.argv[1:] = ['check', 'examples/middlewares.toml']\n"
        "from middlewares.cli import main; main()"
    )
    took = []
    for _ in range(4):
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        took.append(float(ended.stdout.splitlines()[-1]))
    assert min(took) <= 0.4


def test_checking_imports_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys; sys.argv[1:] = ['check', 'examples/middlewares.toml']\n"
        "import atexit; atexit.register(lambda: print(sorted({'pydantic', 'yaml', 'uvicorn', 'rich', 'redis', 'httpx'}"
        " & sys.modules.keys())))\n"
        "from middlewares.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


# -- explain


def test_the_stack_is_shown_with_the_source_of_every_option() -> None:
    lines = [" ".join(line.split()) for line in run("explain").output.splitlines()]
    assert lines[0] == "middlewares.toml"
    assert "├─ CORS cost: light, microseconds (middlewares.toml:2:1)" in lines
    assert '│ when.paths = ["/api/*"] middlewares.toml:5:10' in lines
    assert 'limit = "5/minute" middlewares.toml:9:1, default of $LIMIT' in lines
    assert "shadow = false default" in lines


def test_a_request_is_explained() -> None:
    result = run("explain", "GET", "/api/x", "-H", "Origin: https://a.example")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0] == "GET /api/x"
    assert "access-control-allow-origin: https://a.example" in lines
    assert lines[-1] == "→ 200"
    around = run("explain", "get", "/other?q=1").output
    assert "goes around it: when.paths not matched" in around


def test_a_request_that_is_refused_is_explained() -> None:
    Path("m.toml").write_text('[[middleware]]\nuse = "maintenance"\n' + GOOD)
    told = json.loads(run("explain", "GET", "/", "--config", "m.toml", "--json").output)
    assert [layer["does"] for layer in told["layers"]] == ["answers 503", "not reached", "not reached"]
    assert told["status"] == 503
    assert "retry-after: 300" in told["layers"][0]["added"]


def test_no_store_is_asked_and_nothing_foreign_is_built() -> None:
    Path("m.toml").write_text(
        '[[middleware]]\nuse = "rate_limit"\nstore = "sqlite:///never.db"\n[[middleware]]\nuse = "cli_shop:app"\n'
        '[[middleware]]\nuse = "drain"\nenabled = false'
    )
    Path("cli_shop.py").write_text("def app(app):\n    raise RuntimeError\n")
    sys.modules.pop("cli_shop", None)
    result = run("explain", "GET", "/", "--config", "m.toml")
    assert "not asked: it is not ours" in result.output
    assert "not enabled" in result.output
    assert not Path("never.db").exists()


@pytest.mark.parametrize("words", [["GET"], ["GET", "api"], ["GET", "/", "-H", "nothing"]])
def test_what_is_no_request_is_told(words: list[str]) -> None:
    result = run("explain", *words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_the_stack_is_written_as_one_file() -> None:
    text = run("explain", "--format", "toml").output
    assert 'limit = "${LIMIT:-5/minute}"' in text
    Path("written.toml").write_text(text)
    assert run("explain", "--format", "toml", "--config", "written.toml").output == text


# -- init


def test_init_writes_a_file_that_is_right() -> None:
    result = run(
        "init", "new.toml", "--origin", "https://a.example", "--limit", "9/minute", "--use", "drain", "--use", "gzip"
    )
    assert result.exit_code == 0, result.output
    text = Path("new.toml").read_text()
    assert text.count("# ") > 8
    configuration = load("new.toml", environment={})
    assert {entry.use for entry in configuration.entries} == {"cors", "rate_limit", "drain", "gzip"}
    assert configuration.stack.check() == ()
    assert [entry.options["limit"].value for entry in configuration.entries if entry.use == "rate_limit"] == [
        "9/minute"
    ]


def test_init_tells_machines_what_it_has_written() -> None:
    with patch("middlewares.cli.init._is_asked", return_value=True):
        result = run("init", "new.toml", "--json")
    assert json.loads(result.output) == {"file": "new.toml", "use": [entry.use for entry in load("new.toml").entries]}


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_init_writes_every_middleware(name: str) -> None:
    assert run("init", "new.toml", "--use", name).exit_code == 0
    try:
        load("new.toml", environment={"SECRET_KEY": KEY})
    except ConfigError as error:
        # What must be given, and only the user knows.
        assert all("needs the variable" in problem for problem in error.problems)  # noqa: PT017 - few raise it


def test_init_leaves_room_for_what_only_the_user_knows() -> None:
    assert run("init", "new.toml", "--use", "starlette.middleware.sessions:SessionMiddleware").exit_code == 0
    assert 'secret_key = "${SECRET_KEY}"  # required: a string' in Path("new.toml").read_text()


def test_init_asks_on_a_terminal() -> None:
    with patch("middlewares.cli.init._is_asked", return_value=True):
        answers = "n\ny\nhttps://x.example https://y.example\nn\nn\nn\nn\n"
        result = run("init", "new.toml", input=answers)
    assert result.exit_code == 0, result.output
    [entry] = load("new.toml").entries
    assert entry.options["allow_origins"].value == ["https://x.example", "https://y.example"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["init"], "middlewares.toml: is there already; write over it with --force"),
        (["init", "x.yaml"], "x.yaml: init writes TOML; name a file that ends in .toml"),
        (["init", "no/x.toml"], "no/x.toml: cannot be written: No such file or directory"),
        (["init", "x.toml", "--use", "gzp"], "--use: unknown middleware 'gzp'; did you mean 'gzip'?"),
        (["show", "gzp"], "unknown middleware 'gzp'; did you mean 'gzip'?"),
        (["schema", "--output", "no/x.json"], "no/x.json: cannot be written: No such file or directory"),
        (["bench", "--config", "no.toml"], "no.toml: there is no such file"),
        (["explain", "--profile", "x"], "middlewares.toml: there is no profile 'x'; the file has none"),
    ],
)
def test_what_cannot_be_done_is_told(words: list[str], told: str) -> None:
    result = run(*words)
    assert (result.stderr, result.exit_code) == (f"{told}\n", 2)


# -- list, show, schema, bench, completion


def test_every_middleware_is_listed() -> None:
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == sorted(BUILTIN)
    assert "minimum_size" in run("list", "--options").output
    assert {row["use"] for row in json.loads(run("list", "--json").output)} == {*BUILTIN}


def test_a_middleware_is_shown_with_its_options() -> None:
    output = run("show", "sessions").output
    assert "  secret_key = required  (a string or a list of strings)" in output
    assert "  max_age = 1209600" in output
    told = json.loads(run("show", "starlette.middleware.gzip:GZipMiddleware", "--json").output)
    assert {"name": "minimum_size", "type": "an integer", "required": False, "doc": "", "default": "500"} in told[
        "options"
    ]


def test_the_schema_is_written() -> None:
    assert run("schema", "--output", "s.json").exit_code == 0
    assert json.loads(Path("s.json").read_text()) == json.loads(run("schema").output)


def test_the_cost_of_each_layer_is_measured() -> None:
    result = run("bench", "--seconds", "0.01", "--json")
    told = json.loads(result.stdout)
    assert [layer["name"] for layer in told["layers"]] == ["cors", "rate_limit", "all together"]
    assert told["bare"] > 0
    assert "µs PER REQUEST" in run("bench", "--seconds", "0.01", "-H", "origin: https://a.example").output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str) -> None:
    assert "_MIDDLEWARES_COMPLETE" in run("completion", shell).output


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["che"], "check"),
        (["run", "--wa"], "--watch"),
        (["show", "publ"], "publish_route"),
        (["explain", "--format", "to"], "toml"),
        (["completion", "zs"], "zsh"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_options_and_names_are_completed(words: list[str], offered: str, shell: str) -> None:
    """As the script of each shell asks for it."""
    typed = ["middlewares", *words]
    told = {"COMP_WORDS": " ".join(typed), "COMP_CWORD": words[-1] if shell == "fish" else str(len(words))}
    result = run(env={"_MIDDLEWARES_COMPLETE": f"{shell}_complete", **told})
    assert offered in re.split(r"[,\s]", result.output)


def test_bash_completes_a_command() -> None:
    """In a bash that has read the script: pressing Tab fills in the one word that is left."""
    Path("middlewares").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m middlewares "$@"\n')
    Path("middlewares").chmod(0o755)
    ask = (
        "source <(middlewares completion bash); COMP_WORDS=(middlewares expl); COMP_CWORD=1\n"
        "words=($(complete -p middlewares)); for ((i = 0; i < ${#words[@]}; i++)); do\n"
        'if [ "${words[i]}" = -F ]; then "${words[i + 1]}" middlewares expl; fi; done; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{Path.cwd()}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["/bin/bash", "-c", ask], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout.split() == ["explain"], ended


# -- run


def serve(*words: str) -> tuple[Result, Any]:
    with patch("uvicorn.run") as started:
        return run("run", "cli_shop:app", *words), started


def test_stores_in_memory_are_refused_for_several_workers() -> None:
    result, started = serve("--workers", "2")
    assert result.exit_code == 2
    assert result.stderr == (
        "middlewares.toml:7:1: rate_limit keeps its store in memory, which 2 workers do not share; "
        'write store = "sqlite:///rate_limit.db", or a redis:// URL for several machines\n'
    )
    assert not started.called


def test_a_shared_store_serves_several_workers() -> None:
    Path("middlewares.toml").write_text(GOOD + 'store = "sqlite:///limits.db"\n[profile.dev]\n')
    with patch.dict(os.environ):
        result, started = serve("--workers", "2", "--profile", "dev")
        assert os.environ["MIDDLEWARES_PROFILE"] == "dev"
    assert result.exit_code == 0, result.output
    assert started.called


@pytest.mark.parametrize(
    ("host", "warned"), [("192.0.2.1", True), ("::", True), ("127.0.0.2", False), ("localhost", False)]
)
def test_a_server_for_all_is_warned_of_proxies(host: str, warned: bool) -> None:
    result, started = serve("--host", host)
    assert started.called
    assert ("warning: middlewares.toml:7:1: rate_limit goes by the address" in result.stderr) == warned


def test_a_layer_that_knows_proxies_needs_no_warning() -> None:
    text = '[[middleware]]\nuse = "uvicorn.middleware.proxy_headers:ProxyHeadersMiddleware"\n'
    Path("middlewares.toml").write_text(text + GOOD)
    assert "warning" not in serve("--host", "192.0.2.1")[0].stderr


def test_requests_are_not_logged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "access_log", BUILTIN["drain"])
    assert "access_log" not in serve()[1].call_args.kwargs
    Path("middlewares.toml").write_text('[[middleware]]\nuse = "access_log"')
    assert serve()[1].call_args.kwargs["access_log"] is False


@pytest.mark.parametrize(
    ("options", "is_set_up", "shown"),
    [
        ("", False, ["middlewares.access"]),
        ('logger = "shop.lines"', False, ["shop.lines"]),
        ('output = "stderr"', False, []),
        ("", True, []),
        ("enabled = false", False, []),
    ],
)
def test_what_is_logged_is_shown_unless_somebody_has_decided_otherwise(
    options: str, is_set_up: bool, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that turns on the log turns off that of the server, and nobody may have set up logging."""
    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda _: is_set_up)
    Path("middlewares.toml").write_text(f'[[middleware]]\nuse = "access_log"\n{options}')
    loggers = serve()[1].call_args.kwargs["log_config"]["loggers"]
    assert [name for name, logger in loggers.items() if logger.get("handlers") == ["lines"]] == shown


def test_several_workers_count_their_metrics_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory that is there as long as they are."""
    monkeypatch.delenv(METRICS_VARIABLE, raising=False)
    Path("middlewares.toml").write_text('[[middleware]]\nuse = "metrics"')
    given: list[str] = []
    with patch.dict(os.environ), patch("uvicorn.run", lambda *_, **__: given.append(os.environ[METRICS_VARIABLE])):
        run("run", "cli_shop:app", "--workers", "2", catch_exceptions=False)
        assert METRICS_VARIABLE not in os.environ
    assert given
    assert not Path(given[0]).exists()


def test_a_server_with_a_bad_file_ends_in_one_message(folder: Path) -> None:
    (folder / "middlewares.toml").write_text('[[middleware]]\nuse = "gzp"')
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{folder}", "MIDDLEWARES_APP": "cli_shop:app"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "middlewares.serve:app", "--port", "0"]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == "middlewares.toml:2:7: middleware[1]: unknown middleware 'gzp'; did you mean 'gzip'?\n"
