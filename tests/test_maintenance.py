"""While maintenance is on, who is not let through gets 503; nobody else notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from middlewares import Maintenance, Middleware, OptionError
from middlewares.testing import Driver, ManualClock, http_scope, request, websocket_scope
from tests.readable import PREFLIGHT, Policy

if TYPE_CHECKING:
    from pathlib import Path

    from middlewares.asgi import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"open"})


async def test_all_is_refused_and_the_client_told_when_to_come_back() -> None:
    response = await request(Maintenance(app, retry_after=120))
    assert response.status == 503
    assert response.header("retry-after") == "120"
    assert response.header("cache-control") == "no-store"
    assert response.json()["detail"] == "The service is down for maintenance. Please come back later."


async def later(connection: Any) -> bool:
    return bool(connection.url.path == "/closed")


@pytest.mark.parametrize(
    ("active", "status"),
    [(False, 200), (True, 503), (lambda connection: False, 200), (lambda connection: True, 503), (later, 503)],
)
async def test_it_is_switched_by_a_constant_or_a_function(active: Any, status: int) -> None:
    assert (await request(Maintenance(app, active=active), path="/closed")).status == status
    if active is later:
        assert (await request(Maintenance(app, active=active), path="/open")).status == 200


async def test_it_is_switched_by_a_file_that_is_looked_for_once_a_second(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "closed"
    for active in (str(file), file):
        layer = Maintenance(app, active=active, clock=clock)
        assert (await request(layer)).status == 200
        file.touch()
        clock.advance(0.99)
        assert (await request(layer)).status == 200, "looked for too soon"
        clock.advance(0.01)
        assert (await request(layer)).status == 503
        file.unlink()
        assert (await request(layer)).status == 503, "looked for too soon"
        clock.advance(1)
        assert (await request(layer)).status == 200


async def test_a_file_that_cannot_be_looked_for_changes_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    clock, file = ManualClock(), tmp_path / "closed"
    file.touch()
    layer = Maintenance(app, active=file, clock=clock)
    assert (await request(layer)).status == 503

    def failing(path: Any) -> bool:
        raise OSError("the disk is gone")

    monkeypatch.setattr(type(file), "exists", failing)
    clock.advance(2)
    assert (await request(layer)).status == 503


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [("/healthz", "", 200), ("/api/healthz", "/api", 200), ("/healthz/x", "", 503), ("/", "", 503)],
)
async def test_health_checks_pass(path: str, root_path: str, status: int) -> None:
    assert (await request(Maintenance(app), path=path, root_path=root_path)).status == status


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("10.1.2.3", 5), 200),
        (("::ffff:10.1.2.3", 5), 200),
        (("192.0.2.1", 5), 200),
        (("2001:db8::7", 5), 200),
        (("fe80::1%eth0", 5), 200),
        (("203.0.113.9", 5), 200),
        (("::ffff:203.0.113.9", 5), 200),
        (("203.0.114.9", 5), 503),
        (("11.1.2.3", 5), 503),
        (("2001:db9::7", 5), 503),
        (("not an address", 5), 503),
        (("\udcff", 5), 503),
        (None, 503),
    ],
)
async def test_clients_of_listed_networks_pass(client: Any, status: int) -> None:
    layer = Maintenance(
        app, allow_clients=["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "fe80::/10", "::ffff:203.0.113.0/120"]
    )
    for _ in range(2):
        assert (await request(layer, client=client)).status == status


async def test_a_page_is_shown_to_browsers(tmp_path: Path) -> None:
    page = tmp_path / "closed.html"
    page.write_text("<h1>Zurück um zwölf</h1>", encoding="utf-8")
    layer = Maintenance(app, page=str(page))
    page.unlink()  # it was read when the layer was built
    response = await request(layer, headers={"accept": "text/html,*/*;q=0.8"})
    assert (response.status, response.text) == (503, "<h1>Zurück um zwölf</h1>")
    assert response.header("content-type") == "text/html; charset=utf-8"
    assert (await request(layer, headers={"accept": "application/json"})).json()["status"] == 503


@pytest.mark.parametrize("extensions", [(), ("websocket.http.response",)])
async def test_websockets_are_denied(extensions: tuple[str, ...]) -> None:
    async with Driver(Maintenance(app), websocket_scope(extensions=extensions)) as call:
        await call.send({"type": "websocket.connect"})
        denial = await call.receive()
        assert denial.get("status", denial.get("code")) == (503 if extensions else 1013)


async def test_preflights_of_a_policy_inside_pass_and_refusals_are_readable() -> None:
    layer = Maintenance(Policy(app))
    assert (await request(layer, "OPTIONS", headers=PREFLIGHT)).status == 204
    assert (await request(layer)).header("access-control-allow-origin") == "*"


async def test_other_scopes_and_all_that_passes_are_handed_on_as_they_are() -> None:
    seen: list[Any] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    for scope, active in (({"type": "lifespan"}, True), (http_scope(), False), (http_scope(path="/health"), True)):
        await Maintenance(noting, active=active)(scope, app, app)  # type: ignore[arg-type]  # nobody calls them
        assert seen[-1][0] is scope
        assert seen[-1][1] is app


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry_after": 0}, "Maintenance: retry_after must be at least 1; got 0"),
        ({"active": ""}, "Maintenance: active must be true, false, a path, or a callable; got ''"),
        ({"allow_paths": ["x"]}, "Maintenance: allow_paths must hold patterns that begin with '/'; got 'x'"),
        ({"allow_clients": ["10.0.0.1/8"]}, "got '10.0.0.1/8' (did you mean its network address?)"),
        ({"allow_clients": ["office"]}, "allow_clients must hold addresses or networks such as '10.0.0.0/8'"),
        ({"page": "/does/not/exist"}, "page must be an HTML file in UTF-8; got '/does/not/exist' (FileNotFoundError)"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as raised:
        Middleware(Maintenance, **options)
    assert message in str(raised.value)
